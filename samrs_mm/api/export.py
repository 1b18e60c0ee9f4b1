"""A trained network written for other programs, and compared with what was written."""

import importlib.util
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.onnx_files import check_target, need_packages
from samrs_mm.predict.prediction import find_images

if TYPE_CHECKING:
    from samrs_mm.api.network import Network
    from samrs_mm.predict.window_model import WindowModel

ENDINGS = ('.onnx', '.pt2')
BOUND = 1e-3
"""Largest difference of scores, as a share of the largest, that a file may have."""
_SIDES = (64, 240, 160, 336, 96)
"""Of tiles where sizes are open, in pixels before they fit the network: a file may be right for one
size and wrong for others."""


def export_network(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    target: Path,
    *,
    source: str | None = None,
    side: int | None = None,
    output: str = 'logits',
    tiles: int = 10,
    images: Sequence[str] = (),
    options: dict[str, Any] | None = None,
) -> Iterator[str]:
    """Write a network as a file of ONNX or torch.export; yield what was done, line by line.

    Args:
        config: As for ``load_network``.
        checkpoint: As for ``load_network``.
        target: The file, by whose ending it is ``.onnx`` or ``.pt2``.
        source: The head of a network that has several.
        side: Height and width of all images in pixels; None leaves them open.
        output: ``'logits'`` or ``'probabilities'``.
        tiles: How many tiles the file is compared with the network on.
        images: Files or folders from which the tiles are cut; without any they are drawn.
        options: Config keys to change.

    Raises:
        RefusedError: What ``load_network`` and ``trace`` refuse, or a package that is missing.
        SamrsError: The file differs from the network by more than ``BOUND``; it isn't written.
    """
    check_target(target, ENDINGS)
    is_onnx = target.suffix == '.onnx'
    if is_onnx:
        need_packages('onnx', 'onnxscript')
    from samrs_mm.api.network import load_network
    from samrs_mm.predict.exported_network import trace
    from samrs_mm.predict.network_files import as_onnx, as_torch

    network = load_network(
        config, checkpoint, source=source, device='cpu', window=side, options=options
    )
    model = cast('WindowModel', network.predictor.model)
    sizes = _sizes(model.divisor, tiles, side)
    pixels = _cut(network, sizes, images) if images else _drawn(sizes)
    yield network.matched
    program = trace(model, side, output)
    told = _told(network, config, checkpoint, side, output)
    data = as_onnx(program, output, side, told) if is_onnx else as_torch(program, told)
    run = _onnx_runner(data) if is_onnx else _torch_runner(data)
    if run is None:
        yield 'not compared with the network: onnxruntime is missing (pip install onnxruntime)'
    else:
        where = f'{len(pixels)} tiles of {"the images" if images else "drawn blotches"}'
        yield _compare(run, model, output, pixels, where)
    atomic_write(target, data)
    yield f'{target}: {len(data):,} bytes, {len(network.classes)} classes'


def _told(network: 'Network', config: Any, checkpoint: Any, side: int | None, output: str) -> dict:
    """Return what stands beside the network in its file."""
    from samrs_mm.predict.network_files import metadata

    model = cast('WindowModel', network.predictor.model)
    about: dict[str, Any] = dict(
        checkpoint=os.path.basename(os.fspath(checkpoint)), sha256=network.settings['checkpoint'],
        config=os.path.basename(os.fspath(config)), source=model.source,
    )  # fmt: skip
    if network.rule is not None:
        about['image'] = network.rule.as_dict()
    test = network.config.model.get('test_cfg') or {}
    stride = test['stride'] if side is None and test.get('mode') == 'slide' else None
    return metadata(model, network.classes, network.predictor.window, stride, output, about)


def _sizes(divisor: int, count: int, side: int | None) -> list[tuple[int, int]]:
    """Return heights and widths of tiles; the first 25 differ where sizes are open."""
    if side:
        return [(side, side)] * count
    fitting, kinds = [-(-each // divisor) * divisor for each in _SIDES], len(_SIDES)
    return [
        (fitting[number % kinds], fitting[(number + number // kinds + 1) % kinds])
        for number in range(count)
    ]


def _drawn(sizes: Iterable[tuple[int, int]]) -> list[np.ndarray]:
    """Return tiles ``(H, W, 3)`` uint8 of coloured blotches with some noise."""
    rng, tiles = np.random.default_rng(0), []
    for height, width in sizes:
        coarse = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3))
        blotches = coarse.repeat(16, 0).repeat(16, 1)[:height, :width]
        noise = rng.integers(-25, 26, blotches.shape)
        tiles.append((blotches + noise).clip(0, 255).astype(np.uint8))
    return tiles


def _cut(
    network: 'Network', sizes: Sequence[tuple[int, int]], images: Sequence[str]
) -> list[np.ndarray]:
    """Return tiles from the windows of images, as the network is shown them.

    Raises:
        RefusedError: No image, or none as large as a window.
    """
    height, width = network.predictor.window
    windows = list(islice(_windows(find_images(images).values(), network), len(sizes)))
    if not windows:
        raise RefusedError(f'{images[0]}: no image holds a window of {height} x {width} px')
    divisor = cast('WindowModel', network.predictor.model).divisor
    fitting = [side // divisor * divisor for side in (height, width)]
    return [
        pixels[: min(rows, fitting[0]), : min(columns, fitting[1])]
        for pixels, (rows, columns) in zip(windows, sizes, strict=False)
    ]


def _windows(paths: Iterable[Path], network: 'Network') -> Iterator[np.ndarray]:
    height, width = network.predictor.window
    for path in paths:
        scene = SceneImage(path, rule=network.rule)
        for y in range(0, scene.height - height + 1, height):
            for x in range(0, scene.width - width + 1, width):
                yield scene.crop(x, y, width, height)


_Runner = Callable[[np.ndarray], np.ndarray]


def _onnx_runner(data: bytes) -> _Runner | None:
    """Return an ONNX file as a function of an image; None without onnxruntime."""
    if importlib.util.find_spec('onnxruntime') is None:
        return None
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    return lambda image: session.run(None, {'image': image})[0]


def _torch_runner(data: bytes) -> _Runner:
    """Return a file of torch.export as a function of an image."""
    import torch

    module = torch.export.load(io.BytesIO(data)).module()

    def run(image: np.ndarray) -> np.ndarray:
        try:
            with torch.inference_mode():
                return module(torch.from_numpy(image)).numpy()
        except AssertionError as error:
            raise SamrsError(
                f'the graph does not hold for {image.shape[2]} x {image.shape[3]} px, and was not '
                f'written ({error}); --side N fixes the size'
            ) from error

    return run


def _compare(
    run: _Runner, model: 'WindowModel', output: str, tiles: Sequence[np.ndarray], where: str
) -> str:
    """Run a file and the network it was made of on the same tiles, and say how they differ.

    Raises:
        SamrsError: By too much.
    """
    worst, largest, equal, seconds = 0.0, 0.0, [], np.zeros(2)
    for number, pixels in enumerate([tiles[0], *tiles]):
        image = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        begun = time.process_time()
        scores = model.scores([pixels], pixels.shape[:2])
        wanted = (model.normalised(scores) if output == 'probabilities' else scores).numpy()
        between = time.process_time()
        found = run(image)
        if number:  # what the first run of each prepares isn't counted
            seconds += between - begun, time.process_time() - between
            worst = max(worst, float(np.abs(found - wanted).max()))
            largest = max(largest, float(np.abs(wanted).max()))
            equal.append(float((found.argmax(1) == wanted.argmax(1)).mean()))
    line = (
        f'on {where}: {output} differ by at most {worst:.1e} (of up to {largest:.3g}), labels on '
        f'{100 * (1 - np.mean(equal)):.4f} % of the pixels; the file takes '
        f'{seconds[1] / max(seconds[0], 1e-9):.2f} of the CPU time of PyTorch, '
        f'{seconds[0] / len(tiles):.3f} s a tile'
    )
    if not worst <= BOUND * max(largest, 1e-6):  # NaN is no agreement either
        raise SamrsError(f'the file is not the network, and was not written: {line}')
    return line
