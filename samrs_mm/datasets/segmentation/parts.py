"""The datasets inside of wrappers, and their labels as training sees them."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import LoadAnnotations
from PIL import Image, UnidentifiedImageError

from samrs_mm.core.errors import LabelReadError, describe
from samrs_mm.core.images import image_size
from samrs_mm.datasets.transforms.loading import LoadWindow, map_values
from samrs_mm.datasets.transforms.pixels import (
    check_values,
    open_files,
    open_packed,
    read_label,
    refuse_sizes,
)


@dataclass(frozen=True)
class Part:
    """A dataset with files of its own.

    ``source`` is the name of its source, and ``classes`` are what its label values stand for.
    """

    source: str
    dataset: Any
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.dataset)

    def info(self, index: int) -> dict[str, Any]:
        """Return what is known of an image before it is loaded: ``img_path`` and so on.

        ``num_classes`` is that of the label files; mmsegmentation's datasets don't say it.
        """
        of_files = getattr(self.dataset, 'file_info', self.dataset.get_data_info)
        info = of_files(index)
        declared = getattr(self.dataset, 'METAINFO', {}).get('classes') or self.classes
        return dict(num_classes=len(declared) + bool(info.get('reduce_zero_label'))) | info

    @cached_property
    def reader(self) -> 'WindowReader | TransformReader | None':
        """What loads its labels; None where that can't be known."""
        if not hasattr(self.dataset, 'get_data_info') or not self.classes or not len(self):
            return None
        if not self.info(0).get('seg_map_path'):
            return None
        if hasattr(self.dataset, 'label_reader'):
            return self.dataset.label_reader
        steps = getattr(getattr(self.dataset, 'pipeline', None), 'transforms', ())
        if any(isinstance(step, LoadWindow) for step in steps):
            return WindowReader()
        if any(isinstance(step, LoadAnnotations) for step in steps):
            loads = [step for step in steps if type(step).__name__.startswith('Load')]
            return TransformReader(tuple(loads), len(self.classes))
        return None

    @cached_property
    def reading(self) -> str:
        """A short name of how its labels are read, which decides what is right and what counts."""
        info = self.info(0)
        mapped = [[*pair] for pair in (info.get('label_map') or {}).items()]
        reduced = bool(info.get('reduce_zero_label'))
        how = [type(self.reader).__name__, len(self.classes), mapped, reduced]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:8]


def parts_of(dataset: Any, source: str | None = None) -> list[Part]:
    """Return the datasets inside of a ``MultiSourceDataset``, ``ConcatDataset``, ... or itself."""
    inner = vars(dataset).get('dataset')
    if inner is not None:
        return parts_of(inner, source)
    if getattr(dataset, 'datasets', None):
        names = getattr(dataset, 'source_names', [source] * len(dataset.datasets))
        pairs = zip(dataset.datasets, names, strict=True)
        return [part for inner, name in pairs for part in parts_of(inner, name)]
    meta = getattr(dataset, 'metainfo', None) or {}
    return [Part(source or meta.get('source') or 'data', dataset, tuple(meta.get('classes') or ()))]


class WindowReader:
    """Reads what ``LoadWindow`` loads."""

    def look(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return the number of pixels of each value 0..255 of a label, ``(256,)`` int64.

        Of the image only the size is read.

        Raises:
            ImageReadError: The image can't be opened.
            LabelReadError: The label can't be read, or doesn't fit the image or the classes.
        """
        if info.get('pack_path'):
            with open_packed(info['pack_path']) as pixels:
                label = pixels.label[:, :]  # type: ignore[index]
        else:
            label = read_label(info['seg_map_path'])
            width, height = image_size(info['img_path'])
            refuse_sizes(info['img_path'], (height, width), info['seg_map_path'], label.shape)
        check_values(label, info['num_classes'], info['seg_map_path'])
        return counted(map_values(label, info))

    def read(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return the same of a label whose image is decoded, too."""
        packed, label_path = info.get('pack_path'), info['seg_map_path']
        opened = (
            open_packed(packed, info['num_classes'])
            if packed
            else open_files(info['img_path'], label_path, info['num_classes'])
        )
        with opened as pixels:
            _, label = pixels.read(0, pixels.height, 0, pixels.width)
        return counted(map_values(label, info))


class TransformReader:
    """Reads by the loading transforms of a pipeline, such as mmsegmentation's.

    Args:
        loads: The transforms that load, in their order.
        num_classes: Labels may have the values 0..num_classes-1 and 255 after them.
    """

    def __init__(self, loads: Sequence[Any], num_classes: int):
        self.loads, self.num_classes = loads, num_classes

    def look(self, info: Mapping[str, Any]) -> np.ndarray:
        """As ``WindowReader.look``."""
        return self._counts(
            info, [step for step in self.loads if isinstance(step, LoadAnnotations)]
        )

    def read(self, info: Mapping[str, Any]) -> np.ndarray:
        """As ``WindowReader.read``."""
        return self._counts(info, self.loads)

    def _counts(self, info: Mapping[str, Any], steps: Sequence[Any]) -> np.ndarray:
        path = info['seg_map_path']
        results: Any = copy.deepcopy(dict(info))
        try:
            for step in steps:
                results = step(results)
        except Exception as error:
            raise LabelReadError(f'{path}: cannot load it: {describe(error)}') from error
        label = np.asarray(results['gt_seg_map'])
        _refuse_mode(path)
        if label.ndim != 2:
            raise LabelReadError(
                f'{path}: {label.shape[-1]} bands; a label is one band of 8-bit class indices (is '
                'this a folder of colour pictures?)'
            )
        size = results['img'].shape[:2] if 'img' in results else _size(info['img_path'])
        if size is not None:
            refuse_sizes(info['img_path'], size, path, label.shape)
        check_values(label.astype(np.uint8), self.num_classes, path)
        return counted(label.astype(np.uint8))


def counted(label: np.ndarray) -> np.ndarray:
    """Return the number of pixels of each value of an uint8 array, ``(256,)`` int64."""
    return np.bincount(label.ravel(), minlength=256)


def _refuse_mode(path: str) -> None:
    """Refuse what mmsegmentation's ``LoadAnnotations`` cuts down to 8 bits without a word."""
    try:
        with Image.open(path) as image:
            mode = image.mode
    except (OSError, UnidentifiedImageError):  # read by other means, or from elsewhere
        return
    if mode.startswith(('I', 'F')):
        raise LabelReadError(
            f'{path}: pixels of mode {mode}, of which only the lowest 8 bits are taken; save '
            'labels with 8 bits'
        )


def _size(path: str) -> tuple[int, int] | None:
    if not Path(path).is_file():
        return None
    width, height = image_size(path)
    return height, width
