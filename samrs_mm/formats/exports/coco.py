"""COCO instance segmentation."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from samrs_mm.core.resumable import dump
from samrs_mm.formats.exports.base import INSTANCES, Export, ExportImage
from samrs_mm.formats.exports.outlines import outline

FILE = 'annotations.json'


class COCOExport(Export):
    """``annotations.json``, with masks as compressed RLE (lossless) or as polygons.

    Polygons run along pixel edges, one for each part of a mask, so COCO's rasteriser gives back the
    mask but for its holes, which a polygon of COCO can't have; ``area`` is that of the polygons.
    Beside COCO's own keys an annotation has ``score``, ``box_id`` and ``rbox`` (the labelled box,
    8 numbers). ``iscrowd`` is 0 also where masks are RLE: each is one object.
    Source of the format: https://cocodataset.org/#format-data.

    Args:
        out: As in ``Export``.
        classes: As in ``Export``; ``category_id`` is the index plus 1.
        polygons: Write polygons.
    """

    unlabelled = 'carries no annotation; trainers take it as background'

    def __init__(self, out: Path, classes: Sequence[str], polygons: bool = False):
        super().__init__(out, classes)
        self.polygons = polygons
        if polygons:
            self.losses = dict(holes='holes filled', hole_pixels='pixels of holes filled')
        self._images: list[dict] = []
        self._count = 0
        self._file = open(self.out / FILE, 'wb')
        self._file.write(b'{"annotations":[')

    def convert(self, image: ExportImage) -> tuple[list[dict], Counter]:
        """Return the annotations of an image, without ids."""
        counts: Counter[str] = Counter({INSTANCES: len(image.boxes)})
        return [self._annotation(box, counts) for box in image.boxes], counts

    def _annotation(self, box: dict, counts: Counter) -> dict:
        segmentation, area = box['segmentation'], box['area']
        if self.polygons:
            shape = outline(segmentation)
            segmentation, area = [ring.ravel().tolist() for ring in shape.parts], shape.area
            counts.update(holes=shape.holes, hole_pixels=shape.hole_pixels)
        return dict(
            category_id=box['category_id'],
            bbox=box['bbox'],
            area=area,
            segmentation=segmentation,
            iscrowd=0,
            score=box['score'],
            box_id=box['box_id'],
            rbox=[value for point in box['polygon'] for value in point],
        )

    def collect(self, image: ExportImage, converted: list[dict]) -> None:
        """Write an image's annotations; ids count from 1 over the whole file."""
        number = len(self._images) + 1
        self._images.append(
            dict(id=number, file_name=image.file, width=image.width, height=image.height)
        )
        for annotation in converted:
            self._count += 1
            text = json.dumps(
                dict(id=self._count, image_id=number, **annotation), separators=(',', ':')
            )
            self._file.write((',\n' if self._count > 1 else '\n').encode() + text.encode())

    def finish(self) -> None:
        """Write categories and images, and close the file."""
        categories = [dict(id=i + 1, name=name) for i, name in enumerate(self.classes)]
        self._file.write(b'\n],' + dump(dict(categories=categories, images=self._images))[1:])
        self._file.close()
