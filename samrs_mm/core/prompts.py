"""Prompt settings of the paper (Table 1) and the prompts of one image.

Source: Wang et al. 2023, arXiv:2305.02034, sections 2.3 and 2.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.boxes import BoxGeometry, BoxLabel
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import GRID
from samrs_mm.core.masks import draw_polygon, fill_polygon

MASK_SCORE = 1000.0
"""Mask prompts are +1000 inside the box and -1000 outside (paper, section 2.3)."""

NO_DATA = 'no data there'
"""Why a box is not prompted where its image has no pixels."""

PAPER_SETTINGS = (
    'cp', 'hbox', 'hbox-m', 'cp+hbox', 'hbox+hbox-m', 'cp+hbox-m', 'cp+hbox+hbox-m',
    'rbox-m', 'cp+rbox-m',
    'rhbox', 'rhbox-m', 'cp+rhbox', 'rhbox+rhbox-m', 'cp+rhbox-m', 'cp+rhbox+rhbox-m',
)  # fmt: skip
SETTINGS = (*PAPER_SETTINGS, 'rbox')
LABEL_MASK = 'mask'
LABEL_MASK_SETTINGS = (LABEL_MASK, 'cp+mask', 'hbox+mask', 'cp+hbox+mask')
"""Settings whose mask prompt is the mask that the labels have of an object."""

_REGIONS = {
    box_ops.CROWD: 'a region of many objects (iscrowd), not prompted; 255 in the label map',
    box_ops.IGNORED: 'the labels say to ignore it, not prompted; 255 in the label map',
}

CLIPPED, AUTHORS = 'clipped', 'authors'
PROMPT_STYLES = (CLIPPED, AUTHORS)
"""How prompts are made of boxes, where the authors' code has a way of its own.

- ``clipped``: boxes and points are clipped to the image. The centre point of a setting without an
  R-Box or RH-Box is that of the clipped H-Box. Mask prompts are filled by COCO's rule.
- ``authors``: boxes and points are prompted as labelled, also beyond the image (or tile). The
  centre point is the R-Box's in every setting. The corners of mask prompts are cut to whole pixels
  and OpenCV fills them with their outline, which makes an upright box a pixel wider and higher.
"""


def check_style(style: str) -> str:
    """Return ``style``.

    Raises:
        RefusedError: Not one of ``PROMPT_STYLES``.
    """
    if style not in PROMPT_STYLES:
        allowed = ', '.join(PROMPT_STYLES)
        raise RefusedError(f'prompt_style {style!r} is unknown; allowed: {allowed}')
    return style


@dataclass(frozen=True)
class PromptSetting:
    """A combination of prompts, by its name in ``SETTINGS`` or ``LABEL_MASK_SETTINGS``.

    Or ``'grid'``, without boxes.
    """

    name: str

    @classmethod
    def parse(cls, name: str, grid: bool = False, masks: bool = False) -> 'PromptSetting':
        """Read a setting; parts may stand in any order and case.

        Args:
            name: Its name.
            grid: Whether it may be ``'grid'``, masks without boxes (see ``core/grid.py``).
            masks: Whether it may be one of ``LABEL_MASK_SETTINGS``.

        Raises:
            RefusedError: None of those that it may be.
        """
        wanted = frozenset(str(name).lower().replace(' ', '').split('+'))
        if wanted == {GRID}:
            if grid:
                return cls(GRID)
            raise RefusedError(f'prompt {GRID!r} makes masks without boxes; sam_annotate.py does')
        settings = (*SETTINGS, *(LABEL_MASK_SETTINGS if masks else ()))
        for setting in settings:
            if frozenset(setting.split('+')) == wanted:
                return cls(setting)
        if LABEL_MASK in wanted and not masks:
            raise RefusedError(
                f'prompt {name!r} is about masks of labels; sam_annotate.py and the sheets of '
                'browse_dataset.py take it'
            )
        allowed = ', '.join((*settings, *[GRID] * grid))
        raise RefusedError(f'unknown prompt {name!r}; allowed: {allowed}')

    @property
    def of_boxes(self) -> bool:
        """Whether it prompts boxes, as all but ``'grid'``."""
        return self.name != GRID

    @property
    def parts(self) -> tuple[str, ...]:
        """Names joined by ``+``."""
        return tuple(self.name.split('+'))

    @property
    def box(self) -> str | None:
        """The box prompt: ``'hbox'``, ``'rhbox'``, ``'rbox'`` or None."""
        return next((p for p in self.parts if p in ('hbox', 'rhbox', 'rbox')), None)

    @property
    def mask(self) -> str | None:
        """The box whose inside is the mask prompt: ``'hbox'``, ``'rhbox'``, ``'rbox'`` or None."""
        return next((p.removesuffix('-m') for p in self.parts if p.endswith('-m')), None)

    @property
    def of_labels(self) -> bool:
        """Whether the mask prompt is the mask that the labels have."""
        return LABEL_MASK in self.parts

    @property
    def point(self) -> bool:
        """Whether the centre point is prompted."""
        return 'cp' in self.parts

    @property
    def circumscribed(self) -> bool:
        """Whether the setting looks at the RH-Box, the upright box around the R-Box."""
        return 'rhbox' in (self.box, self.mask)

    @property
    def oriented(self) -> bool:
        """Whether the setting looks at the R-Box; then the centre point is the R-Box's."""
        return any(p.startswith('r') for p in self.parts)


_OF_EACH = ('boxes', 'points', 'regions', 'polygons', 'masks')
"""Fields of a ``PromptBatch`` with an entry for each of its prompts."""


@dataclass(frozen=True)
class PromptBatch:
    """The prompts of N boxes of one image; a setting sees only what its name says.

    Args:
        setting: The setting that made them.
        boxes: H-Box or RH-Box ``(N, 4)`` x0, y0, x1, y1 in pixels, float64; None without a box
            prompt.
        points: Centre points ``(N, 2)`` x, y, float64; None without a point prompt.
        regions: Corners ``(N, 4, 2)`` of the box whose inside is the mask prompt, float64,
            unclipped; None without a mask prompt.
        polygons: R-Box corners ``(N, 4, 2)`` for the ``rbox`` setting, float64; else None.
        style: How they were made, one of ``PROMPT_STYLES``; only ``clipped`` boxes and points
            keep to the image.
        size: Width and height of the image in pixels without the padding of a tile; None for all
            of it.
        valid: Which pixels of the image have data, ``(H, W)`` bool; None says all. Masks are cut
            to them, whatever a segmentor does.
        masks: The N masks of the labels that are the mask prompt, each with a pixel, as COCO RLE of
            the image's size, with the padding of a tile; None in a setting without them.
    """

    setting: PromptSetting
    boxes: np.ndarray | None = None
    points: np.ndarray | None = None
    regions: np.ndarray | None = None
    polygons: np.ndarray | None = None
    style: str = CLIPPED
    size: tuple[int, int] | None = None
    valid: np.ndarray | None = None
    masks: Sequence[dict] | None = None

    @property
    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OF_EACH}

    def __len__(self) -> int:
        return next(len(array) for array in self._arrays.values() if array is not None)

    def __getitem__(self, part: slice) -> 'PromptBatch':
        """Return a run of the prompts, as numpy slices do."""
        arrays = self._arrays.items()
        runs: Any = {key: None if array is None else array[part] for key, array in arrays}
        return replace(self, **runs)

    @property
    def outlines(self) -> np.ndarray:
        """Corners ``(N, 4, 2)`` of what a segmentor without point prompts looks at.

        The oriented box of ``rbox``, else the mask prompt's region, else the box, else the upright
        box around the mask of the labels. A region and a box of one setting are the same box; the
        region is unclipped.
        """
        if self.polygons is not None:
            return self.polygons
        if self.regions is not None:
            return self.regions
        if self.boxes is not None:
            return box_ops.corners(self.boxes)
        assert self.masks is not None, 'points alone have no outline'
        around = np.array([mask_ops.bbox(mask) for mask in self.masks], float)
        around[:, 2:] += around[:, :2]
        return box_ops.corners(around)


@dataclass(frozen=True)
class PromptedBoxes:
    """The boxes of an image under one prompt setting.

    Args:
        setting: The setting.
        statuses: ``'ok'``, ``'outside'`` or ``'degenerate'`` for each box; ``'crowd'`` or
            ``'ignored'`` for a region that is no single object; ``'maskless'`` where a mask is
            wanted that its label doesn't have.
        reasons: Why a box is not prompted; empty for ok.
        chosen: Positions of the boxes that are prompted, ascending.
        prompts: One prompt for each of ``chosen``; None if there are none.
    """

    setting: PromptSetting
    statuses: list[str]
    reasons: list[str]
    chosen: list[int]
    prompts: PromptBatch | None


def prompt_boxes(
    setting: PromptSetting,
    labels: Sequence[BoxLabel],
    shapes: BoxGeometry,
    width: int,
    height: int,
    style: str = CLIPPED,
    valid: np.ndarray | None = None,
    masks: Sequence[dict | None] | None = None,
) -> PromptedBoxes:
    """Prompt the boxes of an image, ``width`` by ``height`` pixels, that can be prompted.

    ``labels`` say which of them are no objects: regions are never prompted. ``valid`` says which
    pixels have data, ``(H, W)`` bool with H, W at least that size; None says all. A box without any
    lies outside. ``masks`` are those that the labels have, as COCO RLE of the image, with the
    padding of a tile; settings ``of_labels`` need them.
    """
    enclosing = enclosing_boxes(setting, shapes)
    statuses, reasons = box_ops.box_statuses(enclosing, shapes.polygons, width, height)
    for i, label in enumerate(labels):
        if statuses[i] != box_ops.OK:
            continue
        if label.meaning:
            statuses[i], reasons[i] = label.meaning, _REGIONS[label.meaning]
        elif valid is not None and not _has_data(
            enclosing[i], shapes.polygons[i], valid[:height, :width]
        ):
            statuses[i], reasons[i] = box_ops.OUTSIDE, NO_DATA
        elif setting.of_labels:
            statuses[i], reasons[i] = _of_mask(None if masks is None else masks[i])
    chosen = [i for i, status in enumerate(statuses) if status == box_ops.OK]
    prompts = None
    if chosen:
        made = build_prompts(setting, shapes, np.array(chosen), width, height, style)
        shown = [mask for i in chosen if masks and (mask := masks[i]) is not None]
        prompts = replace(made, valid=valid, masks=shown if setting.of_labels else None)
    return PromptedBoxes(setting, statuses, reasons, chosen, prompts)


def _of_mask(mask: dict | None) -> tuple[str, str]:
    """Return status and reason of a box by the mask that its label has in the image."""
    if mask is None:
        return box_ops.MASKLESS, 'its label has no mask'
    if not mask_ops.area(mask):
        return box_ops.OUTSIDE, 'the mask of its label has no pixel here'
    return box_ops.OK, ''


def _has_data(enclosing: np.ndarray, polygon: np.ndarray, valid: np.ndarray) -> bool:
    """Whether a pixel with data lies in a box, and in what it encloses."""
    height, width = valid.shape
    x0, y0 = np.floor(np.clip(enclosing[:2], 0, [width, height])).astype(int).tolist()
    x1, y1 = np.ceil(np.clip(enclosing[2:], 0, [width, height])).astype(int).tolist()
    part = valid[y0:y1, x0:x1]
    if not part.any() or part.all():
        return bool(part.any())
    inside = fill_polygon(polygon - [x0, y0], *part.shape)
    return bool(part[inside].any()) if inside.any() else True


def enclosing_boxes(setting: PromptSetting, shapes: BoxGeometry) -> np.ndarray:
    """Return the boxes ``(N, 4)``, unclipped, that hold what a setting prompts."""
    source = setting.box or setting.mask or 'hbox'
    if source == 'rbox':
        return box_ops.bounding_boxes(shapes.polygons)
    if source == 'hbox':
        return shapes.hboxes
    assert shapes.rhboxes is not None, 'RH-Boxes were not asked for'
    return shapes.rhboxes


def seen_boxes(
    setting: PromptSetting, shapes: BoxGeometry, width: int, height: int, style: str
) -> np.ndarray:
    """Return the boxes ``(N, 4)`` that hold what a segmentor is shown, in one of the styles."""
    enclosing = enclosing_boxes(setting, shapes)
    return box_ops.clip(enclosing, width, height) if style == CLIPPED else enclosing


def build_prompts(
    setting: PromptSetting, shapes: BoxGeometry, chosen: np.ndarray, width: int, height: int,
    style: str = CLIPPED,
) -> PromptBatch:  # fmt: skip
    """Return the prompts of some boxes of an image; a setting sees only what its name says.

    Args:
        setting: The prompt setting.
        shapes: Geometry of all boxes, in pixels of the image.
        chosen: Indices ``(N,)`` of the boxes to prompt.
        width: Image width in pixels.
        height: Image height in pixels.
        style: One of ``PROMPT_STYLES``.
    """
    shapes = shapes[chosen]
    points = regions = polygons = boxes = None
    if setting.point:
        points = _centres(setting, shapes, width, height, style)
    if setting.mask:
        oriented = setting.mask == 'rbox'
        regions = shapes.polygons if oriented else box_ops.corners(enclosing_boxes(setting, shapes))
    if setting.box == 'rbox':
        polygons = shapes.polygons
    elif setting.box:
        boxes = seen_boxes(setting, shapes, width, height, style)
    return PromptBatch(setting, boxes, points, regions, polygons, style, (width, height))


def _centres(
    setting: PromptSetting, shapes: BoxGeometry, width: int, height: int, style: str
) -> np.ndarray:
    """Return the centre points ``(N, 2)`` of boxes in pixels."""
    if style == AUTHORS:
        return shapes.centres
    points = shapes.centres
    if not setting.oriented:
        hboxes = box_ops.clip(shapes.hboxes, width, height)
        points = (hboxes[:, :2] + hboxes[:, 2:]) / 2
    return np.clip(points, 0, [width, height])


def mask_prompt(
    polygon: np.ndarray, height: int, width: int, side: int = 1024, style: str = CLIPPED,
    stretched: bool = False,
) -> np.ndarray:  # fmt: skip
    """Make SAM's low-resolution mask prompt from a box; see ``low_mask``.

    Corners ``(4, 2)`` are filled at image size as the style says (see ``PROMPT_STYLES``).
    """
    fill = fill_polygon if style == CLIPPED else draw_polygon
    return low_mask(fill(polygon, height, width), side, stretched)


def low_mask(
    inside: np.ndarray, side: int = 1024, stretched: bool = False, score: float = MASK_SCORE
) -> np.ndarray:
    """Make SAM's low-resolution mask prompt from a mask ``(H, W)`` bool.

    It is ``score`` inside and ``-score`` outside, resized bilinearly so that the longer side is
    ``side`` (SAM's input size), padded right and bottom with ``-score`` to a square, and resized
    bilinearly to ``(side / 4, side / 4)`` float32. ``stretched``, as of SAM 2 and SAM 3, resizes
    both sides to ``side`` instead.
    """
    height, width = inside.shape
    scores = np.where(inside, np.float32(score), np.float32(-score))
    scale = side / max(height, width)
    new_height, new_width = int(height * scale + 0.5), int(width * scale + 0.5)
    if stretched:
        new_height = new_width = side
    scores = cv2.resize(scores, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    square = np.full((side, side), -score, np.float32)
    square[:new_height, :new_width] = scores
    return cv2.resize(square, (side // 4, side // 4), interpolation=cv2.INTER_LINEAR)
