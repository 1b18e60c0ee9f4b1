"""A trained network written for other programs, and compared with what was written."""

import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError, SamrsError

BOUND = 1e-3
"""Largest difference of scores, as a share of the largest, that a file may have."""


def check_target(path: Path) -> None:
    """Refuse a name that doesn't end in ``.onnx``.

    Raises:
        RefusedError: It doesn't.
    """
    if path.suffix != '.onnx':
        raise RefusedError(f'{path}: a name that ends in .onnx is needed')


def export_network(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    target: Path,
    *,
    source: str | None = None,
    side: int | None = None,
    output: str = 'logits',
    tiles: int = 10,
    options: dict[str, Any] | None = None,
) -> Iterator[str]:
    """Write a network as an ONNX file; yield what was done, line by line.

    Args:
        config: As for ``load_network``.
        checkpoint: As for ``load_network``.
        target: The file.
        source: The head of a network that has several.
        side: Height and width of all images in pixels; None leaves them open.
        output: ``'logits'`` or ``'probabilities'``.
        tiles: Images of noise on which the file is compared with the network.
        options: Config keys to change.

    Raises:
        RefusedError: What ``load_network`` and ``export`` refuse.
        SamrsError: The file differs from the network by more than ``BOUND``; it isn't written.
    """
    from samrs_mm.api.network import load_network
    from samrs_mm.predict.onnx_export import add_metadata, export

    network = load_network(
        config, checkpoint, source=source, device='cpu', window=side, options=options
    )
    model = network.predictor.model
    proto = export(model, side, output)
    about: dict[str, Any] = dict(
        checkpoint=os.path.basename(os.fspath(checkpoint)), sha256=network.settings['checkpoint'],
        config=os.path.basename(os.fspath(config)), source=source,
    )  # fmt: skip
    if network.rule is not None:
        about['image'] = network.rule.as_dict()
    slides = side is None and (network.config.model.get('test_cfg') or {}).get('mode') == 'slide'
    stride = network.config.model.test_cfg.stride if slides else None
    add_metadata(proto, model, network.classes, network.predictor.window, stride, output, about)
    data = proto.SerializeToString()
    yield network.matched
    yield compare(data, model, output, side, tiles)
    atomic_write(target, data)
    yield f'{target}: {len(data):,} bytes, {len(network.classes)} classes'


def compare(data: bytes, model: Any, output: str, side: int | None, tiles: int) -> str:
    """Run a file and the network it was made of on the same noise, and say how they differ.

    Raises:
        SamrsError: By too much.
    """
    if importlib.util.find_spec('onnxruntime') is None:
        return 'not compared with the network: onnxruntime is missing (pip install onnxruntime)'
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    rng, worst, largest, equal = np.random.default_rng(0), 0.0, 0.0, []
    seconds = dict(torch=0.0, onnxruntime=0.0)
    for number in range(tiles):
        size = (side, side) if side else tuple((4 + (number + k) % 5) * 32 for k in (0, 2))
        size = tuple(-(-each // model.divisor) * model.divisor for each in size)
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        begun = time.monotonic()
        wanted = model.scores([pixels], size)
        wanted = model.normalised(wanted) if output == 'probabilities' else wanted
        between = time.monotonic()
        image = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        (found,) = session.run(None, {'image': image})
        seconds['torch'] += between - begun
        seconds['onnxruntime'] += time.monotonic() - between
        expected = torch.as_tensor(wanted).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
        equal.append(float((found.argmax(1) == expected.argmax(1)).mean()))
    line = (
        f'{output} differ by at most {worst:.1e} (of up to {largest:.1f}) on {tiles} images of '
        f'noise, labels on {100 * (1 - np.mean(equal)):.4f} % of the pixels; onnxruntime took '
        f'{seconds["onnxruntime"] / max(seconds["torch"], 1e-9):.2f} of the time of torch'
    )
    if worst > BOUND * max(largest, 1e-6):
        raise SamrsError(f'the file is not the network: {line}')
    return line
