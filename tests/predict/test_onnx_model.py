"""A network written as ONNX gives what it gave; prediction by it needs no torch."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from folders import ROOT, load_tool
from mmengine.config import Config
from PIL import Image
from scene_cases import CLASSES, build, network, scene
from segmentor_cases import small_model

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.predict.scene_predictor import ScenePredictor
from samrs_mm.predict.window_model import WindowModel

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')

TRAINING = ('torch', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain', 'mmrotate')


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """A config, its weights, an exported file, and an image."""
    work = tmp_path_factory.mktemp('onnx')
    Config(dict(
        default_scope='mmseg', custom_imports=dict(imports=['scene_cases']),
        model=network(layers=2, stride=4),
    )).dump(work / 'net.py')  # fmt: skip
    model = build(layers=2, stride=4).float()
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), work / 'net.pth')
    Image.fromarray(scene(150, 210)).save(work / 'scene.png')
    assert export(work, 'open.onnx') == 0
    return work


def export(work, name, *flags):
    argv = [str(work / 'net.py'), str(work / 'net.pth'), '--out', str(work / name), *flags]
    return load_tool('export_model').main([*argv, '--tiles', '3'])


def labels(folder):
    return np.array(Image.open(folder / 'labels/scene.png'))


def test_prediction_by_the_file_is_that_by_the_network(work):
    argv = [str(work / 'scene.png'), '--window', '64', '--save', 'labels,probabilities', '--out']
    predict = load_tool('predict').main
    assert predict([str(work / 'net.py'), str(work / 'net.pth'), *argv, str(work / 'torch')]) == 0
    without = (
        f'import runpy, sys\nsys.modules.update(dict.fromkeys({TRAINING!r}))\n'
        f'sys.argv = {["predict.py", str(work / "open.onnx"), *argv, str(work / "onnx")]!r}\n'
        f"runpy.run_path({str(ROOT / 'tools/predict.py')!r}, run_name='__main__')"
    )
    paths = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    done = subprocess.run([sys.executable, '-c', without], env=os.environ | dict(PYTHONPATH=paths),
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (labels(work / 'torch') == labels(work / 'onnx')).mean() > 0.9999
    settings = json.loads((work / 'onnx/predictions.json').read_text())['settings']
    assert settings['window'] == [64, 64]


@pytest.mark.parametrize('blend', ['centre', 'average'])
@pytest.mark.parametrize('flip', [False, True])
def test_scores_of_a_scene_are_the_same(work, blend, flip):
    from samrs_mm.predict.onnx_model import OnnxModel

    made = build(layers=2, stride=4).float()
    models = WindowModel(made, flip=flip), OnnxModel(work / 'open.onnx', flip=flip)
    image = SceneImage(work / 'scene.png')
    found = []
    for model in models:
        predictor = ScenePredictor(model, (64, 96), (48, 64), blend, batch=2)
        strips = [*predictor.strips(image, probabilities=True)]
        found.append([
            np.concatenate([strip.labels for strip in strips]),
            np.concatenate([strip.probabilities for strip in strips], 1).astype(int),
        ])  # fmt: skip
    assert (found[0][0] == found[1][0]).mean() > 0.9999
    assert np.abs(found[0][1] - found[1][1]).max() <= 1


def test_metadata_are_those_that_deepness_reads(work):
    assert export(work, 'tile.onnx', '--side', '64', '--output', 'probabilities') == 0
    told = {each.key: each.value for each in onnx.load(work / 'tile.onnx').metadata_props}
    assert json.loads(told['model_type']) == 'Segmentor'
    assert [*json.loads(told['class_names']).values()] == [*CLASSES]
    assert json.loads(told['tile_size']) == 64
    import onnxruntime

    session = onnxruntime.InferenceSession(work / 'tile.onnx', providers=['CPUExecutionProvider'])
    assert session.get_inputs()[0].shape == [1, 3, 64, 64]
    assert session.get_outputs()[0].shape == [1, len(CLASSES), 64, 64]
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    (shares,) = session.run(None, dict(image=image))
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)


def test_pooled_networks_take_any_size():
    """UPerNet's means over parts of an image, one head of several."""
    from samrs_mm.predict.exported_network import ExportedNetwork

    preprocessor = dict(
        type='SegDataPreProcessor', mean=[120.0, 110.0, 100.0], std=[60.0, 55.0, 50.0],
        bgr_to_rgb=True, size_divisor=32, test_cfg=dict(size_divisor=32),
    )  # fmt: skip
    model = small_model(data_preprocessor=preprocessor)  # in float64
    exported = ExportedNetwork(WindowModel(model, 'sior')).double().eval()
    rng = np.random.default_rng(1)
    for size in ((64, 96), (160, 128)):
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        wanted = WindowModel(model, 'sior').scores([pixels], size)
        image = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255)
        torch.testing.assert_close(exported(image).float(), wanted, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_is_refused(work, tmp_path, capsys):
    from samrs_mm.api.onnx_network import load_onnx

    assert export(work, 'x.onnx', '--side', '66') == 2
    assert '--side 66: the network takes multiples of 4 px' in capsys.readouterr().err
    assert export(work, 'x.pt') == 2
    assert not (work / 'x.pt').exists()
    foreign = onnx.load(work / 'open.onnx')
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / 'foreign.onnx')
    with pytest.raises(RefusedError, match=r"its metadata have no 'samrs_mm', so it is no file of"):
        load_onnx(tmp_path / 'foreign.onnx')
    (tmp_path / 'text.onnx').write_text('no')
    with pytest.raises(RefusedError, match=r'onnxruntime cannot load it.*is it whole'):
        load_onnx(tmp_path / 'text.onnx')
    with pytest.raises(RefusedError, match='no such file'):
        load_onnx(tmp_path / 'none.onnx')
    with pytest.raises(RefusedError, match='device abacus: this onnxruntime has cpu'):
        load_onnx(work / 'open.onnx', device='abacus')
