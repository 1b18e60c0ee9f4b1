"""An annotated folder as instances: masks and boxes, read in place, an image at a time."""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from samrs_mm.core import masks
from samrs_mm.core.boxes import MASKLESS, bounding_boxes, clip, corners
from samrs_mm.core.classes import palette_for
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.images import image_size
from samrs_mm.datasets.segmentation.image_index import missing_files
from samrs_mm.datasets.segmentation.parts import WindowReader
from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.datasets.transforms.packing import PackMultiTaskInputs
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, HELD, REGIONS, BoxEntry
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.labelled_image import LabelledImage

BOXES = ('mask', 'hbox', 'rbox')
IGNORED_STATUSES = (*REGIONS, EMPTY, FILTERED, MASKLESS)
"""Statuses of what may hold objects that have no mask."""
UPRIGHT = 30
"""So many boxes of which none is turned are taken for H-Boxes."""
LOOKED_AT = 64
"""Images, spread over the list, in which a turned box is looked for."""


class RecordReader(WindowReader):
    """Reads the label map of an image as ``WindowReader`` does, and its record with it."""

    def read(self, info: Mapping[str, Any]) -> np.ndarray:
        """As ``WindowReader.read``.

        Raises:
            RecordError: The record can't be read, or a mask in it is damaged.
            LabelReadError: It is of an image of another size.
        """
        record = Record.load_checked(Path(info['record_path']), info['num_classes'])
        stated, found = (record.image.width, record.image.height), image_size(info['img_path'])
        if stated != tuple(found):
            raise LabelReadError(
                f'{info["record_path"]}: is of an image of {stated[0]} x {stated[1]} px, '
                f'{info["img_path"]} has {found[0]} x {found[1]}; annotate it again'
            )
        return super().read(info)


@DATASETS.register_module()
class AnnotatedInstanceDataset(TileFolderDataset):
    """Masks, H-Boxes or R-Boxes of a folder that ``tools/sam_annotate.py`` wrote.

    For detectors of mmdet and mmrotate, in pipelines with ``mmdet.LoadAnnotations``. Images are
    chosen as by ``SAMRSDataset``; the record of an image is read when the image is asked for. A
    sample has ``height``, ``width`` and ``instances``, each a dict of

    - ``bbox``: x0, y0, x1, y1 in pixels, or with ``boxes='rbox'`` four corners, 8 numbers (then
      ``box_type='qbox'``),
    - ``mask``: COCO RLE of the whole object, also where others cover it,
    - ``bbox_label``: place of its class in ``metainfo['classes']``,
    - ``ignore_flag``: 1 where objects may be that have no mask: nothing is to be learnt there, and
      nothing is scored.

    Args:
        data_root: The annotated folder.
        boxes: ``'mask'``, the box of the mask; ``'hbox'``, the upright one around the label's box,
            within the image; ``'rbox'``, the corners of the label's box.
        ignore: Statuses of boxes that become instances to ignore.
        semantic: Give the label map, too (``seg_map_path``).
        metainfo: ``classes`` may name more than the folder has, in any order: so several folders
            get the one list of a detector.
        source: Name that samples carry.
        filter_empty: Leave out images without a mask.
        **kwargs: As in ``TileFolderDataset``, but for ``packed``, a store that holds no instances.

    Raises:
        RefusedError: As ``TileFolderDataset``, or the folder isn't annotated, a class of it isn't
            in ``classes``, there is no such kind of box or status, or the pipeline wants others.
    """

    FOLDERS = {}
    ALL_LABELLED = False
    label_reader = RecordReader()

    def __init__(
        self,
        data_root: str,
        boxes: str = 'mask',
        ignore: Sequence[str] = IGNORED_STATUSES,
        semantic: bool = False,
        source: str = 'instances',
        filter_empty: bool = True,
        **kwargs: Any,
    ):
        if boxes not in BOXES:
            raise RefusedError(f'source {source}: boxes={boxes!r}: choose from {", ".join(BOXES)}')
        unknown = [status for status in ignore if status not in IGNORED_STATUSES]
        if unknown:
            allowed = ', '.join(IGNORED_STATUSES)
            raise RefusedError(f'source {source}: ignore: {unknown[0]!r}: choose from {allowed}')
        if kwargs.get('packed') is not None:
            raise RefusedError(
                f'source {source}: packed={kwargs["packed"]!r}: a store has no instances; leave it '
                'out, and the plain files are read'
            )
        self.boxes, self.ignore, self.semantic = boxes, tuple(ignore), semantic
        super().__init__(data_root, source=source, filter_empty=filter_empty, **kwargs)
        self._check_pipeline()

    def _check_pipeline(self) -> None:
        """Refuse transforms that want boxes of another kind, or a label map that isn't given."""
        for step in self.pipeline.transforms:
            if isinstance(step, PackMultiTaskInputs) and not self.semantic:
                raise RefusedError(
                    f'source {self.source}: PackMultiTaskInputs packs label maps, too; give the '
                    'dataset semantic=True'
                )
            kind = getattr(step, 'box_type', None) if getattr(step, 'with_bbox', False) else None
            if kind in ('hbox', 'qbox') and (kind == 'qbox') != (self.boxes == 'rbox'):
                fits = 'qbox' if self.boxes == 'rbox' else 'hbox'
                raise RefusedError(
                    f'source {self.source}: boxes={self.boxes!r}, but {type(step).__name__} has '
                    f"box_type={kind!r}; oriented detectors want boxes='rbox' and box_type='qbox', "
                    f'boxes={self.boxes!r} fits box_type={fits!r}'
                )

    def _own_metainfo(self, given: dict | None) -> dict:
        given = dict(given or {})
        if not self._meta:
            raise RefusedError(
                f'source {self.source}: its data_root has no {folder.META}, so it has no '
                'instances; make it with tools/sam_annotate.py, or of released pickles with '
                'import_samrs.py'
            )
        self.found = tuple(self._meta['classes'])
        classes = given.setdefault('classes', self.found)
        absent = [name for name in self.found if name not in classes]
        if absent:
            raise RefusedError(
                f'source {self.source}: its class {absent[0]!r} is not in metainfo.classes '
                f'({", ".join(classes)}); name all classes of the folder, and any others beside'
            )
        same = tuple(classes) == self.found
        palette = self._meta['palette'] if same else palette_for(len(classes))
        return dict(palette=[list(colour) for colour in palette]) | given

    def load_data_list(self) -> list[dict]:
        """As ``TileFolderDataset.load_data_list``; records are only looked for, not read."""
        data_list = super().load_data_list()
        if gone := missing_files(info['record_path'] for info in data_list):
            raise RefusedError(
                f'{gone[0]}: no such record ({len(gone)} are missing); annotate the images again, '
                'or list those that have one'
            )
        return data_list

    def _data_info(self, entry: LabelledImage) -> dict:
        classes = list(self._metainfo['classes'])
        mapped = {old: classes.index(name) for old, name in enumerate(self.found)}
        path = str(Path(self.data_root, folder.INSTANCES, f'{entry.stem}.json'))
        # CocoMetric wants whole numbers, and no number twice over all sources
        digest = hashlib.sha256(f'{self.source}/{entry.stem}'.encode()).digest()
        return super()._data_info(entry) | dict(
            record_path=path,
            img_id=int.from_bytes(digest[:6], 'big'),
            num_classes=len(self.found),
            label_map=None if tuple(classes) == self.found else mapped,
        )

    def without_rboxes(self) -> str | None:
        """Return why no oriented detector can learn from the folder, if one is to, or None.

        H-Boxes taken as R-Boxes would teach that nothing is turned. Of ``LOOKED_AT`` images,
        spread over the list, records are read until a box is; it takes ``UPRIGHT`` boxes to tell.
        """
        steps = self.pipeline.transforms
        packing = [step for step in steps if isinstance(step, PackMultiTaskInputs)]
        if self.boxes != 'rbox' or (packing and 'oriented' not in packing[-1].tasks):
            return None
        upright, looked_at = 0, min(len(self), LOOKED_AT)
        for index in np.linspace(0, len(self) - 1, looked_at).astype(int):
            info = self.file_info(int(index))
            with contextlib.suppress(RecordError):  # which is told when the image is read
                record = Record.load_checked(Path(info['record_path']), info['num_classes'])
                quads = [box.corners for box in record.boxes if box.status in HELD]
                known = [quad for quad in quads if np.isfinite(quad).all()]
                if any(map(_is_turned, known)):
                    return None
                upright += len(known)
        if upright < UPRIGHT:
            return None
        return (
            f"source {self.source}: boxes='rbox', but of the {upright} boxes in {looked_at} of "
            f'{len(self)} images of {self.data_root} none is turned, as if its labels had no '
            'R-Boxes; leave the oriented detector of this source out: detectors of upright boxes '
            '(configs/instance) fit level objects as well'
        )

    def file_info(self, index: int) -> dict[str, Any]:
        """Return what is known of an image without reading its record."""
        return super().get_data_info(index)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return an image's paths and instances; see the class.

        Raises:
            RecordError: Its record can't be read.
        """
        info = self.file_info(index)
        record = Record.load_checked(Path(info['record_path']), info['num_classes'])
        size = record.image.height, record.image.width
        if not self.semantic:
            info['seg_map_path'] = None
        mapped = info['label_map'] or range(len(self.found))
        kinds = dict.fromkeys(HELD, 0) | dict.fromkeys(self.ignore, 1)
        boxes = [box for box in record.boxes if box.status in kinds]
        found = [self._instance(box, size, mapped[box.label], kinds[box.status]) for box in boxes]
        return info | dict(
            height=size[0], width=size[1], instances=[each for each in found if each is not None]
        )

    def _instance(
        self, box: BoxEntry, size: tuple[int, int], label: int, ignored: int
    ) -> dict[str, Any] | None:
        """Return one of ``instances``; None for what to ignore if none of it is in the image."""
        quad, mask = box.corners, box.segmentation
        known = bool(np.isfinite(quad).all())
        if mask is None and known:
            mask = masks.encode_polygon(quad, *size)
        if mask is None or not masks.area(mask):
            return None
        x, y, width, height = masks.bbox(mask)
        bounds = np.array([[x, y, x + width, y + height]], float)
        if self.boxes == 'hbox' and known:
            bounds = clip(bounding_boxes(quad[None]), size[1], size[0])
        elif self.boxes == 'rbox':
            bounds = quad if known else corners(bounds)
        return dict(
            bbox=bounds.ravel().tolist(), mask=mask, bbox_label=int(label), ignore_flag=ignored
        )


def _is_turned(quad: np.ndarray) -> bool:
    """Whether an edge of corners ``(4, 2)`` is neither level nor upright, by 0.01 px."""
    edges = np.abs(np.roll(quad, -1, 0) - quad)
    return bool((edges.min(1) > 0.01).any())
