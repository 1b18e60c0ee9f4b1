"""A detector of mmdet or mmrotate, or an open-vocabulary one, on images of any size."""

import json
import os
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from samrs_mm.compat import is_onedl, strict_loading
from samrs_mm.core.boxes import corners, rotated_corners
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage, file_sha256
from samrs_mm.core.masks import encode_window
from samrs_mm.core.parallel import fit_torch_threads
from samrs_mm.core.tiling import TileSpec, axis_of
from samrs_mm.predict.shown import image_rule, test_steps
from samrs_mm.propose.proposals import Proposals

if TYPE_CHECKING:
    from mmengine.config import Config

WINDOW = 1024
"""Side of the window in pixels where neither the caller nor the config says."""
OVERLAP = 1 / 4
"""Of a window that its neighbour sees, too, where the caller does not say."""
LAST_TRANSFORMERS = 4
_LABEL_STEPS = ('Load', 'HideIgnored', 'FilterAnnotations', 'ConvertBoxType')


def is_segmentor(config: 'Config') -> bool:
    """Whether a config's model labels pixels, instead of finding objects."""
    from mmengine.registry import MODELS

    model = config.model
    scope = model.get('_scope_') or config.get('default_scope')
    with MODELS.switch_scope_and_registry(scope) as registry:
        kind = registry.get(model.type) if isinstance(model.type, str) else model.type
    return hasattr(kind, 'encode_decode')


class Detector:
    """A detector with its weights, its test pipeline and its classes.

    Args:
        config: Its config, as ``load_run_config`` returns it.
        path: Where that was read from, for messages.
        checkpoint: Its weights, loaded as data.
        names: What an open-vocabulary detector is to look for; of others nothing.
        device: Such as ``'cuda:1'``; None takes a GPU if there is one.
        window: Side of the windows in pixels; None takes the longest side to which the config's
            pipeline scales images, else 1024; 0 takes every image whole.
        overlap: Pixels that neighbouring windows share; None takes a quarter of the window. Objects
            up to that size are seen whole.

    Attributes:
        classes: Class names by index.
        window: Side of the windows in pixels; 0 is whole images.
        rule: How images are shown to it.

    Raises:
        RefusedError: A config, weights, device or windows that can't be, or no names of classes.
    """

    def __init__(
        self,
        config: 'Config',
        path: str | os.PathLike,
        checkpoint: str | os.PathLike,
        names: Sequence[str] = (),
        device: str | None = None,
        window: int | None = None,
        overlap: int | None = None,
    ):
        from mmengine.dataset import Compose
        from mmengine.registry import init_default_scope

        fit_torch_threads()
        init_default_scope(config.get('default_scope') or 'mmdet')
        steps = test_steps(config)
        self.window = _longest_side(steps) if window is None else window
        self.overlap = round(self.window * OVERLAP) if overlap is None else overlap
        if self.window and not 0 <= self.overlap < self.window:
            raise RefusedError(f'--overlap {self.overlap}: from 0 to {self.window - 1}')
        self._model, trained = _load(config, str(path), str(checkpoint), device)
        self._decides = dict(model=config.model.to_dict(), pipeline=steps)
        self._checkpoint = checkpoint
        self.open = hasattr(self._model, 'language_model')
        if self.open:
            _refuse_versions(str(path), type(self._model).__name__)
        if self.open and not names:
            raise RefusedError(f'config {path}: looks for what it is told: --class NAME ...')
        self.classes = tuple(names) if self.open else trained
        self.rule = image_rule(config)
        try:
            self._pipeline = Compose(_without_labels(steps, self.open))
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise RefusedError(f'config {path}: test pipeline: cannot be built: {error}') from error

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its boxes, as plain data; the names of classes aside."""
        return dict(
            json.loads(json.dumps(self._decides, default=str)),
            checkpoint=file_sha256(self._checkpoint),
            window=self.window,
            overlap=self.overlap,
        )

    def count(self, width: int, height: int) -> int:
        """Return how many windows an image of this size has."""
        return len(self._windows(width, height))

    def propose(
        self, image: SceneImage, least: float, tick: Callable[[int], object] = lambda windows: None
    ) -> Proposals:
        """Return the boxes of an image by score.

        A box counts in the window in whose middle its centre lies.

        Args:
            image: The image.
            least: Least score.
            tick: Called with 1 after each window.

        Raises:
            ImageReadError: It can't be read.
        """
        parts = []
        for (x, y, width, height), owned in self._windows(image.width, image.height):
            found = self._detect(image.crop(x, y, width, height))
            polygons, oriented = _corners(_array(found.bboxes).astype(np.float64))
            polygons += np.array([x, y])
            scores, centres = _array(found.scores).astype(np.float64), polygons.mean(axis=1)
            low, high = (np.array(ends) for ends in zip(*owned, strict=True))
            rows = np.flatnonzero(
                (centres >= low).all(axis=1) & (centres < high).all(axis=1) & (scores >= least)
            )
            masks: list[dict] | None = None
            if 'masks' in found:
                pixels, size = _array(found.masks).astype(bool), (image.height, image.width)
                masks = [encode_window(pixels[row], y, x, *size) for row in rows]
            labels = _array(found.labels).astype(np.int64)[rows]
            part = Proposals(polygons[rows], scores[rows], labels, oriented, masks)
            parts.append(part.clipped(image.width, image.height))
            tick(1)
        return Proposals.joined(parts).best()

    def _windows(self, width: int, height: int) -> list[tuple[tuple, tuple]]:
        """Return x, y, width and height of windows, and where centres of their boxes may lie."""
        spec = TileSpec(self.window or max(width, height), self.overlap if self.window else 0)
        axes = [axis_of(side, spec) for side in (width, height)]
        across, down = (
            [(start, axis.length, _open_ended(owned, axis.side))
             for start, owned in zip(axis.starts, axis.owned, strict=True)]
            for axis in axes
        )  # fmt: skip
        return [((x, y, w, h), (columns, rows)) for y, h, rows in down for x, w, columns in across]

    def _detect(self, pixels: np.ndarray) -> Any:
        """Return what is found in a window ``(h, w, 3)`` uint8 RGB, as ``InstanceData``."""
        import torch
        from mmengine.dataset import pseudo_collate

        size = pixels.shape[:2]
        sample: dict[str, Any] = dict(
            img=np.ascontiguousarray(pixels[..., ::-1]), img_id=0, img_path='', height=size[0],
            width=size[1], img_shape=size, ori_shape=size,
        )  # fmt: skip
        if self.open:
            sample |= dict(text=' . '.join(self.classes) + ' .', custom_entities=True)
        with torch.no_grad():
            (result,) = self._model.test_step(pseudo_collate([self._pipeline(sample)]))
        found = result.get('pred_instances')
        if found is None:
            raise RefusedError('the model finds no objects (no pred_instances)')
        return found


@strict_loading()
def _load(
    config: 'Config', path: str, weights: str, device: str | None
) -> tuple[Any, tuple[str, ...]]:
    """Return the model with its weights, on its device, and its classes."""
    from mmengine.device import get_device
    from mmengine.registry import MODELS
    from mmengine.runner import load_checkpoint

    from samrs_mm.engine.checkpoint_match import check_match, read_checkpoint
    from samrs_mm.engine.run_config import building

    found = read_checkpoint(weights)
    with building(path):
        model = MODELS.build(config.model)
    check_match(model, found.shapes, weights, whole=True)
    load_checkpoint(model, weights, 'cpu', logger='silent')
    lists = {*found.classes.values()}  # of several folders each says its own
    names = lists.pop() if len(lists) == 1 else ()
    if not names and not hasattr(model, 'language_model'):
        raise RefusedError(
            f'checkpoint {weights}: does not say which classes it was trained on; put '
            "meta['dataset_meta'] = dict(classes=(...)) into it"
        )
    try:
        model = model.to(device or get_device())
        model.eval()
        return model, names
    except (RuntimeError, AssertionError) as error:
        raise RefusedError(f'device {device}: {str(error).splitlines()[0]}') from error


def _refuse_versions(path: str, model: str) -> None:
    """Refuse libraries with which open-vocabulary detectors end in an error.

    BERT of newer transformers takes no masks of pairs of words, which mmdet gives it; the decoder
    of GroundingDINO in OneDL's mmdet encodes points in twice the numbers that its next layer takes.
    """
    if model == 'GroundingDINO' and is_onedl():
        raise RefusedError(
            f"config {path}: GroundingDINO of OneDL's mmdet ends in an error; OpenMMLab's set runs "
            'it (docs/get_started.md)'
        )
    try:
        found = version('transformers')
    except PackageNotFoundError:
        return  # building the model has named it
    if int(found.partition('.')[0]) > LAST_TRANSFORMERS:
        raise RefusedError(
            f"config {path}: mmdet's open-vocabulary detectors work with transformers below "
            f"{LAST_TRANSFORMERS + 1}, and {found} is installed; pip install 'transformers<"
            f"{LAST_TRANSFORMERS + 1}'"
        )


def _without_labels(steps: Sequence[dict[str, Any]], text: bool) -> list[dict[str, Any]]:
    """Return the steps that make of pixels what the model takes."""
    kept = []
    for step in steps:
        name = str(step.get('type')).rpartition('.')[2]
        if name.startswith(_LABEL_STEPS):
            continue
        step = dict(step)
        if name == 'PackDetInputs':
            keys = step.get('meta_keys', ('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor', 'flip', 'flip_direction'))  # fmt: skip
            step['meta_keys'] = (*keys, *(('text', 'custom_entities') if text else ()))
        kept.append(step)
    return kept


def _longest_side(steps: Sequence[dict[str, Any]]) -> int:
    """Return the longest side to which a pipeline scales images."""
    for step in steps:
        scale = step.get('scale')
        if str(step.get('type')).endswith('Resize') and isinstance(scale, tuple | list):
            return int(max(scale))
    return WINDOW


def _open_ended(owned: tuple[int, int], side: int) -> tuple[float, float]:
    """Return where centres may lie; at the border of the image also beyond it."""
    first, last = owned
    return -np.inf if first == 0 else first, np.inf if last == side else last


def _array(values: Any) -> np.ndarray:
    """Return a tensor, boxes of mmdet or an array as an array."""
    values = getattr(values, 'tensor', values)
    return values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)


def _corners(boxes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return boxes ``(N, 4)``, ``(N, 5)`` or ``(N, 8)`` as corners, and if they are R-Boxes."""
    if boxes.shape[1] == 4:
        return corners(boxes), False
    return (rotated_corners(boxes) if boxes.shape[1] == 5 else boxes.reshape(-1, 4, 2)), True
