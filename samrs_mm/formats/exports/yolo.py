"""YOLO segmentation labels, as Ultralytics reads them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import FLAGS, INSTANCES, Export
from samrs_mm.formats.exports.outlines import EDGES, as_read, joined, outline
from samrs_mm.formats.labelled_image import LabelledImage

_NEEDED = ('train', 'val')
_READ = ('.avif', '.bmp', '.dng', '.heic', '.jp2', '.jpeg', '.jpg', '.mpo', '.png', '.tif', '.tiff',
         '.webp')  # fmt: skip
"""What Ultralytics takes for images, see docs.ultralytics.com/datasets/detect/coco12-formats."""


class YOLOExport(Export):
    """``labels/STEM.txt``: a line ``class x1 y1 x2 y2 ...`` for each instance, and ``classes.txt``.

    Coordinates are fractions of width and height, to 7 decimals; see ``Outline`` for where polygons
    run: inner ones, unless ``polygons`` is ``'edges'``. A line is one polygon, so the parts of a
    mask are joined by lines, and holes filled. An image without instances gets an empty file, which
    marks it as background.
    Source of the format: https://docs.ultralytics.com/datasets/segment/.
    """

    folders = ('labels',)
    by_part = True
    losses = {
        'holes': 'holes filled',
        'hole_pixels': 'pixels of holes filled',
        'joined': 'masks of several parts, joined by lines of no width',
        'alike': 'masks with class and bounding box of another: Ultralytics drops them as twins',
        'unread': 'images that Ultralytics passes over, with their masks (GIF, PNM): convert them',
        FLAGS: 'objects with flags such as difficult, which it has no place for',
    }
    unlabelled = 'is background to the trainer'

    def __init__(self, out: Path, classes: Sequence[str], polygons: str | None = None):
        super().__init__(out, classes)
        self.inner = polygons != EDGES

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[None, Counter]:
        """Write the label file of an image."""
        counts: Counter[str] = Counter({INSTANCES: len(record.kept)})
        counts['unread'] = not file.lower().endswith(_READ)
        lines, boxes = [], set()
        for box in record.kept:
            shape = outline(box.mask, self.inner)
            counts.update(
                holes=shape.holes, hole_pixels=shape.hole_pixels, joined=len(shape.parts) > 1
            )
            counts[FLAGS] += bool(box.flags)
            ring = joined(shape.parts)
            counts.update(as_read(box.mask, [ring]))
            points = ring / (record.image.width, record.image.height)
            values = (f'{value:.7f}'.rstrip('0').rstrip('.') for value in points.ravel().tolist())
            lines.append(f'{box.label} {" ".join(values)}\n')
            boxes.add((box.label, *ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()))
        counts['alike'] = len(lines) - len(boxes)
        (self.out / 'labels' / f'{image.stem}.txt').write_bytes(''.join(lines).encode())
        return None, counts

    def finish(self) -> None:
        """Write ``classes.txt``, a name a line."""
        text = ''.join(f'{name}\n' for name in self.classes)
        (self.out / 'classes.txt').write_bytes(text.encode())


def lacking(subsets: Iterable[str]) -> dict[str, str]:
    """Return, by name, what Ultralytics refuses a ``data.yaml`` without, and how to come by it."""
    cure = (
        'make_splits.py FOLDER writes train.txt and val.txt; export with --list train.txt val.txt'
    )
    names = {name or 'train' for name in subsets}
    return {
        name: f'Ultralytics refuses a data.yaml without {name}; {cure}'
        for name in _NEEDED
        if name not in names
    }


def data_yaml(subsets: Iterable[str], classes: Sequence[str]) -> str:
    """Return the file that Ultralytics is started with; its paths start from its own folder.

    Subsets are sub-folders, named after their lists; an empty name is the folder itself.
    """
    places = {name or 'train': f'{name}/images' if name else 'images' for name in subsets}
    lines = [f'{json.dumps(key)}: {json.dumps(place)}' for key, place in places.items()]
    lines += [f'# {text}' for text in lacking(places).values()]
    names = [f'  {index}: {json.dumps(name)}' for index, name in enumerate(classes)]
    return '\n'.join([*lines, 'names:', *names, ''])
