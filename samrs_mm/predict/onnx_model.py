"""A network in an ONNX file, run by onnxruntime; neither torch nor any mm library is imported."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.scene_blends import STEPS

ABOUT = 'samrs_mm'
"""Key of a file's metadata under which all that is needed here stands, as JSON."""
_PROVIDERS = dict(cpu='CPUExecutionProvider', cuda='CUDAExecutionProvider')


class OnnxModel:
    """A file of ``tools/export_model.py`` as a function from windows to the scores of their pixels.

    Args:
        path: The file.
        device: ``'cpu'``, ``'cuda'`` or ``'cuda:N'``; None takes a GPU if onnxruntime has one.
        flip: Average the probabilities of a window and of its mirror image.

    Attributes:
        about: What its maker wrote into it: ``classes``, ``window``, ``stride``, ...

    Raises:
        RefusedError: No onnxruntime, no such file or device, or a file of another maker.
    """

    source = None

    def __init__(self, path: str | os.PathLike, device: str | None = None, flip: bool = False):
        self.flip = flip
        self._session = _open(os.fspath(path), device)
        told = self._session.get_modelmeta().custom_metadata_map
        if ABOUT not in told:
            raise RefusedError(
                f'{path}: its metadata have no {ABOUT!r}, so it is no file of '
                'tools/export_model.py; export the network by it'
            )
        self.about: dict[str, Any] = json.loads(told[ABOUT])
        self.classes: tuple[str, ...] = tuple(self.about['classes'])
        self.num_classes, self.divisor = len(self.classes), self.about['divisor']
        (image,) = self._session.get_inputs()
        self._input = image.name
        sides = image.shape[-2:]
        self.side: tuple[int, int] | None = None
        if all(isinstance(side, int) for side in sides):
            self.side = (sides[0], sides[1])
        self._padding = np.array(self.about['padding'], np.float32)[:, None, None] / 255

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which an image of this size is padded."""
        if self.side:
            return max(height, self.side[0]), max(width, self.side[1])
        height, width = (-(-side // self.divisor) * self.divisor for side in (height, width))
        return height, width

    def scores(self, windows: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Return the scores of windows ``(N, K, h, w)`` float32; see ``WindowModel.scores``."""
        scores = self._forward(windows, size)
        if not self.flip:
            return scores
        mirrored = self._forward([window[:, ::-1] for window in windows], size)
        for window, score in zip(windows, mirrored, strict=True):
            width = window.shape[1]
            score[..., :width] = score[..., :width][..., ::-1].copy()
        return (self._shares(scores, 1) + self._shares(mirrored, 1)) / 2

    def labels(self, scores: np.ndarray) -> np.ndarray:
        """As ``WindowModel.labels``."""
        return scores.argmax(0).astype(np.uint8)

    def steps(self, scores: np.ndarray) -> np.ndarray:
        """As ``WindowModel.steps``."""
        shares = scores if self.flip else self._shares(scores, 0)
        return np.rint(shares * STEPS).astype(np.uint8)

    def array(self, scores: np.ndarray) -> np.ndarray:
        """As ``WindowModel.array``."""
        return scores

    def _forward(self, windows: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
        batch = np.empty((len(windows), 3, *size), np.float32)
        batch[:] = self._padding
        for image, window in zip(batch, windows, strict=True):
            height, width = window.shape[:2]
            image[:, :height, :width] = window.transpose(2, 0, 1).astype(np.float32) / 255
        # the number of images is fixed in the file
        found = [self._session.run(None, {self._input: image[None]})[0] for image in batch]
        return np.concatenate(found)

    def _shares(self, scores: np.ndarray, axis: int) -> np.ndarray:
        """Turn what the network gives into probabilities; classes lie along ``axis``."""
        if self.about['output'] == 'probabilities':
            return scores
        if self.about['sums_masks']:
            return scores / np.maximum(scores.sum(axis, keepdims=True), 1e-12)
        powers = np.exp(scores - scores.max(axis, keepdims=True))
        return powers / powers.sum(axis, keepdims=True)


def _open(path: str, device: str | None) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise RefusedError(
            f"{path}: running it needs onnxruntime ({error}): pip install '.[onnx]'"
        ) from error
    if not os.path.isfile(path):
        raise RefusedError(f'{path}: no such file')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=_providers(device))
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(
            f'{path}: onnxruntime cannot load it: {error}'.splitlines()[0]
        ) from error


def _providers(device: str | None) -> list[Any]:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    kind, _, number = (device or 'cuda').partition(':')
    if kind not in _PROVIDERS or (device and _PROVIDERS[kind] not in there):
        known = [name for name, provider in _PROVIDERS.items() if provider in there]
        raise RefusedError(f'device {device}: this onnxruntime has {", ".join(known)}')
    if kind == 'cuda' and _PROVIDERS['cuda'] in there:
        return [(_PROVIDERS['cuda'], dict(device_id=int(number or 0))), _PROVIDERS['cpu']]
    return [_PROVIDERS['cpu']]
