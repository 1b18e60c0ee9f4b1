"""Measures of a mask that need no ground truth, and filters by them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError

MEASURES = ('fill', 'coverage', 'leakage', 'components', 'at_border')
"""What ``measure`` adds to ``score``, ``stability`` and ``area``."""

DECIMALS = 6


def measure(
    segmentation: dict, polygon: Sequence, prompt_box: Sequence | None
) -> dict[str, float | int | bool]:
    """Return the measures of a mask, by ``MEASURES``.

    All are taken in pixels of the image (or tile), of the whole mask before overlap. Boxes and
    polygons cover the pixels that ``masks.encode_polygon`` gives them.

    - ``fill``: mask pixels inside the prompt box / pixels of that box, clipped to the image; in
      [0, 1]. Where the setting shows no box (``cp``) it is the upright box around ``polygon``.
    - ``coverage``: mask pixels inside ``polygon`` (the R-Box) / pixels of it inside the image; in
      [0, 1]. Unlike ``fill`` it does not depend on how an object lies.
    - ``leakage``: mask pixels outside ``polygon`` / mask pixels; in [0, 1].
    - ``components``: 8-connected parts of the mask.
    - ``at_border``: whether a mask pixel lies in the image's first or last row or column.

    Args:
        segmentation: COCO RLE of the image's size, of at least one pixel.
        polygon: Corners ``(4, 2)`` of the box in pixels, unclipped.
        prompt_box: ``(4,)`` x0, y0, x1, y1 that the segmentor saw, or None.
    """
    height, width = segmentation['size']
    rbox = np.array(polygon, float)
    hbox = box_ops.bounding_boxes(rbox[None]) if prompt_box is None else np.array([prompt_box])
    frame = box_ops.corners(box_ops.clip(hbox, width, height))[0]
    fill, _ = _covered(segmentation, frame)
    coverage, covered = _covered(segmentation, rbox)
    x, y, part = masks.crop(segmentation)
    h, w = part.shape
    return dict(
        fill=fill,
        coverage=coverage,
        leakage=round(1 - covered / masks.area(segmentation), DECIMALS),
        components=cv2.connectedComponents(part.T.view(np.uint8), connectivity=8)[0] - 1,
        at_border=x == 0 or y == 0 or x + w == width or y + h == height,
    )


def _covered(segmentation: dict, polygon: np.ndarray) -> tuple[float, int]:
    """Return the fraction of a polygon's pixels that a mask covers, and their number."""
    inside = masks.encode_polygon(polygon, *segmentation['size'])
    shared, _ = masks.overlap(segmentation, inside)
    return round(shared / max(masks.area(inside), 1), DECIMALS), shared


@dataclass(frozen=True)
class MaskFilters:
    """Limits that a mask must keep; None sets no limit. Limits themselves are allowed.

    The score is the predicted IoU, the area is in pixels; for the other measures see ``measure``.
    """

    min_score: float | None = None
    min_stability: float | None = None
    min_fill: float | None = None
    max_fill: float | None = None
    min_coverage: float | None = None
    max_leakage: float | None = None
    max_components: int | None = None
    min_area: int | None = None
    drop_at_border: bool = False

    @classmethod
    def from_config(cls, entry: dict[str, Any] | None) -> 'MaskFilters':
        """Read the ``filters`` of an annotate config; None is no filter.

        Raises:
            RefusedError: An unknown name, or a value that can't be.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(entry, dict | None):
            raise RefusedError(f'filters={entry!r}; allowed: None or dict({names[0]}=..., ...)')
        for name in entry or {}:
            if name not in names:
                raise RefusedError(f'filters.{name} is unknown; allowed: {", ".join(names)}')
        filters = cls(**{name: _checked(name, value) for name, value in (entry or {}).items()})
        low, high = filters.min_fill, filters.max_fill
        if low is not None and high is not None and low > high:
            raise RefusedError(f'filters.min_fill={low!r} is above filters.max_fill={high!r}')
        return filters

    def as_dict(self) -> dict[str, Any] | None:
        """Return the limits that are set; None if there are none."""
        limits = asdict(self) | {'drop_at_border': self.drop_at_border or None}
        return {name: value for name, value in limits.items() if value is not None} or None

    @property
    def measures(self) -> set[str]:
        """What the limits are of: ``score``, ``stability``, ``area`` or some of ``MEASURES``."""
        return {name.partition('_')[2] for name in self.as_dict() or ()}

    def reason(self, box: Any) -> str:
        """Return the first limit that a mask breaks, whose measures ``box`` has; empty if none."""
        for name, limit in (self.as_dict() or {}).items():
            kind, _, key = name.partition('_')
            value = getattr(box, key)
            if kind == 'min' and value < limit:
                return f'{key} {value} is below {name} {limit}'
            if kind == 'max' and value > limit:
                return f'{key} {value} is above {name} {limit}'
            if kind == 'drop' and value:
                return "the mask touches the image's border"
        return ''


def _checked(name: str, value: Any) -> Any:
    """Return a limit, refused where it is of the wrong kind or range."""
    if value is None:
        return None
    if name == 'drop_at_border':
        fits, allowed = isinstance(value, bool), 'True or False'
    elif name in ('max_components', 'min_area'):
        fits, allowed = type(value) is int and value >= 1, 'a whole number from 1, or None'
    else:
        fits, allowed = type(value) in (int, float) and 0 <= value <= 1, '0 to 1, or None'
        value = float(value) if fits else value  # 1 and 1.0 are one setting
    if not fits:
        raise RefusedError(f'filters.{name}={value!r}; allowed: {allowed}')
    return value
