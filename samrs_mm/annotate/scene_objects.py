"""The masks of a scene that were made without boxes, joined over the edges of its windows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import image_size
from samrs_mm.core.seams import Piece, join
from samrs_mm.core.tiling import Window
from samrs_mm.formats.annotated import ledger
from samrs_mm.formats.annotated.entries import FILTERED, HELD, KEPT, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.coco import CocoWriter


@dataclass
class SceneObjects:
    """What the masks of a scene come to.

    Args:
        size: Width and height of the scene in pixels.
        objects: Its objects, by name.
        same: For each mask that stands for none of them, by box id, that of the object's.
        boxes: The masks by box id.
        filtered: For each mask of an object that a filter drops, by box id, why.
    """

    size: tuple[int, int] = (0, 0)
    objects: list[Piece] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, BoxEntry] = field(default_factory=dict)
    filtered: dict[str, str] = field(default_factory=dict)

    def verdict(self, box: BoxEntry) -> dict[str, str]:
        """Return status and reason of a mask where they are others than its tile alone gives."""
        if reason := self.filtered.get(box.box_id):
            return dict(status=FILTERED, reason=reason)
        if other := self.same.get(box.box_id):
            return dict(status=ledger.MERGED, reason=f'same object as {other}')
        if box.status == FILTERED and box.box_id in self.boxes:
            return dict(status=KEPT, reason='')
        return {}

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


def objects_of(
    records: Iterable[Record], size: tuple[int, int], filters: MaskFilters
) -> SceneObjects:
    """Join the masks that were made without boxes, and filter what they come to.

    Score and stability are those of a mask, so one that lacks them is not joined. All else is
    measured on whole objects: a piece says nothing of them.

    Args:
        records: Of tiles of one scene; where each lies is known.
        size: Width and height of the scene in pixels.
        filters: Of the folder. What a person drew or confirmed is not filtered.
    """
    scores = MaskFilters(min_score=filters.min_score, min_stability=filters.min_stability)
    pieces, boxes = [], {}
    for record in records:
        seen = _seen(record, size)
        for box in record.boxes:
            if box.status not in HELD and (box.status != FILTERED or scores.reason(box)):
                continue
            x, y, mask = masks.crop(box.mask)
            place = seen.x + x, seen.y + y
            pieces.append(Piece.of(box.box_id, seen, *place, mask, box.score or 0.0, size))
            boxes[box.box_id] = box
    joined, same = join(pieces)
    objects, filtered = [], dict[str, str]()
    for each in joined:
        reason = (
            ''
            if any(map(_decided, (boxes[n] for n in each.names)))
            else filters.reason(_measured(each, boxes[each.name], size))
        )
        if not reason:
            objects.append(each)
            continue
        whole = ' (the whole object)' if len(each.names) > 1 else ''
        filtered |= dict.fromkeys(each.names, reason + whole)
    filtered |= {name: filtered[other] for name, other in same.items() if other in filtered}
    same = {name: other for name, other in same.items() if name not in filtered}
    return SceneObjects(size, objects, same, boxes, filtered)


def _decided(box: BoxEntry) -> bool:
    """Whether a person had a say in a mask."""
    return bool(box.edited)


def _measured(piece: Piece, box: BoxEntry, size: tuple[int, int]) -> BoxEntry:
    """Return the entry of an object, with the measures of all of it; cut counts as at the border.

    ``box`` is that of the mask which gives it its name.
    """
    height, width = piece.mask.shape
    at_border = piece.cut or piece.x == 0 or piece.y == 0
    at_border |= piece.x + width == size[0] or piece.y + height == size[1]
    return replace(
        box, area=piece.area, fill=round(piece.area / (width * height), masks.DECIMALS),
        components=masks.parts(piece.mask), at_border=at_border,
    )  # fmt: skip


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

    def __init__(self, file: BinaryIO, plan: Plan, filters: MaskFilters):
        self.plan, self.filters = plan, filters
        self._coco = CocoWriter(file, plan.dataset.classes)

    def add(self, index: int, done: Mapping[int, Record], problems: list[str]) -> SceneObjects:
        """Write the objects of a scene of which something is done, and return them.

        Args:
            index: The scene's place in the dataset.
            done: Records by the tile's index.
            problems: Gets a line where the scene's header can't be read.
        """
        found = SceneObjects()
        if not done:
            return found
        try:
            size = image_size(self.plan.dataset.image_path(index))
            found = objects_of(done.values(), size, self.filters)
        except ImageReadError as error:
            problems.append(str(error))
        scene, (width, height) = self.plan.dataset.scenes[index], found.size
        image = dict(
            id=index + 1, file_name=scene.image, width=width, height=height, scene=scene.stem
        )
        self._coco.add(image, found.annotations())
        return found

    def finish(self) -> None:
        """Write the end of the file."""
        self._coco.finish()
