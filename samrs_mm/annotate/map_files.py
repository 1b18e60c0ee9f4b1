"""What a dataset on the map gets beside the annotated folder: polygons, boxes, label maps.

All is made from the records and the ledger, so that it is the same however the work was shared.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.scene_masks import (
    SceneMask,
    label_names,
    masks_of_scene,
    write_labels,
    write_polygons,
)
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.images import file_sha256
from samrs_mm.datasets.boxes.geo import GeoBoxDataset
from samrs_mm.datasets.boxes.geo_images import GeoImageDataset
from samrs_mm.drawing.colours import BLACK, STATUS_COLOURS
from samrs_mm.drawing.qgis import feature_style
from samrs_mm.formats.annotated import folder, ledger
from samrs_mm.formats.annotated.entries import HELD
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.vector.geopackage import Table, beside
from samrs_mm.formats.vector.layer import Layer

_BOXES = 'boxes'
ON_MAP = (GeoBoxDataset, GeoImageDataset)
"""The datasets whose scenes are on the map."""


class MapFiles:
    """Writes ``masks.gpkg``, and ``labels/STEM.tif`` of each scene that has a record.

    Args:
        plan: Of a dataset ``ON_MAP``.
        out: The annotated folder, whose set-level files are written.
        policy: Who wins where masks overlap.
        filters: Of the folder.
        left_out: Stems of tiles whose records are not what the data give.
    """

    def __init__(
        self, plan: Plan, out: AnnotatedFolder, policy: str, filters: MaskFilters,
        left_out: Iterable[str] = (),
    ):  # fmt: skip
        assert isinstance(plan.dataset, ON_MAP)
        self.plan, self.dataset, self.out = plan, plan.dataset, out
        self.policy, self.filters, self.left_out = policy, filters, set(left_out)
        self.classes = self.dataset.classes

    def write(
        self, progress: Callable[[Iterable], Iterator] = iter, root: Path | None = None
    ) -> list[str]:
        """Write all files, into the folder or another ``root``, and return their names.

        Raises:
            SamrsError: A file can't be written, or a record is damaged; old files are untouched.
        """
        root = self.out.root if root is None else root
        names: list[str] = []
        found: list[SceneMask] = []
        (root / folder.LABELS).mkdir(exist_ok=True)
        for scene in progress(self.plan.by_scene):
            stem = self.dataset.scenes[scene].stem
            tiles = [tile for tile in self.plan.by_scene[scene] if self._has_record(tile)]
            place = self.dataset.places.get(stem)
            if tiles and place:
                records = {tile.stem: self._record(tile) for tile in tiles}
                here = masks_of_scene(records, place, self.filters, self.out)
                here.sort(key=self._row)
                names += write_labels(root, stem, place, here, self.policy, self.classes)
                found += here
            else:
                for name in label_names(stem):
                    (root / name).unlink(missing_ok=True)
        return self._write_polygons(root, found) + names

    def _write_polygons(self, root: Path, found: list[SceneMask]) -> list[str]:
        first = next((place.crs for place in self.dataset.places.values()), None)
        if not isinstance(self.dataset, GeoBoxDataset):
            return write_polygons(root, found, self.classes, first)
        found.sort(key=self._row)
        rows = np.array([self._row(each) for each in found], int)
        fields = {key: _of_rows(part, rows) for key, part in self.dataset.layer.fields.items()}
        boxes = [self._box_table(self.dataset.layer)]
        return write_polygons(root, found, self.classes, first, fields, boxes)

    def _row(self, found: SceneMask) -> int:
        """Return the place of a mask in the order of the input; what was added comes last."""
        return self._rows.get(found.box.box_id, len(self._rows))

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Rows of the input layer by box id."""
        if not isinstance(self.dataset, GeoBoxDataset):
            return {}
        layer = self.dataset.layer
        return {layer.box_id(row): row for row in range(len(layer))}

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

    def _record(self, tile: Tile) -> Record:
        return Record.load_checked(self.out.path(folder.INSTANCES, tile.stem), len(self.classes))

    def _box_table(self, layer: Layer) -> Table:
        """Return the layer of all input features, each with what became of it."""
        texts = {key: np.full(len(layer), '', object) for key in ('status', 'reason', 'tile')}
        for line in ledger.read_ledger(self.out.root / folder.LEDGER):
            row = self._rows.get(line.box_id)
            if row is not None and (not texts['status'][row] or line.status in HELD):
                for key, values in texts.items():
                    values[row] = getattr(line, key)
        ids = np.array([layer.box_id(row) for row in range(len(layer))], object)
        columns = beside(dict(box_id=ids, **texts), layer.fields)
        statuses = sorted(set(texts['status']))
        colours = [STATUS_COLOURS.get(status, BLACK) for status in statuses]
        kinds = {each.geom_type for each in layer.geometries if each is not None}
        style = feature_style(statuses, colours, 'status', kinds)
        return Table(_BOXES, list(layer.geometries), columns, layer.crs, style=style)


def _of_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return values ``(N,)`` of rows; masked beyond the last, of objects that people added."""
    known = rows < len(values)
    if known.all():
        return values[rows]
    found = np.ma.masked_all(len(rows), values.dtype)
    found[known] = values[rows[known]]
    return found
