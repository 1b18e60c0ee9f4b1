"""Scenes on the map, with boxes from a layer of features in any CRS."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from samrs_mm.core.boxes import BoxLabel, LabelProblem, ParsedLabels
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.found_files import files_by_stem
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.place import Place, is_map_file, place_on_map, reproject
from samrs_mm.core.raster_file import gdal
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.formats.annotated.entries import OUTSIDE
from samrs_mm.formats.vector.layer import Layer, outline_of, read_layer, split_name
from samrs_mm.registry import BOX_DATASETS

_DECIMALS = 4
"""Of coordinates in pixels: what differs by less is due to the way from one CRS to another."""


@BOX_DATASETS.register_module()
class GeoBoxDataset(BoxDataset):
    """GeoTIFFs, and boxes, polygons or points of a GeoPackage, GeoJSON, shapefile, FlatGeobuf, CSV.

    Layout: one raster on the map, or a folder of them; images without a place are left out where
    they are PNG or JPEG (a world file gives them one).
    Classes: the names in ``class_field``, sorted, unless the config fixes them.
    Labels: a polygon of four corners is an R-Box, any other polygon the H-Box around it in pixels,
    a point the centre of one of ``point_size``. A feature belongs to the scene that holds most of
    it, the first by name of several alike. Those in no scene, and what can't be prompted with,
    stand under a scene of their own that has no image and is called as the file.

    Args:
        data_root: The raster, or the folder.
        classes: As in ``BoxDataset``.
        boxes: The vector file, or ``FILE:LAYER`` where it has several layers.
        class_field: Column of the class names.
        class_name: One class for all features, instead of a column.
        crs: CRS of the features, such as ``EPSG:32632``, where the file names none or a wrong one.
        scene_crs: CRS of the scenes that name none.
        point_size: Side in pixels of the box around a point; None refuses points.

    Raises:
        RefusedError: As in ``BoxDataset``; the boxes can't be read; they or a scene name no CRS
            and the other does; a scene is not on the map; or x and y are exchanged.
    """

    layout = 'a GeoTIFF or a folder of GeoTIFFs'

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        boxes: str | None = None,
        class_field: str = 'class',
        class_name: str | None = None,
        crs: str | None = None,
        scene_crs: str | None = None,
        point_size: float | None = None,
    ):
        if not boxes:
            raise RefusedError('dataset.boxes is not set; give the boxes with --boxes FILE[:LAYER]')
        if point_size is not None and not point_size > 0:
            raise RefusedError(f'dataset.point_size={point_size!r}; allowed: pixels above 0, None')
        root = Path(data_root)
        self._only = root.name if root.is_file() else None
        self._point_size = point_size
        self._scene_crs = None if scene_crs is None else _crs_of(scene_crs)
        self.layer: Layer = read_layer(*split_name(str(boxes)), crs=crs)
        self._categories = _categories(self.layer, class_field, class_name)
        self.label_file = self.layer.path.name
        self.places: dict[str, Place] = {}
        """Place of each scene by its stem; of those whose header can be read."""
        self._found: dict[str, dict[int, tuple[np.ndarray, bool]]] = {}
        self._elsewhere: list[LabelProblem] = []
        super().__init__(str(root.parent if self._only else root), classes)

    def index(self) -> list[Scene]:
        """See ``BoxDataset``."""
        scenes = []
        for stem, names in files_by_stem(self.root, IMAGE_SUFFIXES).items():
            for name in names:
                if self._only in (None, name) and (self._only or is_map_file(self.root / name)):
                    scenes.append(Scene(stem, name, self.label_file))
        for scene in scenes:
            self._locate(scene)
        if scenes:
            self._deal(scenes)
        if self._elsewhere:
            scenes.append(Scene(str(self.label_file), None, self.label_file))
        return scenes

    def _locate(self, scene: Scene) -> None:
        """Find out where a scene lies; one that can't be read is met where it is annotated."""
        assert scene.image is not None
        path = self.root / scene.image
        try:
            place = place_on_map(path, ', but the boxes are')
        except ImageReadError:
            return
        if place.crs is None:
            place = replace(place, crs=self._scene_crs)
        layer = self.layer
        if place.crs is None and layer.crs is not None:
            raise RefusedError(
                f'{path}: names no CRS, {layer.path} does ({layer.crs.to_string():.40}); say in '
                'which the scenes are that name none: --cfg-options dataset.scene_crs=EPSG:CODE'
            )
        if layer.crs is None and place.crs is not None:
            raise RefusedError(
                f'boxes {layer.path}: no CRS is named, {scene.image} is in '
                f'{place.crs.to_string():.40}; say with --cfg-options dataset.crs=EPSG:CODE in '
                'which the boxes are'
            )
        self.places[scene.stem] = place

    def _deal(self, scenes: list[Scene]) -> None:
        """Give each feature to the scene that holds most of it."""
        outlines = [outline_of(geometry) for geometry in self.layer.geometries]
        problems = {row: why for row, (_, _, why) in enumerate(outlines) if why}
        if self._point_size is None:
            points = [row for row, (found, _, _) in enumerate(outlines) if len(found) == 1]
            reason = 'a Point; dataset.point_size=N puts a box of N pixels a side around it'
            problems |= dict.fromkeys(points, reason)
        problems |= self.layer.problems
        for row, category in enumerate(self._categories):
            if category is None:
                problems.setdefault(row, 'the feature has no class')
        rows = np.array([row for row in range(len(outlines)) if row not in problems], int)
        shapes = [outlines[row][0] for row in rows]
        owners, found = self._owners(scenes, shapes)
        self._found = {scene.stem: {} for scene in scenes}
        for row, owner, pixels in zip(rows.tolist(), owners, found, strict=True):
            if owner < 0:
                problem = LabelProblem(self.layer.box_id(row), 'it lies in no scene', OUTSIDE)
                self._elsewhere.append(problem)
            else:
                self._found[scenes[owner].stem][row] = pixels, outlines[row][1]
        for row, why in sorted(problems.items()):
            self._elsewhere.append(LabelProblem(self.layer.box_id(row), why))
        if shapes and (owners < 0).all():
            self._refuse_exchanged(scenes, shapes)
        self.label_notes = self._notes(scenes)

    def _owners(
        self, scenes: list[Scene], shapes: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return for each shape its scene's place in the list, -1 for none, and it in pixels."""
        best, owners = np.zeros(len(shapes)), np.full(len(shapes), -1)
        found = [np.empty((0, 2))] * len(shapes)
        if not shapes:
            return owners, found
        ends = np.cumsum([len(shape) for shape in shapes])[:-1]
        points = np.concatenate(shapes)
        in_crs: dict[Any, np.ndarray] = {self.layer.crs: points}
        for number, scene in enumerate(scenes):
            place = self.places.get(scene.stem)
            if place is None:
                continue
            if place.crs not in in_crs:
                assert self.layer.crs is not None
                assert place.crs is not None
                in_crs[place.crs] = reproject(points, self.layer.crs, place.crs)
            pixels = np.round(place.to_pixels(in_crs[place.crs]), _DECIMALS)
            rings = [self._boxed(ring) for ring in np.split(pixels, ends)]
            shares = _shares(rings, place.width, place.height)
            for position in np.flatnonzero(shares > best):
                found[position] = rings[position]
            owners[shares > best] = number
            best = np.maximum(best, shares)
        return owners, found

    def _boxed(self, ring: np.ndarray) -> np.ndarray:
        """Return a point ``(1, 2)`` as the corners of its box ``(2, 2)``, all else as it is."""
        if len(ring) > 1 or self._point_size is None:
            return ring
        half = self._point_size / 2
        return np.concatenate([ring - half, ring + half])

    def _refuse_exchanged(self, scenes: list[Scene], shapes: list[np.ndarray]) -> None:
        owners, _ = self._owners(scenes, [shape[:, ::-1] for shape in shapes])
        if count := int((owners >= 0).sum()):
            raise RefusedError(
                f'boxes {self.layer.path}: no box lies in a scene, and with x and y exchanged '
                f'{count} of {len(shapes)} would: write x (longitude) before y (latitude)'
            )

    def _notes(self, scenes: list[Scene]) -> list[str]:
        """Return what is to be known of boxes in no scene, and of scenes without a box."""
        notes = []
        outside = sum(problem.status == OUTSIDE for problem in self._elsewhere)
        bare = [scene.image for scene in scenes if not self._found[scene.stem]]
        if outside:
            notes.append(
                f'{outside} of {counted(len(self.layer), "feature")} '
                f'{plural(outside, "lies", "lie")} in no scene'
            )
        if bare:
            notes.append(
                f'no box lies in {counted(len(bare), "scene")} of {len(scenes)}, such as {bare[0]}'
            )
        return notes

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes of a scene in its pixels."""
        if scene.image is None:
            return ParsedLabels(problems=list(self._elsewhere))
        labels = ParsedLabels()
        for row, (pixels, is_box) in self._found[scene.stem].items():
            name, box_id = self._categories[row], self.layer.box_id(row)
            assert name is not None
            if is_box:
                labels.boxes.append(BoxLabel(box_id, name, polygon=pixels))
            else:
                hull = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
                labels.boxes.append(BoxLabel(box_id, name, hbox=hull))
        return labels

    def fitted(self, index: int, labels: ParsedLabels) -> ParsedLabels:
        """Return the labels as they are: the map says where they lie in the image."""
        return labels


def _crs_of(text: str) -> CRS:
    """Return a CRS by its name.

    Raises:
        RefusedError: There is none of that name.
    """
    try:
        with gdal():
            return CRS.from_user_input(text)
    except (RasterioError, OSError, ValueError) as error:
        raise RefusedError(
            f'dataset.scene_crs={text!r}: no CRS is called so; write for example --cfg-options '
            'dataset.scene_crs=EPSG:32632'
        ) from error


def _shares(rings: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """Return which part ``(N,)`` of the boxes around rings lies in a scene; 0 for NaN."""
    low = np.array([ring.min(axis=0) for ring in rings])
    high = np.array([ring.max(axis=0) for ring in rings])
    inside = np.clip(np.minimum(high, (width, height)) - np.maximum(low, 0), 0, None)
    whole = np.maximum(high - low, 10.0**-_DECIMALS)
    return np.nan_to_num(inside.prod(axis=1) / whole.prod(axis=1))


def _categories(layer: Layer, field: str, name: str | None) -> list[str | None]:
    """Return the class name of each feature; None where it has none.

    Raises:
        RefusedError: There is no such column.
    """
    if name is not None:
        return [str(name)] * len(layer)
    if field not in layer.fields:
        raise RefusedError(
            f'boxes {layer.path}: no column {field!r}; it has '
            f'{", ".join(layer.fields) or "none"}; name one with --cfg-options '
            'dataset.class_field=COLUMN, or one class for all with dataset.class_name=NAME'
        )
    return [_name(value) for value in layer.fields[field].tolist()]


def _name(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():  # whole numbers beside a missing one
        value = int(value)
    text = '' if value is None or value != value else str(value).strip()
    return text or None
