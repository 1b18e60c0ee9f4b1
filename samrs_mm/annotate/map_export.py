"""The export of an annotated folder to the map."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samrs_mm.annotate.scene_masks import SceneMask, masks_of_scene, write_labels, write_polygons
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.errors import ImageReadError, RefusedError, SamrsError
from samrs_mm.core.place import Place, named_crs, place_on_map
from samrs_mm.core.system import follow
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.exports.base import FLAGS, INSTANCES, Export
from samrs_mm.formats.labelled_image import LabelledImage
from samrs_mm.formats.vector.ogr import ogr

_SAME = 'same'
_ELSE = '; gis wants the GeoTIFFs that were annotated, or a world file beside the image'


class GISExport(Export):
    """``masks.gpkg``, ``labels/SCENE.tif`` and styles for QGIS, as of a run with boxes on a map.

    Of several masks of one box the one that a person corrected last is taken, else that of the tile
    with most room; masks without boxes are joined over tiles.

    Args:
        out: The folder.
        classes: Names of the classes.
        annotated: The annotated folder.
        data_root: Where its scenes are.
        policy: Who wins where masks overlap.
        filters: Of the folder, by which objects without boxes are filtered again when joined.
        crs: Of the scenes that name none, as ``dataset.scene_crs`` says it.
    """

    folders = (folder.LABELS,)
    losses = {
        _SAME: 'masks of what another tile shows better: one stands for each object',
        FLAGS: 'objects with flags such as difficult, which it has no place for',
    }
    unlabelled = 'stays 255 in labels/, nodata; no polygon is there'

    def __init__(
        self, out: Path, classes: Sequence[str], annotated: Path, data_root: Path, policy: str,
        filters: MaskFilters, crs: str | None = None,
    ):  # fmt: skip
        super().__init__(out, classes)
        self.annotated, self.data_root, self.policy = AnnotatedFolder(annotated), data_root, policy
        self._filters = filters
        self._crs = named_crs('dataset.scene_crs', crs)
        self._places: dict[str, Place | str] = {}
        self._scenes: dict[str, tuple[Place, dict[str, Record]]] = {}

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[Any, Counter]:
        """Look where the scene lies; return that and the masks."""
        name = record.image.path
        if name not in self._places:
            self._places[name] = self._look(image, record)
        place = self._places[name]
        if isinstance(place, str):
            raise SamrsError(place)
        record.boxes = [box for box in record.boxes if box.segmentation]
        return (image.stem, place, record), Counter()

    def _look(self, image: LabelledImage, record: Record) -> Place | str:
        """Return the place of a record's scene, or why there is none."""
        path = self.data_root / record.image.path
        try:
            place = placed(path, record)
            if self.annotated.is_replaced(image.stem, path, record.image.sha256):
                return f'{path}: was replaced since it was annotated; run sam_annotate.py again'
        except RefusedError as error:
            return str(error)
        return place.in_crs(self._crs)

    def collect(self, converted: tuple[str, Place, Record]) -> None:
        """Keep the masks of a tile until its scene is whole."""
        stem, place, record = converted
        self._scenes.setdefault(record.image.scene, (place, {}))[1][stem] = record

    def finish(self) -> Counter:
        """Write all files; return how many polygons there are, and how many masks are none."""
        found: list[SceneMask] = []
        tiles: list[tuple[str, str]] = []
        for scene, (place, records) in self._scenes.items():
            tiles += [(stem, box.box_id) for stem, record in records.items() for box in record.kept]
            here = masks_of_scene(records, place, self._filters, self.annotated)
            write_labels(self.out, scene, place, here, self.policy, self.classes)
            found += here
        first = next((place.crs for place, _ in self._scenes.values()), None)
        write_polygons(self.out, found, self.classes, first)
        flagged = sum(bool(each.box.flags) for each in found)
        shown = {(each.tile, each.box.box_id) for each in found}
        same = sum(each not in shown for each in tiles)
        return Counter({INSTANCES: len(found), _SAME: same, FLAGS: flagged})


def placed(path: Path, record: Record) -> Place:
    """Return where a record's scene lies on the map.

    Raises:
        RefusedError: It lies nowhere there, can't be read, or its tile is nowhere in it.
    """
    try:
        place = place_on_map(path, _ELSE)
    except ImageReadError as error:
        raise RefusedError(str(error)) from error
    if record.image.offset is None:
        raise RefusedError(f'{path}: where the tiles of the folder lie in it is not known')
    return place


def refuse_unplaced(root: Path, meta: dict[str, Any], images: Sequence[LabelledImage]) -> None:
    """Refuse a folder none of whose scenes is on the map.

    Raises:
        RefusedError: With what is wrong with the first one; or pyogrio is missing.
    """
    ogr()
    annotated, data_root = AnnotatedFolder(root), follow(meta['data_root'], root)
    first, seen = None, set()
    for image in images:
        if image.scene in seen:
            continue
        seen.add(image.scene)
        try:
            record = Record.load(annotated.path(folder.INSTANCES, image.stem))
            placed(data_root / record.image.path, record)
            return
        except RecordError:
            continue  # named where it is exported
        except RefusedError as error:
            first = first or error
    if first:
        raise first
