"""JSON of LabelMe and X-AnyLabeling, in which people correct masks."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from samrs_mm.core.atomic import dump
from samrs_mm.core.system import relative_path
from samrs_mm.formats.annotated.entries import HELD, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.labelme import labelme_file
from samrs_mm.formats.exports.base import INSTANCES, Export
from samrs_mm.formats.exports.outlines import as_read
from samrs_mm.formats.labelled_image import LabelledImage


class LabelMeExport(Export):
    """A JSON file beside each image: polygons along the edges of pixels, one for each part.

    ``import_corrections.py`` brings back what was changed; what was not stays as it is, holes and
    all. An image of which no mask is chosen is not written.

    Args:
        out: The folder.
        classes: Class names.
        chosen: Boxes to show by image; None shows all of ``statuses`` and ``categories``.
        statuses: Statuses of the boxes to show.
        categories: Their classes; None shows all.
    """

    losses = dict(holes='holes filled; they stay in masks that come back')
    unlabelled = 'is background there, and stays what it is when masks come back'

    def __init__(
        self,
        out: Path,
        classes: Sequence[str],
        chosen: Mapping[str, Collection[str]] | None = None,
        statuses: Collection[str] = HELD,
        categories: Collection[str] | None = None,
    ):
        super().__init__(out, classes)
        self.chosen, self.statuses, self.categories = chosen, statuses, categories
        self.holds = tuple(statuses)

    def _shows(self, stem: str, box: BoxEntry) -> bool:
        if box.segmentation is None or box.status not in self.statuses:
            return False
        if self.categories is not None and box.category not in self.categories:
            return False
        return self.chosen is None or box.box_id in self.chosen.get(stem, ())

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[None, Counter]:
        """Write the JSON file of an image."""
        boxes = [box for box in record.boxes if self._shows(image.stem, box)]
        target = self.out / Path(file).with_name(f'{image.stem}.json')
        beside = target.parent.is_dir()
        if not beside:  # the image stays in its place
            target = self.out / f'{image.stem}.json'
        way = Path(file).name if beside else relative_path(image.image, target.parent)
        about, outlines = labelme_file(image.stem, record, boxes, way)
        counts: Counter[str] = Counter({INSTANCES: len(boxes)})
        for box, found in zip(boxes, outlines, strict=True):
            counts['holes'] += found.holes
            counts.update(as_read(box.mask, found.parts))
        target.write_bytes(dump(about))
        return None, counts
