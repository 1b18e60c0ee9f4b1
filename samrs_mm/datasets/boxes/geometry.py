"""Turns the boxes of labels, in whatever form they were annotated, into arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core.boxes import bounding_boxes, corners
from samrs_mm.formats.boxes.labels import BoxLabel


@dataclass(frozen=True)
class BoxGeometry:
    """The boxes of one image as arrays, float64, in pixels of the scene, unclipped.

    A box with a NaN coordinate is NaN where that coordinate enters.

    Args:
        hboxes: H-Boxes ``(N, 4)`` x0, y0, x1, y1: annotated, else around the R-Box.
        polygons: Corners of the R-Boxes ``(N, 4, 2)``: annotated, else those of the H-Box.
        centres: Centres of the R-Boxes ``(N, 2)``.
        rhboxes: RH-Boxes ``(N, 4)``: around the R-Box, else the H-Box; None if not asked for.
    """

    hboxes: np.ndarray
    polygons: np.ndarray
    centres: np.ndarray
    rhboxes: np.ndarray | None

    def __len__(self) -> int:
        return len(self.hboxes)

    def __getitem__(self, rows: np.ndarray) -> 'BoxGeometry':
        """Return the boxes at some rows, as numpy indexing does."""
        rhboxes = None if self.rhboxes is None else self.rhboxes[rows]
        return BoxGeometry(self.hboxes[rows], self.polygons[rows], self.centres[rows], rhboxes)

    def shifted(self, dx: float, dy: float) -> 'BoxGeometry':
        """Return the boxes moved by ``dx, dy`` pixels, as into a tile."""
        step = np.array([dx, dy], float)
        twice = np.tile(step, 2)
        rhboxes = None if self.rhboxes is None else self.rhboxes + twice
        return BoxGeometry(self.hboxes + twice, self.polygons + step, self.centres + step, rhboxes)


def geometry(labels: list[BoxLabel], oriented: bool) -> BoxGeometry:
    """Return the boxes of labels as arrays.

    mmrotate converts R-Boxes, in float64: polygons straight to RH-Boxes (through centre, size and
    angle they would move by up to 15 px), and centre, size and angle to corners and RH-Boxes.

    Args:
        labels: N labels of one image.
        oriented: Whether RH-Boxes are wanted. Where they aren't, mmrotate is needed only for
            labels given as centre, size and angle.

    Raises:
        ImportError: mmrotate is needed and can't be imported.
    """
    hboxes, polygons = np.full((len(labels), 4), np.nan), np.full((len(labels), 4, 2), np.nan)
    rhboxes, centres = np.full((len(labels), 4), np.nan), np.full((len(labels), 2), np.nan)

    rows, values = _select(labels, lambda label: label.polygon)
    if rows:
        polygons[rows] = values
        hboxes[rows], centres[rows] = bounding_boxes(polygons[rows]), polygons[rows].mean(axis=1)
        if oriented:
            rhboxes[rows] = _convert('QuadriBoxes', values.reshape(-1, 8), 'hbox')

    rows, values = _select(labels, lambda label: label.rotated if label.polygon is None else None)
    if rows:
        polygons[rows] = _convert('RotatedBoxes', values, 'qbox').reshape(-1, 4, 2)
        hboxes[rows], centres[rows] = bounding_boxes(polygons[rows]), values[:, :2]
        if oriented:
            rhboxes[rows] = _convert('RotatedBoxes', values, 'hbox')

    rows, values = _select(labels, lambda label: label.hbox)
    if rows:
        hboxes[rows] = values

    rows, values = _select(labels, lambda label: label.hbox if _is_horizontal(label) else None)
    if rows:
        polygons[rows], rhboxes[rows] = corners(values), values
        centres[rows] = (values[:, :2] + values[:, 2:]) / 2
    return BoxGeometry(hboxes, polygons, centres, rhboxes if oriented else None)


def _is_horizontal(label: BoxLabel) -> bool:
    return label.polygon is None and label.rotated is None


def _select(
    labels: list[BoxLabel], form: Callable[[BoxLabel], np.ndarray | None]
) -> tuple[list[int], np.ndarray]:
    """Return the rows of the labels that have a form, and its values, stacked."""
    rows = [row for row, label in enumerate(labels) if form(label) is not None]
    return rows, np.array([form(labels[row]) for row in rows], np.float64)


def _convert(kind: str, values: np.ndarray, to: str) -> np.ndarray:
    """Convert boxes ``(N, D)`` with mmrotate's box structures."""
    boxes = getattr(mmrotate_boxes(), kind)(torch.from_numpy(values))
    return boxes.convert_to(to).tensor.numpy()
