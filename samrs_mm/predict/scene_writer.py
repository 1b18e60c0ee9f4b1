"""Write a predicted scene strip by strip: label map, probabilities and overlay."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.windows import Window

from samrs_mm.core.atomic import atomic_write, temporary
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.place import Place
from samrs_mm.core.raster_file import gdal, open_raster, relaxed
from samrs_mm.drawing.colours import colour_labels
from samrs_mm.predict.polygon_writer import PolygonWriter
from samrs_mm.predict.scene_blends import STEPS

OVERLAY_SIDE = 2048
"""Longest side of an overlay in pixels."""

_BLOCK = 256


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Write a file, and none beside it; name it in errors, which GDAL's own seldom do."""
    try:
        with relaxed, gdal(GDAL_PAM_ENABLED='NO'):
            yield
    except Exception as error:  # those of GDAL have no public base
        raise SamrsError(f'{path}: could not be written ({error}); is the disk full?') from error


class RasterWriter:
    """A raster of 8-bit bands that is written from the top and appears when it is whole.

    ``.tif`` is a tiled and compressed GeoTIFF, of which each tile is written once; ``.png`` is made
    from one. ``shape`` is ``(bands, H, W)``, ``position`` is ``Place.profile``; ``names`` are those
    of the bands.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        position: dict[str, Any] | None = None,
        names: Sequence[str] = (),
        tags: dict[str, str] | None = None,
    ):
        self.path, self._shape = path, shape
        self._raster = temporary(path.with_suffix('.tif'))
        png = path.suffix == '.png'
        profile = dict(
            count=shape[0], height=shape[1], width=shape[2], dtype='uint8', tiled=True,
            blockxsize=_BLOCK, blockysize=_BLOCK, interleave='band', compress='deflate',
            bigtiff='if_safer', nodata=None if png else UNLABELLED,
        )  # fmt: skip
        with _writing(path):
            self._file = rasterio.open(self._raster, 'w', 'GTiff', **profile, **(position or {}))
            self._file.update_tags(**(tags or {}))
            for band, name in enumerate(names, 1):
                self._file.set_band_description(band, name)
        self._top, self._rows = 0, np.empty((shape[0], 0, shape[2]), np.uint8)

    def push(self, rows: np.ndarray) -> None:
        """Add rows ``(bands, rows, W)`` below those that are there."""
        self._rows = np.concatenate([self._rows, rows], axis=1)
        whole = self._rows.shape[1] // _BLOCK * _BLOCK
        if self._top + self._rows.shape[1] == self._shape[1]:
            whole = self._rows.shape[1]
        if whole:
            window = Window(0, self._top, self._shape[2], whole)
            with _writing(self.path):
                self._file.write(self._rows[:, :whole], window=window)
            self._rows, self._top = self._rows[:, whole:], self._top + whole

    def finish(self) -> None:
        """Close the file and check that all of it is on the disk."""
        part = temporary(self.path)
        with _writing(self.path):
            self._file.close()  # loses GDAL's errors, such as that of a full disk
            if part != self._raster:
                rasterio.shutil.copy(str(self._raster), str(part), driver='PNG')
            with open_raster(part) as file:
                for top in range(0, file.height, _BLOCK):
                    rows = min(_BLOCK, file.height - top)
                    file.read(window=Window(0, top, file.width, rows))

    def publish(self) -> None:
        """Give the file its name."""
        part = temporary(self.path)
        with open(part, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(part, self.path)

    def discard(self) -> None:
        """Close, and remove what has no name yet."""
        with contextlib.suppress(RasterioError):
            self._file.close()
        for path in {self._raster, temporary(self.path)}:
            path.unlink(missing_ok=True)


class OverlayWriter:
    """A JPEG of a scene ``(H, W)`` tinted with its classes, reduced to ``OVERLAY_SIDE``."""

    def __init__(self, path: Path, size: tuple[int, int]):
        self.path, self._size, self._top = path, size, 0
        scale = min(1.0, OVERLAY_SIDE / max(size))
        height, width = (max(round(side * scale), 1) for side in size)
        self._canvas = np.zeros((height, width, 3), np.uint8)

    def push(self, image: np.ndarray, labels: np.ndarray) -> None:
        """Add rows: the scene's ``(rows, W, 3)`` uint8 RGB, and their labels ``(rows, W)``."""
        rows = self._top, self._top + len(labels)
        first, last = (round(row * self._canvas.shape[0] / self._size[0]) for row in rows)
        self._top = rows[1]
        if last == first:
            return
        size = self._canvas.shape[1], last - first
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        classes = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        tinted = (0.55 * small + 0.45 * colour_labels(classes)).astype(np.uint8)
        self._canvas[first:last] = np.where((classes == UNLABELLED)[..., None], small, tinted)

    def publish(self) -> None:
        """Write the file, whole or not at all."""
        encoded = cv2.imencode('.jpg', self._canvas[..., ::-1])[1]
        atomic_write(self.path, encoded.tobytes())


class SceneWriter:
    """Writes what is wanted of a scene ``(H, W)``; all of it appears at the end, or nothing.

    ``targets`` are files by kind (``labels``, ``probabilities``, ``overlays``, ``polygons``) in
    folders that exist; ``place`` is where it lies on the map; ``names`` are the classes in the
    order of their values.
    """

    def __init__(
        self,
        targets: dict[str, Path],
        place: Place | None,
        size: tuple[int, int],
        names: Sequence[str],
    ):
        position = place.profile if place is not None else {}
        self._polygons = None
        if 'polygons' in targets:
            assert place is not None
            self._polygons = PolygonWriter(targets['polygons'], place, names)
        self._overlay = OverlayWriter(targets['overlays'], size) if 'overlays' in targets else None
        bands = {
            'labels': ((), {f'CLASS_{index}': name for index, name in enumerate(names)}),
            'probabilities': (names, dict(PROBABILITY=f'value / {STEPS}')),
        }
        self._rasters = {
            kind: RasterWriter(targets[kind], (len(named) or 1, *size), position, named, tags)
            for kind, (named, tags) in bands.items()
            if kind in targets
        }

    def __enter__(self) -> 'SceneWriter':
        return self

    def push(
        self, labels: np.ndarray, probabilities: np.ndarray | None, image: np.ndarray | None
    ) -> None:
        """Add rows of labels ``(rows, W)``, probabilities ``(K, rows, W)`` and the RGB image."""
        if 'labels' in self._rasters:
            self._rasters['labels'].push(labels[None])
        if self._polygons:
            self._polygons.push(labels)
        if probabilities is not None and 'probabilities' in self._rasters:
            self._rasters['probabilities'].push(probabilities)
        if self._overlay and image is not None:
            self._overlay.push(image, labels)

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                for item in self._parts():
                    item.finish()
                for item in self._parts():
                    item.publish()
                if self._overlay:
                    self._overlay.publish()
        finally:
            for item in self._parts():
                item.discard()

    def _parts(self) -> list[RasterWriter | PolygonWriter]:
        return [*self._rasters.values(), *filter(None, [self._polygons])]
