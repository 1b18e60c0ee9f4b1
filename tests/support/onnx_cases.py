"""Files as ``tools/export_model.py`` writes them, of a network that is one product a pixel."""

import json
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ('ground', 'roof', 'road', 'tree')
WEIGHTS = np.random.default_rng(5).normal(size=(len(CLASSES), 3)).astype(np.float32)
ABOUT = dict(
    classes=list(CLASSES), window=[64, 64], stride=None, output='logits', divisor=4,
    padding=[120.0, 110.0, 100.0], sums_masks=False, checkpoint='net.pth', config='net.py',
)  # fmt: skip


def write_onnx(path: Path, bands: int = 3, side: int | None = None, **about: Any) -> Path:
    """Write a network whose scores are ``WEIGHTS`` times red, green and blue in 0..1."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    sides = [side, side] if side else ['rows', 'columns']
    weights = np.resize(WEIGHTS, (len(CLASSES), bands))[:, :, None, None]
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'weights'], ['logits'])],
        'network',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, bands, *sides])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, [1, len(CLASSES), *sides])],
        [numpy_helper.from_array(weights, 'weights')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    told = {key: value for key, value in (ABOUT | about).items() if value is not ...}
    helper.set_model_props(model, dict(samrs_mm=json.dumps(told)))
    checker.check_model(model)
    save(model, path)
    return path


def scores_of(pixels: np.ndarray) -> np.ndarray:
    """Return the scores ``(K, H, W)`` of pixels ``(H, W, 3)`` uint8."""
    return np.einsum('kc,hwc->khw', WEIGHTS, pixels.astype(np.float32) / 255)
