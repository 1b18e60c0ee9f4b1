"""Scenes on the map, with boxes from a layer of features in any CRS."""

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from samrs_mm.core.boxes import BoxLabel, LabelProblem, ParsedLabels
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.found_files import files_by_stem
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.place import Place, is_map_file, named_crs, place_on_map, reproject
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.formats.annotated.entries import OUTSIDE
from samrs_mm.formats.vector.layer import Layer, open_layer, outline_of, split_name
from samrs_mm.registry import BOX_DATASETS

_DECIMALS = 4
"""Of coordinates in pixels: what differs by less is due to the way from one CRS to another."""
_TURN = 360
_EVERYWHERE = np.array([-1.0, -1.0, 1.0, 1.0]) * 1e30


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
        list_outside: Features outside the upright rectangles around all scenes are listed up to so
            many; more are only counted, as ``elsewhere``. None lists all.

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
        list_outside: int | None = 1000,
    ):
        if not boxes:
            raise RefusedError('dataset.boxes is not set; give the boxes with --boxes FILE[:LAYER]')
        if point_size is not None and not point_size > 0:
            raise RefusedError(f'dataset.point_size={point_size!r}; allowed: pixels above 0, None')
        if list_outside is not None and not (type(list_outside) is int and list_outside >= 0):
            raise RefusedError(
                f'dataset.list_outside={list_outside!r}; allowed: a whole number from 0, None'
            )
        root = Path(data_root)
        self.only = root.name if root.is_file() else None
        self._class_field, self._class_name = class_field, class_name
        self._point_size, self._list_outside = point_size, list_outside
        self._scene_crs = named_crs('dataset.scene_crs', scene_crs)
        self._file = open_layer(*split_name(str(boxes)), crs=crs)
        self.label_file = self._file.path.name
        self.places: dict[str, Place] = {}
        """Place of each scene by its stem; of those whose header can be read."""
        self._found: dict[str, dict[int, tuple[np.ndarray, bool]]] = {}
        self._elsewhere: list[LabelProblem] = []
        super().__init__(str(root.parent if self.only else root), classes)

    def index(self) -> list[Scene]:
        """See ``BoxDataset``."""
        scenes = []
        for stem, names in files_by_stem(self.root, IMAGE_SUFFIXES).items():
            for name in names:
                if self.only in (None, name) and (self.only or is_map_file(self.root / name)):
                    scenes.append(Scene(stem, name, self.label_file))
        for scene in scenes:
            self._locate(scene)
        self.layer: Layer = self._read()
        self._categories = _categories(self.layer, self._class_field, self._class_name)
        if scenes:
            self._deal(scenes)
        if self._elsewhere:
            scenes.append(Scene(str(self.label_file), None, self.label_file))
        return scenes

    def _locate(self, scene: Scene) -> None:
        """Find out where a scene lies; of several, one that can't be read is met later."""
        assert scene.image is not None
        path = self.root / scene.image
        try:
            place = place_on_map(path, ', but the boxes are').in_crs(self._scene_crs)
        except ImageReadError as error:
            if self.only:
                raise RefusedError(str(error)) from error
            return
        boxes = self._file
        if place.crs is None and boxes.crs is not None:
            raise RefusedError(
                f'{path}: names no CRS, {boxes.path} does ({boxes.crs.to_string():.40}); say in '
                'which the scenes are that name none: --cfg-options dataset.scene_crs=EPSG:CODE'
            )
        if boxes.crs is None and place.crs is not None:
            raise RefusedError(
                f'boxes {boxes.path}: no CRS is named, {scene.image} is in '
                f'{place.crs.to_string():.40}; say with --cfg-options dataset.crs=EPSG:CODE in '
                'which the boxes are'
            )
        self.places[scene.stem] = place

    def _read(self) -> Layer:
        """Read the features, but for those far from all scenes where these are too many to list."""
        limit = self._list_outside
        if limit is None or len(self._file) <= limit:
            return self._file.read()
        found, layer = self._file.bounds(), None
        if found is None:
            layer = self._file.read()
            found = layer.fids, shapely.bounds(layer.geometries)
        fids, bounds = found
        near = ~np.isfinite(bounds).all(axis=1)  # without geometry: told one by one
        near[self._meetings(bounds)[0]] = True
        far = int(np.count_nonzero(~near))
        if far <= limit:
            return layer or self._file.read()
        if not near.any():
            self._refuse_exchanged(len(self._meetings(bounds[:, [1, 0, 3, 2]])[0]), far)
        self.elsewhere = far
        return self._file.read(fids[near]) if layer is None else layer.of(np.flatnonzero(near))

    def _meetings(self, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which bounds ``(N, 4)`` in the boxes' CRS meet which places, row by row."""
        margin = (self._point_size or 0) / 2 + 1
        crs = self._file.crs
        rectangles = [place.bounds_in(crs, margin) for place in self.places.values()]
        rectangles = [np.where(np.isnan(r), _EVERYWHERE, r) for r in rectangles]
        tree = shapely.STRtree(shapely.box(*np.reshape(rectangles, (-1, 4)).T))
        rows = np.flatnonzero(np.isfinite(bounds).all(axis=1))
        turns = (-_TURN, 0, _TURN) if crs is not None and crs.is_geographic else (0,)
        pairs = [tree.query(shapely.box(*(bounds[rows] + (turn, 0, turn, 0)).T)) for turn in turns]
        met, places = np.unique(np.concatenate(pairs, axis=1), axis=1)
        return rows[met], places

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
        rows = [row for row in range(len(outlines)) if row not in problems]
        shapes = [outlines[row][0] for row in rows]
        owners, found = self._owners(shapes)
        if shapes and not any(owners) and not self.elsewhere:
            there, _ = self._owners([shape[:, ::-1] for shape in shapes])
            self._refuse_exchanged(sum(map(bool, there)), len(shapes))
        self._found = {scene.stem: {} for scene in scenes}
        unread = len(scenes) - len(self.places)
        why = 'it lies in no scene' + ' that can be read' * bool(unread)
        for row, owner, pixels in zip(rows, owners, found, strict=True):
            if owner:
                self._found[owner][row] = pixels, outlines[row][1]
            else:
                self._elsewhere.append(LabelProblem(self.layer.box_id(row), why, OUTSIDE))
        for row, why in sorted(problems.items()):
            self._elsewhere.append(LabelProblem(self.layer.box_id(row), why))
        self.label_notes = self._notes(scenes)

    def _owners(self, shapes: list[np.ndarray]) -> tuple[list[str], list[np.ndarray]]:
        """Return for each shape the stem of its scene, '' for none, and it in pixels there."""
        owners, found = [''] * len(shapes), [np.empty((0, 2))] * len(shapes)
        if not shapes or not self.places:
            return owners, found
        best = np.zeros(len(shapes))
        bounds = np.array([[*shape.min(axis=0), *shape.max(axis=0)] for shape in shapes])
        rows, numbers = self._meetings(bounds)
        for number, (stem, place) in enumerate(self.places.items()):
            near = rows[numbers == number]
            if not len(near):
                continue
            rings = self._in_pixels([shapes[row] for row in near], place)
            shares = _shares(rings, place.width, place.height)
            for position in np.flatnonzero(shares > best[near]):
                row = near[position]
                owners[row], found[row], best[row] = stem, rings[position], shares[position]
        return owners, found

    def _in_pixels(self, shapes: list[np.ndarray], place: Place) -> list[np.ndarray]:
        """Return shapes in pixels of a scene, points as boxes."""
        ends = np.cumsum([len(shape) for shape in shapes])[:-1]
        points = np.concatenate(shapes)
        if place.crs is not None and place.crs != self.layer.crs:
            assert self.layer.crs is not None
            points = reproject(points, self.layer.crs, place.crs)
        if place.crs is not None and place.crs.is_geographic:
            west, _, east, _ = place.bounds_in(place.crs)
            if east - west < _TURN / 2:  # in a larger one an object may be as wide as a jump
                rings, middle = np.split(points, ends), (west + east) / 2
                points = np.concatenate([_turned(ring, middle) for ring in rings])
        pixels = np.round(place.to_pixels(points), _DECIMALS)
        return [self._boxed(ring) for ring in np.split(pixels, ends)]

    def _boxed(self, ring: np.ndarray) -> np.ndarray:
        """Return a point ``(1, 2)`` as the corners of its box ``(2, 2)``, all else as it is."""
        if len(ring) > 1 or self._point_size is None:
            return ring
        half = self._point_size / 2
        return np.concatenate([ring - half, ring + half])

    def _refuse_exchanged(self, there: int, count: int) -> None:
        """Refuse boxes of which none lies in a scene, if some were there with x and y exchanged."""
        if there:
            raise RefusedError(
                f'boxes {self._file.path}: no box lies in a scene, and with x and y exchanged '
                f'{there} of {count} would: write x (longitude) before y (latitude)'
            )

    def _notes(self, scenes: list[Scene]) -> list[str]:
        """Return what is to be known of boxes in no scene, and of scenes without a box."""
        notes = []
        outside = sum(problem.status == OUTSIDE for problem in self._elsewhere) + self.elsewhere
        if outside:
            count = counted(len(self.layer) + self.elsewhere, 'feature')
            far = (
                f', {self.elsewhere} of them far from all and only counted'
                if self.elsewhere
                else ''
            )
            notes.append(f'{outside} of {count} {plural(outside, "lies", "lie")} in no scene{far}')
        unread = [scene.image for scene in scenes if scene.stem not in self.places]
        bare = [s.image for s in scenes if s.stem in self.places and not self._found[s.stem]]
        if bare:
            notes.append(
                f'no box lies in {counted(len(bare), "scene")} of {len(scenes)}, such as {bare[0]}'
            )
        if unread:
            notes.append(
                f'{counted(len(unread), "scene")} of {len(scenes)} can not be read, so that '
                f'boxes there are called outside, such as {unread[0]}'
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


def _turned(ring: np.ndarray, middle: float) -> np.ndarray:
    """Return a ring ``(N, 2)`` in degrees whole, and by full turns as near a longitude as can be.

    One across the antimeridian may be written with a jump of 360 degrees, and be in two parts.
    """
    x = np.unwrap(ring[:, 0], period=_TURN)
    away = (x.min() + x.max()) / 2 - middle
    return np.stack([x - _TURN * np.rint(away / _TURN), ring[:, 1]], 1)


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
