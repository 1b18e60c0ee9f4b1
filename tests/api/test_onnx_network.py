"""A network in an ONNX file on arrays and files."""

import numpy as np
import pytest
from onnx_cases import CLASSES, scores_of, write_onnx
from PIL import Image

import samrs_mm
from samrs_mm.core.errors import RefusedError

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

PIXELS = np.random.default_rng(4).integers(0, 256, (90, 70, 3), np.uint8)


def test_labels_of_a_scene(tmp_path):
    path = write_onnx(tmp_path / 'a.onnx')
    network = samrs_mm.load_onnx(path, window=32, blend='average')
    np.testing.assert_array_equal(network.predict(PIXELS), scores_of(PIXELS).argmax(0))
    assert network.probabilities(PIXELS).shape == (4, 90, 70)
    assert network.classes == CLASSES
    assert network.settings['window'] == [32, 32]
    assert network.settings['stride'] == [21, 21]
    assert repr(network) == f'<OnnxNetwork {path}: 4 classes>'


def test_files_are_shown_as_its_maker_says(tmp_path):
    image = dict(bands=[3, 2, 1])
    network = samrs_mm.load_onnx(write_onnx(tmp_path / 'a.onnx', image=image))
    Image.fromarray(PIXELS).save(tmp_path / 'a.png')
    wanted = scores_of(PIXELS[..., ::-1]).argmax(0)
    np.testing.assert_array_equal(network.predict(tmp_path / 'a.png'), wanted)
    assert network.settings['image']['bands'] == [3, 2, 1]


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (dict(window=30), r'window 30: .* takes multiples of 4 px'),
        (dict(stride=100), 'stride 100: it must be in 1..64'),
        (dict(blend='mean'), "blend 'mean' is unknown"),
        (dict(batch=0), 'batch 0'),
    ],
)
def test_windows_that_cannot_be(tmp_path, options, problem):
    with pytest.raises(RefusedError, match=problem):
        samrs_mm.load_onnx(write_onnx(tmp_path / 'a.onnx'), **options)


def test_one_size(tmp_path):
    path = write_onnx(tmp_path / 'a.onnx', side=64)
    with pytest.raises(RefusedError, match=r'window 32: .* takes images of 64 x 64 px only'):
        samrs_mm.load_onnx(path, window=32)
    small = PIXELS[:20, :30]
    np.testing.assert_array_equal(
        samrs_mm.load_onnx(path).predict(small), scores_of(small).argmax(0)
    )
