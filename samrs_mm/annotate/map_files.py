"""What a dataset on the map gets beside the annotated folder: polygons, boxes, label maps.

All is made from the records and the ledger, so that it is the same however the work was shared.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import shapely

from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import UNLABELLED, palette_for
from samrs_mm.core.images import file_sha256
from samrs_mm.core.place import Place
from samrs_mm.datasets.boxes.geo import GeoBoxDataset
from samrs_mm.drawing.colours import BLACK, STATUS_COLOURS
from samrs_mm.drawing.qgis import polygon_style, raster_style
from samrs_mm.formats.annotated import folder, ledger
from samrs_mm.formats.annotated.entries import KEPT, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.scenes.label_geotiff import BLOCK, write_label_geotiff
from samrs_mm.formats.vector.geopackage import Table, beside, write_tables
from samrs_mm.formats.vector.polygons import multipolygon

_MASKS, _BOXES = 'masks', 'boxes'


@dataclass(slots=True)
class _Found:
    """A kept mask of a scene.

    ``x`` and ``y`` are those of its tile's corner in the scene; ``area`` and ``visible`` are in
    pixels inside the scene, before and after overlap; ``cut`` is whether it reaches an edge of its
    tile that is not the scene's.
    """

    scene: str
    tile: str
    place: Place
    x: int
    y: int
    box: BoxEntry
    cut: bool = False
    area: int = 0
    visible: int = 0

    def __post_init__(self) -> None:
        assert self.box.segmentation is not None
        assert self.box.bbox is not None
        self.area = int(np.count_nonzero(self.pixels()[2]))
        height, width = self.box.segmentation['size']
        left, top, w, h = self.box.bbox
        self.cut = (
            left == 0 < self.x
            or top == 0 < self.y
            or left + w == width < self.place.width - self.x
            or top + h == height < self.place.height - self.y
        )

    @property
    def score(self) -> float | None:
        return self.box.score

    def pixels(self) -> tuple[int, int, np.ndarray]:
        """Return x and y in the scene, and the pixels ``(h, w)`` from there, those inside it."""
        assert self.box.segmentation is not None
        x, y, pixels = masks.crop(self.box.segmentation)
        x, y = x + self.x, y + self.y
        return x, y, pixels[: max(self.place.height - y, 0), : max(self.place.width - x, 0)]

    def outline(self) -> shapely.Geometry:
        """Return its outline on the map."""
        x, y, pixels = self.pixels()
        return shapely.transform(multipolygon(pixels, x, y), self.place.to_map)


class MapFiles:
    """Writes ``masks.gpkg``, and ``labels/STEM.tif`` of each scene that has a record.

    Args:
        plan: Of a ``GeoBoxDataset``.
        out: The annotated folder, whose set-level files are written.
        policy: Who wins where masks overlap.
        left_out: Stems of tiles whose records are not what the data give.
    """

    def __init__(self, plan: Plan, out: AnnotatedFolder, policy: str, left_out: Iterable[str] = ()):
        assert isinstance(plan.dataset, GeoBoxDataset)
        self.plan, self.dataset, self.out = plan, plan.dataset, out
        self.policy, self.left_out = policy, set(left_out)
        self.classes = self.dataset.classes
        self.palette = palette_for(len(self.classes))

    def write(
        self, progress: Callable[[Iterable], Iterator] = iter, root: Path | None = None
    ) -> list[str]:
        """Write all files, into the folder or another ``root``, and return their names.

        Raises:
            SamrsError: A file can't be written, or a record is damaged; old files are untouched.
        """
        root = self.out.root if root is None else root
        names = [folder.GEOPACKAGE, folder.MASKS_STYLE]
        rows = {self.dataset.layer.box_id(row): row for row in range(len(self.dataset.layer))}
        found: list[_Found] = []
        (root / folder.LABELS).mkdir(exist_ok=True)
        for scene in progress(self.plan.by_scene):
            stem = self.dataset.scenes[scene].stem
            tiles = [tile for tile in self.plan.by_scene[scene] if self._has_record(tile)]
            if tiles and stem in self.dataset.places:
                here = self._masks_of(stem, tiles, rows)
                names += self._write_labels(root, stem, here)
                found += here
            else:
                for name in _label_names(stem):
                    (root / name).unlink(missing_ok=True)
        style = polygon_style(self.classes, self.palette, 'category')
        tables = [*self._mask_tables(found, rows, style), self._box_table(rows)]
        write_tables(root / folder.GEOPACKAGE, tables)
        atomic_write(root / folder.MASKS_STYLE, style)
        return names

    def check(self, progress: Callable[[Iterable], Iterator] = iter) -> list[str]:
        """Make all files again elsewhere; return which of the folder's are others, line by line."""
        problems = []
        with TemporaryDirectory() as elsewhere:
            for name in self.write(progress, Path(elsewhere)):
                path = self.out.root / name
                if not path.exists():
                    problems.append(f'{path}: missing; --finalise writes it')
                elif file_sha256(path) != file_sha256(Path(elsewhere, name)):
                    problems.append(f'{path}: not what the records give; --finalise writes it anew')
        return problems

    def _has_record(self, tile: Tile) -> bool:
        path = self.out.path(folder.INSTANCES, tile.stem)
        return tile.stem not in self.left_out and path.exists()

    def _masks_of(self, scene: str, tiles: list[Tile], rows: dict[str, int]) -> list[_Found]:
        """Return one mask for each box of a scene that has any, in the order of the input.

        Where a box was given to several tiles, the mask that no tile border cuts is taken, then the
        largest.
        """
        best: dict[str, _Found] = {}
        place = self.dataset.places[scene]
        for tile in tiles:
            path = self.out.path(folder.INSTANCES, tile.stem)
            record = Record.load_checked(path, len(self.classes))
            assert record.image.offset is not None
            x, y = record.image.offset
            for box in record.kept:
                new = _Found(scene, tile.stem, place, x, y, box)
                old = best.setdefault(box.box_id, new)
                if (not new.cut, new.area) > (not old.cut, old.area):
                    best[box.box_id] = new
        return sorted(best.values(), key=lambda each: rows[each.box.box_id])

    def _write_labels(self, root: Path, stem: str, found: list[_Found]) -> list[str]:
        """Write the label map of a scene and its style, and return their names."""
        place = self.dataset.places[stem]
        names = _label_names(stem)
        write_label_geotiff(
            root / names[0], (place.width, place.height), self._strips(place, found),
            place.profile, self.classes, self.palette,
        )  # fmt: skip
        atomic_write(root / names[1], raster_style(self.classes, self.palette))
        return names

    def _strips(self, place: Place, found: list[_Found]) -> Iterator[np.ndarray]:
        """Yield the label map of a scene by strips; masks are decoded where they are needed."""
        ordered = [found[index] for index in reversed(masks.paint_order(found, self.policy))]
        boxes = np.array([each.box.bbox for each in ordered], int).reshape(-1, 4)
        tops = boxes[:, 1] + [each.y for each in ordered]
        bottoms = tops + boxes[:, 3]
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

    def _mask_tables(
        self, found: list[_Found], rows: dict[str, int], style: bytes
    ) -> Iterator[Table]:
        """Yield a layer of masks for each CRS, in the order of the input."""
        by_crs: dict[str, list[_Found]] = {}
        for each in found:
            crs = each.place.crs
            by_crs.setdefault('' if crs is None else crs.to_wkt(), []).append(each)
        first = next((place.crs for place in self.dataset.places.values()), None)
        for number, group in enumerate(by_crs.values() or [[]]):
            group.sort(key=lambda each: rows[each.box.box_id])
            crs = group[0].place.crs if group else first
            code = (crs and crs.to_authority()) or (str(number),)
            name = '_'.join((_MASKS, *code)) if len(by_crs) > 1 else _MASKS
            chosen = np.array([rows[each.box.box_id] for each in group], int)
            fields = {key: part[chosen] for key, part in self.dataset.layer.fields.items()}
            columns = beside(_columns(group), fields)
            outlines = [each.outline() for each in group]
            yield Table(name, outlines, columns, crs, 'MultiPolygon', style)

    def _box_table(self, rows: dict[str, int]) -> Table:
        """Return the layer of all input features, each with what became of it."""
        layer = self.dataset.layer
        texts = {key: np.full(len(layer), '', object) for key in ('status', 'reason', 'tile')}
        for line in ledger.read_ledger(self.out.root / folder.LEDGER):
            row = rows.get(line.box_id)
            if row is not None and (not texts['status'][row] or line.status == KEPT):
                for key, values in texts.items():
                    values[row] = getattr(line, key)
        ids = np.array([layer.box_id(row) for row in range(len(layer))], object)
        columns = beside(dict(box_id=ids, **texts), layer.fields)
        statuses = sorted(set(texts['status']))
        colours = [STATUS_COLOURS.get(status, BLACK) for status in statuses]
        style = polygon_style(statuses, colours, 'status', filled=False)
        return Table(_BOXES, list(layer.geometries), columns, layer.crs, style=style)


def _label_names(stem: str) -> list[str]:
    """Return the names of a scene's label map and its style."""
    return [f'{folder.LABELS}/{stem}{suffix}' for suffix in folder.LABEL_SUFFIXES]


def _columns(found: list[_Found]) -> dict[str, np.ndarray]:
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
