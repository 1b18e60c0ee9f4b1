"""A network written by the tool gives what it gave; prediction by the file needs no torch."""

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

import samrs_mm
from samrs_mm.api import export

TRAINING = ('torch', 'mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain', 'mmrotate')
NEEDED = ('onnx', 'onnxscript', 'onnxruntime')


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """A config, its weights, and an image."""
    work = tmp_path_factory.mktemp('onnx')
    Config(dict(
        default_scope='mmseg', custom_imports=dict(imports=['scene_cases']),
        model=network(layers=2, stride=4),
    )).dump(work / 'net.py')  # fmt: skip
    model = build(layers=2, stride=4).float()
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), work / 'net.pth')
    Image.fromarray(scene(150, 210)).save(work / 'scene.png')
    return work


@pytest.fixture(scope='module')
def exported(work):
    """The folder, with a file of open sizes in it."""
    for name in NEEDED:
        pytest.importorskip(name)
    assert run(work, 'open.onnx') == 0
    return work


def run(work, name, *flags):
    argv = [str(work / 'net.py'), str(work / 'net.pth'), '--out', str(work / name), *flags]
    return load_tool('export_model').main([*argv, '--tiles', '2'])


def labels(folder):
    return np.array(Image.open(folder / 'labels/scene.png'))


def test_prediction_by_the_file_is_that_by_the_network(exported):
    work = exported
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


@pytest.mark.parametrize('options', [dict(blend='average', stride=48), dict(flip=True)])
def test_probabilities_are_the_same(exported, options):
    path = exported / 'scene.png'
    ways = (
        samrs_mm.load_network(exported / 'net.py', exported / 'net.pth', window=96, **options),
        samrs_mm.load_onnx(exported / 'open.onnx', window=96, **options),
    )
    wanted, found = (each.probabilities(path) for each in ways)
    assert (wanted.argmax(0) == found.argmax(0)).mean() > 0.999  # ties of steps
    assert np.abs(wanted - found).max() <= 1.01 / 250
    assert ways[0].predictor.stride == ways[1].predictor.stride


def test_metadata_are_those_that_deepness_reads(exported, capsys):
    flags = '--side', '64', '--output', 'probabilities', '--images', str(exported / 'scene.png')
    assert run(exported, 'tile.onnx', *flags) == 0
    assert 'on 2 tiles of the images: probabilities differ by at most' in capsys.readouterr().out
    import onnxruntime

    path = exported / 'tile.onnx'
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told['model_type']) == 'Segmentor'
    assert json.loads(told['class_names']) == {str(k): name for k, name in enumerate(CLASSES)}
    assert json.loads(told['tile_size']) == 64
    assert json.loads(told['tiles_overlap']) == 33
    assert session.get_inputs()[0].shape == [1, 3, 64, 64]
    assert session.get_outputs()[0].shape == [1, len(CLASSES), 64, 64]
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    (shares,) = session.run(None, dict(image=image))
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    logits = onnxruntime.InferenceSession(
        exported / 'open.onnx', providers=['CPUExecutionProvider']
    )
    told = logits.get_modelmeta().custom_metadata_map
    assert 'model_type' not in told  # Deepness would set logits below 0 to 0
    assert 'class_names' in told


def test_a_file_of_torch_export(work, capsys):
    assert run(work, 'net.pt2') == 0
    assert 'logits differ by at most' in capsys.readouterr().out
    about = {'samrs_mm': ''}
    graph = torch.export.load(work / 'net.pt2', extra_files=about).module()
    assert json.loads(about['samrs_mm'])['classes'] == [*CLASSES]
    pixels = scene(64, 96)
    image = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255).float()
    found = graph(image).argmax(1)[0].numpy()
    wanted = samrs_mm.load_network(work / 'net.py', work / 'net.pth', window=96).predict(pixels)
    assert (found == wanted).mean() > 0.9999


def test_a_file_that_differs_is_not_written(work, monkeypatch, capsys):
    right = export._torch_runner

    def wrong(data):
        run = right(data)
        return lambda image: run(image) + np.float32(0.1)

    monkeypatch.setattr(export, '_torch_runner', wrong)
    assert run(work, 'wrong.pt2') == 1
    said = capsys.readouterr().err
    assert 'the file is not the network, and was not written: on 2 tiles' in said
    assert 'differ by at most 1.0e-01' in said
    assert not (work / 'wrong.pt2').exists()


def test_what_cannot_be_is_refused(work, tmp_path, monkeypatch, capsys):
    assert run(work, 'x.pt') == 2
    assert 'x.pt: a name that ends in .onnx or .pt2 is needed' in capsys.readouterr().err
    assert run(work, 'x.pt2', '--side', '66') == 2
    assert '--side 66: the network takes multiples of 4 px' in capsys.readouterr().err
    assert run(work, 'x.pt2', '--images', str(work / 'scene.png')) == 2
    assert 'no image holds a window of 512 x 512 px' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    assert run(work, 'x.onnx') == 2
    said = capsys.readouterr().err
    assert 'writing ONNX needs the package onnx' in said
    assert said.count('\n') == 1
    assert not list(work.glob('x.*'))


@pytest.mark.parametrize('flags', [['--source', 'sota'], ['--cfg-options', 'model=None']])
def test_a_file_has_no_config_and_one_head(tmp_path, flags, capsys):
    with pytest.raises(SystemExit) as end:
        load_tool('predict').main(['a.onnx', str(tmp_path), '--out', str(tmp_path / 'out'), *flags])
    assert end.value.code == 2
    assert 'FILE.onnx has one head and no config' in capsys.readouterr().err
