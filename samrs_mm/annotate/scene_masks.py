"""Masks of whole scenes on the map: one for each box, as polygons and as a label map."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS

from samrs_mm.annotate.correcting import corrections_of
from samrs_mm.annotate.scene_objects import objects_of
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core import dealing, masks
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import UNLABELLED, palette_for
from samrs_mm.core.grid import GRID
from samrs_mm.core.place import Place
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.qgis import polygon_style, raster_style
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, last_change
from samrs_mm.formats.scenes.label_geotiff import BLOCK, write_label_geotiff
from samrs_mm.formats.vector.geopackage import Table, beside, write_tables
from samrs_mm.formats.vector.polygons import multipolygon

_MASKS = 'masks'


@dataclass(slots=True)
class SceneMask:
    """A mask of a scene.

    ``coded`` is its RLE, of a window of the scene whose corner is at ``x`` and ``y``; ``area`` and
    ``visible`` are in pixels inside the scene, before and after overlap, ``rows`` its first row
    there and the one after its last; ``cut`` is whether it reaches an edge of its tile that is not
    the scene's, and ``room`` how far its box is from those, in pixels.
    """

    scene: str
    tile: str
    place: Place
    x: int
    y: int
    coded: dict[str, Any]
    box: BoxEntry
    cut: bool
    room: float = float('inf')
    area: int = 0
    visible: int = 0
    rows: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        _, y, pixels = self.pixels()
        self.area, self.rows = int(np.count_nonzero(pixels)), (y, y + len(pixels))

    @property
    def score(self) -> float | None:
        """Predicted IoU."""
        return self.box.score

    def pixels(self) -> tuple[int, int, np.ndarray]:
        """Return x and y in the scene, and the pixels ``(h, w)`` from there, those inside it."""
        x, y, pixels = masks.crop(self.coded)
        x, y = x + self.x, y + self.y
        return x, y, pixels[: max(self.place.height - y, 0), : max(self.place.width - x, 0)]

    def outline(self) -> shapely.Geometry:
        """Return its outline on the map."""
        x, y, pixels = self.pixels()
        return shapely.transform(multipolygon(pixels, x, y), self.place.to_map)


def _masks_of_tile(record: Record, tile: str, place: Place) -> list[SceneMask]:
    """Return the kept masks of a tile's record, in label order; its ``offset`` is known."""
    assert record.image.offset is not None
    x, y = record.image.offset
    window, kept = Window(x, y, record.image.width, record.image.height), record.kept
    polygons = np.array([box.corners + (x, y) for box in kept])  # noqa: RUF005 (arrays)
    rooms = dealing.rooms(polygons, window, place.width, place.height)
    return [
        SceneMask(
            record.image.scene, tile, place, x, y, box.mask, box, _is_cut(box, window, place), room
        )
        for box, room in zip(kept, rooms.tolist(), strict=True)
    ]


def _is_cut(box: BoxEntry, window: Window, place: Place) -> bool:
    assert box.bbox is not None
    left, top, w, h = box.bbox
    return (
        left == 0 < window.x
        or top == 0 < window.y
        or left + w == window.width < place.width - window.x
        or top + h == window.height < place.height - window.y
    )


def _one_each(found: Iterable[SceneMask], out: AnnotatedFolder) -> list[SceneMask]:
    """Return one mask for each box of a scene, of those of its tiles; see ``_best``."""
    groups: dict[str, list[SceneMask]] = {}
    for each in found:
        groups.setdefault(each.box.box_id, []).append(each)
    read = cache(partial(corrections_of, out))
    return [_best(group, read) for group in groups.values()]


def _best(
    of_box: Sequence[SceneMask], corrections: Callable[[str], Corrections | None]
) -> SceneMask:
    """Return the mask that a person corrected last, else that of the tile with most room."""
    corrected = [each for each in of_box if each.box.by_hand]
    if len(corrected) < 2:
        return max(corrected or of_box, key=lambda each: each.room)
    return max(
        corrected, key=lambda each: (last_change(corrections(each.tile), each.box), each.room)
    )


def _objects(records: Mapping[str, Record], place: Place, filters: MaskFilters) -> list[SceneMask]:
    """Return the objects of a scene without boxes, of its tiles' records by stem."""
    found = objects_of(records.values(), (place.width, place.height), filters)
    tiles = {box.box_id: (stem, r) for stem, r in records.items() for box in r.boxes}
    made = []
    for piece in found.objects:
        tile, record = tiles[piece.name]
        coded = masks.encode(piece.mask)
        made.append(
            SceneMask(
                record.image.scene, tile, place, piece.x, piece.y, coded, found.boxes[piece.name],
                piece.cut,
            )
        )  # fmt: skip
    return made


def masks_of_scene(
    records: Mapping[str, Record], place: Place, filters: MaskFilters, out: AnnotatedFolder
) -> list[SceneMask]:
    """Return what a scene's label map and polygons are made of, of its records by stem.

    One mask for each box, in the order of the records, or for each object where there are no boxes;
    objects are filtered by the folder's ``filters``. Of several masks of a box it is the one that a
    person corrected last, else that of the tile that gives the box most room.

    Raises:
        CorrectionsError: A file of corrections in the folder ``out`` is damaged.
    """
    if any(box.prompt == GRID for record in records.values() for box in record.boxes):
        return _objects(records, place, filters)
    found = (
        each for stem, record in records.items() for each in _masks_of_tile(record, stem, place)
    )
    return _one_each(found, out)


def label_names(stem: str) -> list[str]:
    """Return the names of a scene's label map and its style."""
    return [f'{folder.LABELS}/{stem}{suffix}' for suffix in folder.LABEL_SUFFIXES]


def write_labels(
    root: Path, stem: str, place: Place, found: Sequence[SceneMask], policy: str,
    classes: Sequence[str],
) -> list[str]:  # fmt: skip
    """Write the label map of a scene and its style, and return their names.

    Overlap is decided by a policy (see ``masks.paint_order``), and the masks are told what of them
    is visible.

    Raises:
        SamrsError: A file can't be written.
    """
    names, palette = label_names(stem), palette_for(len(classes))
    write_label_geotiff(
        root / names[0], (place.width, place.height), _strips(place, found, policy), place.profile,
        classes, palette,
    )  # fmt: skip
    atomic_write(root / names[1], raster_style(classes, palette))
    return names


def _strips(place: Place, found: Sequence[SceneMask], policy: str) -> Iterator[np.ndarray]:
    """Yield the label map of a scene by strips; masks are decoded where they are needed."""
    ordered = [found[index] for index in reversed(masks.paint_order(found, policy))]
    tops, bottoms = np.array([each.rows for each in ordered], int).reshape(-1, 2).T
    for top in range(0, place.height, BLOCK):
        end = min(top + BLOCK, place.height)
        strip = np.full((end - top, place.width), UNLABELLED, np.uint8)
        free = np.ones(strip.shape, bool)
        for index in np.flatnonzero((tops < end) & (bottoms > top)).tolist():
            x, y, pixels = ordered[index].pixels()
            pixels, first = pixels[max(top - y, 0) : end - y], max(y - top, 0)
            here = np.s_[first : first + len(pixels), x : x + pixels.shape[1]]
            seen = pixels & free[here]
            strip[here][seen] = ordered[index].box.label
            free[here] ^= seen
            ordered[index].visible += int(np.count_nonzero(seen))
        yield strip


def write_polygons(
    root: Path,
    found: Sequence[SceneMask],
    classes: Sequence[str],
    crs: CRS | None,
    fields: Mapping[str, np.ndarray] | None = None,
    others: Sequence[Table] = (),
) -> list[str]:
    """Write ``masks.gpkg`` and its style, and return their names.

    Args:
        root: The folder.
        found: The masks, in the order of the layer.
        classes: Names of all classes.
        crs: Of the layer where there are no masks.
        fields: Further columns of the masks, ``(N,)`` each.
        others: Further layers.

    Raises:
        SamrsError: A file can't be written.
    """
    style = polygon_style(classes, palette_for(len(classes)), 'category')
    tables = _mask_tables(found, crs, fields or {}, style)
    write_tables(root / folder.GEOPACKAGE, [*tables, *others])
    atomic_write(root / folder.MASKS_STYLE, style)
    return [folder.GEOPACKAGE, folder.MASKS_STYLE]


def _mask_tables(
    found: Sequence[SceneMask], crs: CRS | None, fields: Mapping[str, np.ndarray], style: bytes
) -> Iterator[Table]:
    """Yield a layer of masks for each CRS."""
    by_crs: dict[str, list[int]] = {}
    for row, each in enumerate(found):
        known = each.place.crs
        by_crs.setdefault('' if known is None else known.to_wkt(), []).append(row)
    for number, rows in enumerate(by_crs.values() or [[]]):
        group = [found[row] for row in rows]
        crs = group[0].place.crs if group else crs
        code = (crs and crs.to_authority()) or (str(number),)
        name = '_'.join((_MASKS, *code)) if len(by_crs) > 1 else _MASKS
        columns = beside(_columns(group), {key: part[rows] for key, part in fields.items()})
        outlines = [each.outline() for each in group]
        yield Table(name, outlines, columns, crs, 'MultiPolygon', style)


def _columns(found: Sequence[SceneMask]) -> dict[str, np.ndarray]:
    """Return what is told of masks, by column."""

    def of(key: str, kind: type) -> np.ndarray:
        return np.array([getattr(each.box, key) for each in found], kind)

    sides = [each.place.pixel_area for each in found]
    pixels = np.array([each.area for each in found], np.int64)
    return dict(
        box_id=of('box_id', object),
        category=of('category', object),
        category_id=of('category_id', np.int32),
        score=of('score', float),
        stability=of('stability', float),
        pixels=pixels,
        visible=np.array([each.visible for each in found], np.int64),
        area_m2=pixels * np.array([np.nan if side is None else side for side in sides], float),
        cut=np.array([each.cut for each in found], bool),
        scene=np.array([each.scene for each in found], object),
        tile=np.array([each.tile for each in found], object),
    )
