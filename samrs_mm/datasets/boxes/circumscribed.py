"""RH-Boxes: the upright boxes around oriented ones, as mmrotate converts them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry, select
from samrs_mm.core.prompts import PromptSetting


def circumscribed_geometry(labels: Sequence[BoxLabel]) -> BoxGeometry:
    """Return N labels of one image as arrays, with their RH-Boxes.

    mmrotate converts in float64: polygons straight (through centre, size and angle they would move
    by up to 15 px), and labels given as centre, size and angle as they are. The RH-Box of an
    annotated H-Box is the H-Box.

    Raises:
        ImportError: There are R-Boxes, and mmrotate can't be imported.
    """
    shapes = geometry(labels)
    rhboxes = shapes.hboxes.copy()
    rows, values = select(labels, lambda label: label.polygon, (8,))
    if rows:
        rhboxes[rows] = _upright('QuadriBoxes', values)
    rows, values = select(
        labels, lambda label: label.rotated if label.polygon is None else None, (5,)
    )
    if rows:
        rhboxes[rows] = _upright('RotatedBoxes', values)
    return replace(shapes, rhboxes=rhboxes)


def _upright(kind: str, values: np.ndarray) -> np.ndarray:
    """Convert boxes ``(N, D)`` of one of mmrotate's box structures to H-Boxes ``(N, 4)``."""
    import torch

    boxes = getattr(mmrotate_boxes(), kind)(torch.from_numpy(values))
    return boxes.convert_to('hbox').tensor.numpy()


def no_mmrotate(setting: PromptSetting) -> str | None:
    """Return why a setting's boxes can't be converted, or None."""
    if setting.circumscribed:
        try:
            mmrotate_boxes()
        except ImportError as error:
            return str(error)
    return None
