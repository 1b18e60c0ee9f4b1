"""Prompt settings of the paper (Table 1) and the prompts of one image.

Source: Wang et al. 2023, arXiv:2305.02034, sections 2.3 and 2.4.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from samrs_mm.core.boxes import corners
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.masks import fill_polygon

MASK_SCORE = 1000.0
"""Mask prompts are +1000 inside the box and -1000 outside (paper, section 2.3)."""

PAPER_SETTINGS = (
    'cp', 'hbox', 'hbox-m', 'cp+hbox', 'hbox+hbox-m', 'cp+hbox-m', 'cp+hbox+hbox-m',
    'rbox-m', 'cp+rbox-m',
    'rhbox', 'rhbox-m', 'cp+rhbox', 'rhbox+rhbox-m', 'cp+rhbox-m', 'cp+rhbox+rhbox-m',
)  # fmt: skip
SETTINGS = (*PAPER_SETTINGS, 'rbox')


@dataclass(frozen=True)
class PromptSetting:
    """A combination of prompts, by its name in ``SETTINGS``."""

    name: str

    @classmethod
    def parse(cls, name: str) -> 'PromptSetting':
        """Read a setting; parts may stand in any order and case.

        Raises:
            RefusedError: Not one of the sixteen settings.
        """
        wanted = frozenset(str(name).lower().replace(' ', '').split('+'))
        for setting in SETTINGS:
            if frozenset(setting.split('+')) == wanted:
                return cls(setting)
        raise RefusedError(f'unknown prompt {name!r}; allowed: {", ".join(SETTINGS)}')

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


@dataclass(frozen=True)
class PromptBatch:
    """The prompts of N boxes of one image; a setting sees only what its name says.

    Args:
        setting: The setting that made them.
        boxes: H-Box or RH-Box ``(N, 4)`` x0, y0, x1, y1 in pixels, clipped to the image, float64;
            None without a box prompt.
        points: Centre points ``(N, 2)`` x, y, float64; None without a point prompt.
        regions: Corners ``(N, 4, 2)`` of the box whose inside is the mask prompt, float64,
            unclipped; None without a mask prompt.
        polygons: R-Box corners ``(N, 4, 2)`` for the ``rbox`` setting, float64; else None.
    """

    setting: PromptSetting
    boxes: np.ndarray | None = None
    points: np.ndarray | None = None
    regions: np.ndarray | None = None
    polygons: np.ndarray | None = None

    def __len__(self) -> int:
        arrays = (self.boxes, self.points, self.regions, self.polygons)
        return next(len(array) for array in arrays if array is not None)

    @property
    def outlines(self) -> np.ndarray:
        """Corners ``(N, 4, 2)`` of what a segmentor without point prompts looks at.

        The oriented box of ``rbox``, else the mask prompt's region, else the box. A region and a
        box of one setting are the same box; the region is unclipped.
        """
        if self.polygons is not None:
            return self.polygons
        if self.regions is not None:
            return self.regions
        assert self.boxes is not None, 'points alone have no outline'
        return corners(self.boxes)

    def __getitem__(self, part: slice) -> 'PromptBatch':
        """Return a run of the prompts, as numpy slices do."""
        arrays = (self.boxes, self.points, self.regions, self.polygons)
        return PromptBatch(self.setting, *(None if a is None else a[part] for a in arrays))


def mask_prompt(polygon: np.ndarray, height: int, width: int, side: int = 1024) -> np.ndarray:
    """Make SAM's low-resolution mask prompt from a box, the authors' way.

    Corners ``(4, 2)`` are rasterised at image size, resized bilinearly so that the longer side is
    ``side`` (SAM's input size), padded right and bottom with -1000 to a square, and resized
    bilinearly to ``(side / 4, side / 4)`` float32, in [-1000, 1000].
    """
    inside = fill_polygon(polygon, height, width)
    scores = np.where(inside, np.float32(MASK_SCORE), np.float32(-MASK_SCORE))
    scale = side / max(height, width)
    new_height, new_width = int(height * scale + 0.5), int(width * scale + 0.5)
    scores = cv2.resize(scores, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    square = np.full((side, side), -MASK_SCORE, np.float32)
    square[:new_height, :new_width] = scores
    return cv2.resize(square, (side // 4, side // 4), interpolation=cv2.INTER_LINEAR)
