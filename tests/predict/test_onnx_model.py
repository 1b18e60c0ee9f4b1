"""What an ONNX file gives for windows, and which files are refused."""

import json
import sys

import numpy as np
import pytest
from onnx_cases import ABOUT, CLASSES, scores_of, write_onnx

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.onnx_model import OnnxModel
from samrs_mm.predict.scene_blends import STEPS

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

PIXELS = np.random.default_rng(2).integers(0, 256, (10, 14, 3), np.uint8)


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(0)


def test_scores_with_what_is_padded(tmp_path):
    model = OnnxModel(write_onnx(tmp_path / 'a.onnx'))
    assert model.padded(10, 14) == (12, 16)
    assert model.side is None
    whole = np.broadcast_to(np.uint8(ABOUT['padding']), (12, 16, 3)).copy()
    whole[:10, :14] = PIXELS
    found = model.scores([PIXELS, PIXELS[::-1]], (12, 16))
    assert found.shape == (2, len(CLASSES), 12, 16)
    np.testing.assert_allclose(found[0], scores_of(whole), atol=1e-5)
    np.testing.assert_array_equal(model.labels(found[0]), scores_of(whole).argmax(0))
    wanted = np.rint(softmax(scores_of(whole)) * STEPS)
    assert np.abs(model.steps(found[0]).astype(int) - wanted).max() <= 1


def test_a_mirror_image_is_turned_back(tmp_path):
    """Padding stays at the right: a network of single pixels gives the same as without."""
    path = write_onnx(tmp_path / 'a.onnx')
    found = OnnxModel(path, flip=True).scores([PIXELS], (12, 16))[0, :, :10, :14]
    np.testing.assert_allclose(found, softmax(scores_of(PIXELS)), atol=1e-5)


def test_probabilities_and_sums_of_masks_are_left_as_they_are(tmp_path):
    scores = np.array([[[0.2]], [[0.6]], [[0.0]], [[0.0]]], np.float32)
    of_shares = OnnxModel(write_onnx(tmp_path / 'a.onnx', output='probabilities'))
    assert of_shares.steps(scores).ravel().tolist() == [50, 150, 0, 0]
    of_masks = OnnxModel(write_onnx(tmp_path / 'b.onnx', sums_masks=True))
    assert of_masks.steps(scores).ravel().tolist() == [62, 188, 0, 0]


@pytest.mark.parametrize(
    ('about', 'problem'),
    [
        (dict(classes=['a', 'b']), r'gives \[\[1, 4, .*\]\], but its metadata name 2 classes'),
        (dict(classes=[*CLASSES, 'more']), 'name 5 classes'),
        (dict(classes=[]), r'classes=\[\] cannot be'),
        (dict(classes=[1, 2, 3, 4]), r'classes=\[1, 2, 3, 4\] cannot be'),
        (dict(window=...), 'window=None cannot be; write the file anew'),
        (dict(window=[0, 64]), r'window=\[0, 64\] cannot be'),
        (dict(stride='x'), "stride='x' cannot be"),
        (dict(divisor=0), 'divisor=0 cannot be'),
        (dict(padding=[0, 0]), r'padding=\[0, 0\] cannot be'),
        (dict(output='boxes'), "output='boxes' cannot be"),
        (dict(bands=4), r'takes \[\[1, 4, .*\]\]; allowed: one image \(1, 3, H, W\)'),
        (dict(bands=1), r'takes \[\[1, 1, '),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path, about, problem):
    path = write_onnx(tmp_path / 'a.onnx', **about)
    with pytest.raises(RefusedError, match=problem) as refused:
        OnnxModel(path)
    assert str(path) in str(refused.value)


def test_other_files(tmp_path):
    good = write_onnx(tmp_path / 'a.onnx')
    for told, problem in (
        ({}, r"its metadata have no 'samrs_mm', so it is no file of tools/export_model"),
        (dict(samrs_mm='{'), r"metadata 'samrs_mm' are no JSON"),
        (dict(samrs_mm='[]'), r'classes=\[\] cannot be'),
        (dict(samrs_mm=json.dumps('x' * 10)), "classes='xxxxxxxxxx' cannot be"),
    ):
        foreign = onnx.load(good)
        del foreign.metadata_props[:]
        onnx.helper.set_model_props(foreign, told)
        onnx.save(foreign, tmp_path / 'b.onnx')
        with pytest.raises(RefusedError, match=problem):
            OnnxModel(tmp_path / 'b.onnx')
    with pytest.raises(RefusedError, match='no such file'):
        OnnxModel(tmp_path / 'none.onnx')


def test_cut_files(tmp_path):
    """Cut at any place, a file is refused in one line."""
    data = write_onnx(tmp_path / 'a.onnx').read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / 'b.onnx').write_bytes(data[:length])
        with pytest.raises(RefusedError, match=r'is it whole|metadata') as refused:
            OnnxModel(tmp_path / 'b.onnx')
        assert '\n' not in str(refused.value)


@pytest.mark.parametrize(
    ('newer', 'told'),
    [
        (dict(opset_import=99), 'Opset 99'),
        (dict(ir_version=99), 'IR version: 99'),
        (dict(op_type='Fold'), 'No Op registered for Fold'),
    ],
)
def test_files_of_newer_versions(tmp_path, newer, told):
    model = onnx.load(write_onnx(tmp_path / 'a.onnx'))
    for name, value in newer.items():
        if name == 'opset_import':
            model.opset_import[0].version = value
        else:
            setattr(model if hasattr(model, name) else model.graph.node[0], name, value)
    onnx.save(model, tmp_path / 'b.onnx')
    with pytest.raises(RefusedError, match='is too old for it') as refused:
        OnnxModel(tmp_path / 'b.onnx')
    assert f'({told}): pip install -U onnxruntime' in str(refused.value)


@pytest.mark.parametrize('device', ['abacus', 'cuda', 'cuda:x', 'cuda:0', 'cpux'])
def test_devices_that_are_not_there(tmp_path, monkeypatch, device):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(RefusedError, match=f'device {device}: this onnxruntime has cpu'):
        OnnxModel(write_onnx(tmp_path / 'a.onnx'), device)


def test_a_gpu_that_cannot_be_used_is_not_replaced_in_silence(tmp_path, monkeypatch):
    both = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: both)
    path = write_onnx(tmp_path / 'a.onnx')
    if 'CUDAExecutionProvider' not in OnnxModel(path)._session.get_providers():
        with pytest.raises(RefusedError, match='device cuda: onnxruntime cannot use it'):
            OnnxModel(path, 'cuda')


def test_without_onnxruntime(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / 'a.onnx')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(RefusedError, match=r"needs onnxruntime .*pip install '\.\[onnx\]'"):
        OnnxModel(path)
