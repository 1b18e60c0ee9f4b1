"""The masks of a scene that were made without boxes, joined over the edges of its windows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from samrs_mm.annotate.plan import Plan
from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import image_size
from samrs_mm.core.seams import Piece, join
from samrs_mm.core.tiling import Window
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.coco import CocoWriter


@dataclass
class SceneObjects:
    """What the kept masks of a scene come to.

    Args:
        size: Width and height of the scene in pixels.
        objects: Its objects, by name.
        same: For each mask that stands for none of them, by box id, that of the object's.
        boxes: The masks by box id.
    """

    size: tuple[int, int] = (0, 0)
    objects: list[Piece] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, BoxEntry] = field(default_factory=dict)

    def annotations(self) -> Iterator[dict[str, Any]]:
        """Yield the objects as COCO has them, in pixels of the scene.

        Beside COCO's own keys they have ``score`` and ``box_id``, those of the mask that stands for
        them, and ``pieces``, all masks that were joined.
        """
        width, height = self.size
        for each in self.objects:
            coded = masks.encode_window(each.mask, each.y, each.x, height, width)
            box = self.boxes[each.name]
            yield dict(
                category_id=box.category_id, bbox=masks.bbox(coded), area=masks.area(coded),
                segmentation=coded, iscrowd=0, score=box.score, box_id=each.name,
                pieces=list(each.names),
            )  # fmt: skip


def objects_of(records: Iterable[Record], size: tuple[int, int]) -> SceneObjects:
    """Join the kept masks that were made without boxes.

    Args:
        records: Of tiles of one scene; where each lies is known.
        size: Width and height of the scene in pixels.
    """
    pieces, boxes = [], {}
    for record in records:
        seen = _seen(record, size)
        for box in record.kept:
            x, y, mask = masks.crop(box.mask)
            place = seen.x + x, seen.y + y
            pieces.append(Piece.of(box.box_id, seen, *place, mask, box.score or 0.0, size))
            boxes[box.box_id] = box
    return SceneObjects(size, *join(pieces), boxes)


def _seen(record: Record, size: tuple[int, int]) -> Window:
    """Return a tile's window without padding."""
    image = record.image
    assert image.offset is not None
    x, y = image.offset
    return Window(x, y, min(image.width, size[0] - x), min(image.height, size[1] - y))


class ObjectsWriter:
    """Writes ``objects.json``: the objects of whole scenes, as a COCO file.

    Whoever opened the file closes it.
    """

    def __init__(self, file: BinaryIO, plan: Plan):
        self.plan, self._coco = plan, CocoWriter(file, plan.dataset.classes)

    def add(self, index: int, done: Mapping[int, Record], problems: list[str]) -> dict[str, str]:
        """Write the objects of a scene of which something is done; return ``SceneObjects.same``.

        Args:
            index: The scene's place in the dataset.
            done: Records by the tile's index.
            problems: Gets a line where the scene's header can't be read.
        """
        if not done:
            return {}
        found = SceneObjects()
        try:
            size = image_size(self.plan.dataset.image_path(index))
            found = objects_of(done.values(), size)
        except ImageReadError as error:
            problems.append(str(error))
        scene, (width, height) = self.plan.dataset.scenes[index], found.size
        image = dict(
            id=index + 1, file_name=scene.image, width=width, height=height, scene=scene.stem
        )
        self._coco.add(image, found.annotations())
        return found.same

    def finish(self) -> None:
        """Write the end of the file."""
        self._coco.finish()
