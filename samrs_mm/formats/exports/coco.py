"""COCO instance segmentation."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samrs_mm.formats.annotated.entries import HELD, REGIONS
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.coco import CocoWriter, coco_annotation
from samrs_mm.formats.exports.base import INSTANCES, Export
from samrs_mm.formats.exports.outlines import INNER, as_read, outline
from samrs_mm.formats.labelled_image import LabelledImage

FILE = 'annotations.json'


class COCOExport(Export):
    """``annotations.json``, with masks as compressed RLE (lossless) or as polygons.

    Polygons are one for each part of a mask, and leave holes filled, which a polygon of COCO can't
    have; see ``Outline`` for where they run. ``area`` is that of the filled mask. Annotations are
    those of ``coco_annotation``: ``iscrowd`` is 0 also where masks are RLE, since each is one
    object, and 1 for crowds and ignored regions, which are always RLE. Categories have the ids of
    the user's labels.
    Source of the format: https://cocodataset.org/#format-data.

    Args:
        out: The folder.
        classes: Class names.
        polygons: ``'edges'`` or ``'inner'``; None writes RLE.
        category_ids: Ids of the classes; None counts from 1.
    """

    holds = (*HELD, *REGIONS)
    unlabelled = 'carries no annotation; trainers take it as background'

    def __init__(
        self,
        out: Path,
        classes: Sequence[str],
        polygons: str | None = None,
        category_ids: Sequence[int] | None = None,
    ):
        super().__init__(out, classes)
        self.polygons = polygons
        if polygons:
            self.losses = dict(holes='holes filled', hole_pixels='pixels of holes filled')
        self._file = open(self.out / FILE, 'wb')
        self._coco = CocoWriter(self._file, classes, category_ids)

    def __getstate__(self) -> dict[str, Any]:
        """Return what other processes convert with; this one alone writes the file."""
        return {k: v for k, v in self.__dict__.items() if k not in ('_file', '_coco')}

    def convert(
        self, image: LabelledImage, record: Record, file: str
    ) -> tuple[tuple[dict, list[dict]], Counter]:
        """Return an image and its annotations as they go into the file, but for their ids."""
        counts: Counter[str] = Counter({INSTANCES: len(record.kept)})
        entry = dict(file_name=file, width=record.image.width, height=record.image.height)
        annotations = [coco_annotation(box) for box in record.annotated]
        for annotation in annotations if self.polygons else ():
            if annotation['iscrowd']:
                continue
            shape = outline(annotation['segmentation'], self.polygons == INNER)
            counts.update(holes=shape.holes, hole_pixels=shape.hole_pixels)
            counts.update(as_read(annotation['segmentation'], shape.parts))
            rings = [ring.ravel().tolist() for ring in shape.parts]
            annotation.update(area=annotation['area'] + shape.hole_pixels, segmentation=rings)
        counts['regions'] = len(annotations) - counts[INSTANCES]
        return (entry, annotations), counts

    def collect(self, converted: tuple[dict, list[dict]]) -> None:
        """Write an image's annotations; ids count from 1 over the whole file."""
        image, annotations = converted
        self._coco.add(dict(id=len(self._coco.images) + 1, **image), annotations)

    def finish(self) -> None:
        """Write categories and images, and close the file."""
        self._coco.finish()
        self._file.close()
