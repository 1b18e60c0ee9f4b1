"""BoxNet as an ONNX file: where onnx and onnxruntime are installed, it gives the same masks."""

import json
import sys

import numpy as np
import pytest
import torch
from boxnet_cases import SMALL, random_weights
from folders import load_tool

from samrs_mm.core.images import file_sha256
from samrs_mm.models.boxnet.inputs import CHANNELS
from samrs_mm.models.boxnet.weights import load_weights

TOOL = load_tool('model_converters/boxnet2onnx')


@pytest.fixture
def weights(tmp_path):
    return random_weights(tmp_path / 'w.safetensors')


@pytest.mark.parametrize('side', [None, 64])
def test_the_file_gives_the_same_masks(tmp_path, weights, capsys, side):
    onnx, runtime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    out = tmp_path / 'boxnet.onnx'
    options = [] if side is None else ['--side', str(side)]
    assert TOOL.main([str(out), '--checkpoint', str(weights), *options]) == 0
    side = side or SMALL.side
    assert f'crops of {side} px' in capsys.readouterr().out
    told = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert json.loads(told['channels']) == list(CHANNELS)
    assert told['sha256'] == file_sha256(weights)
    session = runtime.InferenceSession(str(out), providers=['CPUExecutionProvider'])
    network, info = load_weights(weights)
    for count in (1, 3):
        crops = np.random.default_rng(count).normal(size=(count, len(CHANNELS), side, side))
        crops = crops.astype(np.float32)
        logits, scores = session.run(None, {'crops': crops})
        with torch.inference_mode():
            wanted, iou = network(torch.from_numpy(crops))
        np.testing.assert_allclose(logits, wanted, atol=1e-3, rtol=1e-4)
        np.testing.assert_allclose(scores, info.score(iou), atol=1e-5)
        clear = np.abs(wanted.numpy()) > 1e-3
        np.testing.assert_array_equal((logits > 0)[clear], (wanted.numpy() > 0)[clear])


def test_what_is_needed_is_told(tmp_path, weights, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    assert TOOL.main([str(tmp_path / 'a.onnx'), '--checkpoint', str(weights)]) == 2
    assert 'needs the package onnx' in (said := capsys.readouterr().err)
    assert said.count('\n') == 1
    assert not (tmp_path / 'a.onnx').exists()


@pytest.mark.parametrize(
    ('flags', 'problem'),
    [
        (['a.pth'], 'a.pth: a name that ends in .onnx'),
        (
            ['a.onnx', '--side', '30'],
            '--side=30: a multiple of 4 from 16 to 512 is needed, such as 32',
        ),
        (['a.onnx', '--checkpoint', 'none'], 'checkpoint none: no such file'),
    ],
)
def test_what_cannot_be(tmp_path, weights, capsys, monkeypatch, flags, problem):
    monkeypatch.chdir(tmp_path)
    assert TOOL.main(['--checkpoint', str(weights), *flags]) == 2
    assert problem in capsys.readouterr().err
