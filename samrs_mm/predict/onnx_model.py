"""A network in an ONNX file, run by onnxruntime; neither torch nor any mm library is imported."""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.parallel import compute_threads
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
        side: Height and width of all images where the file has them fixed, else None.

    Raises:
        RefusedError: No onnxruntime, no such file or device, or a file of another maker.
    """

    source: str | None = None
    bands = 3

    def __init__(self, path: str | os.PathLike, device: str | None = None, flip: bool = False):
        self.flip = flip
        self._session = _open(os.fspath(path), device)
        told = self._session.get_modelmeta().custom_metadata_map
        if ABOUT not in told:
            raise RefusedError(
                f'{path}: its metadata have no {ABOUT!r}, so it is no file of '
                'tools/export_model.py; export the network by it'
            )
        self.about = _read_about(path, told[ABOUT])
        self.classes: tuple[str, ...] = tuple(self.about['classes'])
        self.num_classes, self.divisor = len(self.classes), self.about['divisor']
        self._input, *sides = self._check_shapes(path)
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

    def _check_shapes(self, path: str | os.PathLike) -> tuple[Any, ...]:
        """Return the name of the input, and its height and width: numbers, or names of open ones.

        Raises:
            RefusedError: The network takes or gives what its metadata don't say.
        """
        images, scores = self._session.get_inputs(), self._session.get_outputs()
        taken, given = ([each.shape for each in ends] for ends in (images, scores))
        if len(taken) != 1 or len(taken[0]) != 4 or taken[0][:2] != [1, 3]:
            raise RefusedError(
                f'{path}: takes {taken}; allowed: one image (1, 3, H, W), red, green and blue'
            )
        if len(given) != 1 or len(given[0]) != 4 or given[0][1] != self.num_classes:
            raise RefusedError(
                f'{path}: gives {given}, but its metadata name {self.num_classes} classes; write '
                'it anew by tools/export_model.py'
            )
        return images[0].name, *taken[0][2:]

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


def _numbers(value: Any, count: int, least: float = -np.inf, kind: Any = int | float) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(each, kind) and each >= least for each in value)
    )


_ALLOWED: dict[str, Callable[[Any], bool]] = dict(
    classes=lambda value: (
        isinstance(value, list)
        and 0 < len(value) < 256
        and all(isinstance(name, str) for name in value)
    ),
    window=lambda value: _numbers(value, 2, 1, int),
    stride=lambda value: value is None or _numbers(value, 2, 1, int),
    output=lambda value: value in ('logits', 'probabilities'),
    divisor=lambda value: _numbers([value], 1, 1, int),
    padding=lambda value: _numbers(value, 3),
    sums_masks=lambda value: isinstance(value, bool),
)


def _read_about(path: str | os.PathLike, text: str) -> dict[str, Any]:
    """Return what is told of a network.

    Raises:
        RefusedError: It isn't what ``tools/export_model.py`` writes.
    """
    cure = 'write the file anew by tools/export_model.py'
    try:
        about = load(text.encode())
    except ValueError as error:
        raise RefusedError(f'{path}: metadata {ABOUT!r} are no JSON ({error}); {cure}') from error
    for key, is_allowed in _ALLOWED.items():
        if not isinstance(about, dict) or key not in about or not is_allowed(about[key]):
            value = about.get(key) if isinstance(about, dict) else about
            raise RefusedError(f'{path}: metadata {ABOUT!r}: {key}={value!r} cannot be; {cure}')
    return about


def _open(path: str, device: str | None) -> Any:
    """Open a file on a device."""
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
    options.intra_op_num_threads = compute_threads()
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:
        raise RefusedError(_unloadable(path, error, onnxruntime.__version__)) from error
    if device and device.startswith('cuda') and _PROVIDERS['cuda'] not in session.get_providers():
        raise RefusedError(f'device {device}: onnxruntime cannot use it; --device cpu')
    return session


def _unloadable(path: str, error: Exception, version: str) -> str:
    """Return the line on a file that onnxruntime does not load."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    newer = re.search(r'Opset \d+|IR version: \d+|No Op registered for \w+', line)
    if newer:
        return (
            f'{path}: onnxruntime {version} is too old for it ({newer[0]}): '
            'pip install -U onnxruntime'
        )
    return f'{path}: onnxruntime {version} cannot load it: {line}; is it whole?'


def _providers(device: str | None, there: Sequence[str]) -> list[Any]:
    """Return what runs a network, best first."""
    kind, _, number = (device or 'cuda').partition(':')
    known = [name for name, provider in _PROVIDERS.items() if provider in there]
    if device and (kind not in known or (number and not number.isdecimal())):
        raise RefusedError(f'device {device}: this onnxruntime has {", ".join(known)}')
    if kind == 'cuda' and 'cuda' in known:
        return [(_PROVIDERS['cuda'], dict(device_id=int(number or 0))), _PROVIDERS['cpu']]
    return [_PROVIDERS['cpu']]
