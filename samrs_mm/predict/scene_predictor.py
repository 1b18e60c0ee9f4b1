"""Predict a scene of any size window by window, holding no more than a strip of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import Axis
from samrs_mm.core.wording import counted
from samrs_mm.predict.scene_blends import AverageBlend, CentreBlend, Scores, Strip

BLENDS = dict(centre=CentreBlend, average=AverageBlend)


def check_blend(blend: str, batch: int) -> None:
    """Refuse what no ``ScenePredictor`` takes.

    Raises:
        RefusedError: An unknown blend, or a batch of no window.
    """
    if blend not in BLENDS:
        raise RefusedError(f'blend {blend!r} is unknown; allowed: {", ".join(BLENDS)}')
    if batch < 1:
        raise RefusedError(f'batch {batch}: at least 1 window is needed')


def fit_windows(
    size: tuple[int, int],
    step: tuple[int, int] | None,
    window: int | None,
    stride: int | None,
    blend: str,
    divisor: int,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return size and stride of windows, each vertical and horizontal, in pixels.

    Taken from the middle, windows start at multiples of the network's stride, ``divisor``, unless a
    stride is given: then each sees a pixel on the same grid.

    Args:
        size: Of the windows where the caller gives none.
        step: Their distances, with ``size``; None takes 2/3 of the size.
        window: Side that the caller wants.
        stride: Distance that the caller wants.
        blend: One of ``BLENDS``.
        divisor: The network's stride.
    """
    if window is not None:
        size, step = (window, window), None
    if stride is not None:
        step = (stride, stride)
    if step is None:
        step = (max(size[0] * 2 // 3, 1), max(size[1] * 2 // 3, 1))
    if blend == 'centre' and stride is None:
        down, across = (max(each // divisor * divisor, min(divisor, each)) for each in step)
        step = down, across
    return size, step


class SlidingModel(Scores, Protocol):
    """What slides over a scene: ``WindowModel`` by torch, ``OnnxModel`` by onnxruntime."""

    source: str | None
    flip: bool
    divisor: int
    bands: int

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which an image of this size is padded."""

    def scores(self, windows: Sequence[np.ndarray], size: tuple[int, int]) -> Any:
        """Return the scores ``(N, K, h, w)`` of windows ``(rows, columns, bands)``, RGB of three.

        ``size`` pads them to h, w.
        """


class ScenePredictor:
    """Slides a window over scenes; window and stride are (vertical, horizontal) in pixels.

    ``batch`` windows of one row go through the network together.

    ``centre`` takes every pixel from the window in whose middle it lies (``Axis.owned``). A network
    that sees at most ``(window - stride) // 2`` pixels beyond a pixel thus gives what it would give
    for the whole scene at once, if windows start at multiples of its stride; where the network sees
    further, the error of missing context is least. ``average`` is mmsegmentation's
    ``slide_inference``, by which ``tools/test.py`` scores: the mean over all windows of a pixel,
    those at whose border it lies too. With ``flip`` it is the mean of probabilities.

    Raises:
        RefusedError: Windows that can't be.
    """

    def __init__(
        self,
        model: SlidingModel,
        window: tuple[int, int],
        stride: tuple[int, int],
        blend: str = 'centre',
        batch: int = 1,
    ):
        for size, step in zip(window, stride, strict=True):
            if not 1 <= step <= size:
                raise RefusedError(f'stride {step}: it must be in 1..{size}, the window')
        self.model, self.window, self.stride = model, window, stride
        self.blend, self.batch = blend, batch

    def axes(self, height: int, width: int) -> tuple[Axis, Axis]:
        """Return the windows of a scene, down and across."""
        sides = self.model.padded(height, width)
        down, across = map(Axis, sides, self.window, self.stride)
        return down, across

    def count(self, height: int, width: int) -> int:
        """Return the number of windows of a scene."""
        down, across = self.axes(height, width)
        return len(down.starts) * len(across.starts)

    def strips(
        self,
        scene: SceneImage,
        is_valid: Callable[[int, int, int, int], bool] | None = None,
        probabilities: bool = False,
        tick: Callable[[int], object] = lambda windows: None,
    ) -> Iterator[Strip]:
        """Predict a scene and yield it from the top.

        The network doesn't see windows ``(x, y, width, height)`` that aren't valid, whose labels
        are of no meaning. ``tick`` is called with the number of windows that are done.

        Raises:
            ImageReadError: The scene is damaged, or of other bands than the network's.
        """
        if scene.bands != self.model.bands:
            raise ImageReadError(
                f'{scene.path}: {counted(scene.bands, "band")} by the config, and the network '
                f'takes {self.model.bands}: choose them by image.bands of LoadWindow'
            )
        down, across = self.axes(scene.height, scene.width)
        size = scene.height, scene.width
        blend = BLENDS[self.blend](down, across, size, self.model, probabilities)
        for row, y in enumerate(down.starts):
            rows = min(down.length, scene.height - y)
            places = [(x, y, min(across.length, scene.width - x), rows) for x in across.starts]
            seen = [
                (column, place)
                for column, place in enumerate(places)
                if min(place[2:]) > 0 and (is_valid is None or is_valid(*place))
            ]
            tick(len(places) - len(seen))
            for start in range(0, len(seen), self.batch):
                part = seen[start : start + self.batch]
                pixels = [scene.crop(*place) for _, place in part]
                scores = self.model.scores(pixels, (down.length, across.length))
                for (column, _), score in zip(part, scores, strict=True):
                    blend.add(row, column, score)
                tick(len(part))
            yield from blend.finish(row)
