"""Images with their boxes and masks: of a folder on disk, or just segmented."""

import difflib
import os
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import bounding_boxes
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.drawing.overlays import overlay
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import HELD
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record


class AnnotatedImage:
    """An image, its N boxes in label order, and their masks.

    Everything is read when it is asked for, once, and held as long as the object: keep the arrays
    that you need, not thousands of these. A damaged file raises a ``SamrsError`` that names it.

    Args:
        stem: Name of the image, without suffix.
        classes: All class names; the position is the value in ``label_map``.
        record: Its record, or what reads it; so with ``image`` and ``label_map``.
        image: Its pixels.
        label_map: Its label map.
    """

    def __init__(
        self,
        stem: str,
        classes: tuple[str, ...],
        record: Record | Callable[[], Record],
        image: np.ndarray | Callable[[], np.ndarray],
        label_map: np.ndarray | Callable[[], np.ndarray],
    ):
        self.stem, self.classes = stem, classes
        self._record, self._image, self._label_map = record, image, label_map

    @cached_property
    def record(self) -> Record:
        """All that is known of the image, as in ``instances/STEM.json``."""
        return self._record() if callable(self._record) else self._record

    @cached_property
    def image(self) -> np.ndarray:
        """Pixels ``(H, W, 3)`` uint8 RGB."""
        return self._image() if callable(self._image) else self._image

    @cached_property
    def label_map(self) -> np.ndarray:
        """Class index of each pixel ``(H, W)`` uint8, 255 where no kept mask is."""
        return self._label_map() if callable(self._label_map) else self._label_map

    def __len__(self) -> int:
        return len(self.record.boxes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.record.image.height, self.record.image.width

    @cached_property
    def masks(self) -> np.ndarray:
        """Masks ``(N, H, W)`` bool, before overlap; nothing where a box has none.

        That is N bytes for each pixel; ``mask`` decodes one.
        """
        found = np.zeros((len(self), *self.size), bool)
        for place, box in zip(found, self.record.boxes, strict=True):
            if box.segmentation is not None:
                place[:] = masks.decode(box.segmentation)
        return found

    def mask(self, index: int) -> np.ndarray:
        """Return the mask of a box, ``(H, W)`` bool, by its position."""
        coded = self.record.boxes[index].segmentation
        return np.zeros(self.size, bool) if coded is None else masks.decode(coded)

    @property
    def polygons(self) -> np.ndarray:
        """Corners of the boxes as labelled ``(N, 4, 2)`` float64 x, y in pixels, unclipped."""
        return np.array([box.corners for box in self.record.boxes]).reshape(-1, 4, 2)

    @property
    def boxes(self) -> np.ndarray:
        """Upright boxes around ``polygons``, ``(N, 4)`` float64 x0, y0, x1, y1 in pixels."""
        return bounding_boxes(self.polygons)

    @property
    def prompt_boxes(self) -> np.ndarray:
        """What the segmentor saw ``(N, 4)`` float64 x0, y0, x1, y1, NaN where it saw no box."""
        seen = [box.prompt_box for box in self.record.boxes]
        none = [np.nan] * 4
        return np.array([none if box is None else box for box in seen], float).reshape(-1, 4)

    @property
    def categories(self) -> tuple[str, ...]:
        """N class names."""
        return tuple(box.category for box in self.record.boxes)

    @property
    def labels(self) -> np.ndarray:
        """Class indices ``(N,)`` int64, as in ``label_map``."""
        return np.array([box.label for box in self.record.boxes], np.int64)

    @property
    def scores(self) -> np.ndarray:
        """Predicted IoUs ``(N,)`` float64, NaN where the segmentor gives none."""
        return np.array([box.score for box in self.record.boxes], float)

    @property
    def stabilities(self) -> np.ndarray:
        """Stability scores ``(N,)`` float64 in [0, 1], NaN where the segmentor gives none."""
        return np.array([box.stability for box in self.record.boxes], float)

    @property
    def statuses(self) -> tuple[str, ...]:
        """What became of the N boxes: kept, empty, outside, degenerate, filtered, corrected ..."""
        return tuple(box.status for box in self.record.boxes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why there is no mask, or why it is filtered; N texts, empty for kept boxes."""
        return tuple(box.reason for box in self.record.boxes)

    @property
    def kept(self) -> np.ndarray:
        """Which boxes have a mask in the dataset, ``(N,)`` bool."""
        return np.array([status in HELD for status in self.statuses], bool)

    def draw(self) -> np.ndarray:
        """Return the image with boxes, kept masks tinted by class, ``(H, W, 3)`` uint8 RGB."""
        return overlay(self.image, self.record.boxes)

    def __repr__(self) -> str:
        height, width = self.size
        kept = f'{counted(len(self), "box")}, {self.kept.sum()} kept'
        return f'<AnnotatedImage {self.stem}: {width} x {height} px, {kept}>'


def open_annotated(
    root: str | os.PathLike, data_root: str | os.PathLike | None = None
) -> 'AnnotatedDataset':
    """Open a folder that ``sam_annotate.py`` or ``import_samrs.py`` wrote.

    ::

        for image in samrs_mm.open_annotated('data/demo/masks'):
            print(image.stem, image.masks.shape, image.categories)

    Args:
        root: The folder.
        data_root: The detection dataset, if it does not lie where it lay from there.

    Raises:
        RefusedError: It is no such folder, or the annotation has not got to its end.
    """
    root = Path(root)
    if not root.is_dir():
        raise RefusedError(f'{root}: no such folder')
    meta = read_meta(root)
    if meta is None:
        raise RefusedError(
            f'{root}: no {folder.META}, so not a folder that sam_annotate.py wrote; a download of '
            'the SAMRS release becomes one by import_samrs.py'
        )
    if data_root is not None:
        meta['data_root'] = os.path.abspath(data_root)
    return AnnotatedDataset(root, meta)


class AnnotatedDataset:
    """An annotated folder as a sequence; only the list of its images is read beforehand.

    Images are in the order of ``images.csv``. ``dataset[3]`` and ``dataset['P0001']`` are images,
    ``dataset[:3]`` is a list of them.

    Attributes:
        root: The folder.
        meta: Its ``meta.json``: settings, counts, versions.
        classes: Class names; the position is the value in label maps.
        palette: An RGB colour for each class, each value in 0..255.
        stems: Names of the images.
    """

    def __init__(self, root: Path, meta: dict[str, Any]):
        self.root, self.meta = root, meta
        self.classes = tuple(meta['classes'])
        self.palette = [tuple(colour) for colour in meta['palette']]
        self._entries = {entry.stem: entry for entry in read_annotated(root, meta)}
        self.stems = tuple(self._entries)

    def __len__(self) -> int:
        return len(self.stems)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return map(self._open, self.stems)

    @overload
    def __getitem__(self, which: int | str) -> AnnotatedImage: ...

    @overload
    def __getitem__(self, which: slice) -> list[AnnotatedImage]: ...

    def __getitem__(self, which: int | str | slice) -> AnnotatedImage | list[AnnotatedImage]:
        if isinstance(which, slice):
            return [self._open(stem) for stem in self.stems[which]]
        return self._open(which if isinstance(which, str) else self.stems[which])

    def _open(self, stem: str) -> AnnotatedImage:
        if stem not in self._entries:
            near = difflib.get_close_matches(stem, self.stems, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise KeyError(f'{stem!r}: no such image in {self.root}{hint}')
        entry = self._entries[stem]
        record = AnnotatedFolder(self.root).path(folder.INSTANCES, stem)
        return AnnotatedImage(
            stem,
            self.classes,
            partial(Record.load_checked, record, len(self.classes)),
            partial(self._read_image, entry.image),
            partial(_read_label, entry.label),
        )

    def _read_image(self, path: str) -> np.ndarray:
        folder.refuse_without_pictures(self.root, self.meta, 'an image of it')
        return SceneImage(path).read()

    def __repr__(self) -> str:
        return (
            f'<AnnotatedDataset {self.root}: {counted(len(self), "image")}, '
            f'{counted(len(self.classes), "class")}>'
        )


def _read_label(path: str) -> np.ndarray:
    from samrs_mm.datasets.transforms.pixels import read_label

    return read_label(path)
