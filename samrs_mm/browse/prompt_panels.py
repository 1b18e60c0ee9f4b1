"""Prompts, each kind in a style of its own (the paper's Figure 3)."""

from collections.abc import Sequence

import numpy as np

from samrs_mm.core.boxes import bounding_boxes, clip, corners
from samrs_mm.core.grid import GRID
from samrs_mm.core.prompts import CLIPPED, LABEL_MASK, PromptBatch, PromptSetting
from samrs_mm.drawing.colours import LILAC, ORANGE, SKY, YELLOW, Colour
from samrs_mm.drawing.layout import Swatch
from samrs_mm.drawing.panels import Panel
from samrs_mm.formats.annotated.entries import BoxEntry

POINT: Colour = (255, 0, 255)
MASK_OF_LABEL, MASK_COLOUR = 'mask of the label', LILAC
STYLES: dict[str, tuple[str, Colour, bool]] = {
    'hbox': ('H-Box', SKY, False),
    'rhbox': ('RH-Box', ORANGE, True),
    'rbox': ('R-Box', YELLOW, False),
}
"""Name, colour and whether dashed, by the name of the box prompt."""
BASIC_SETTINGS = ('cp', 'hbox', 'rhbox', 'hbox-m', 'rbox-m', 'rhbox-m')


def prompt_name(setting: PromptSetting) -> str:
    """Return a setting in the paper's spelling, such as ``CP + RH-Box``."""
    names = {'cp': 'CP', GRID: 'grid of points', LABEL_MASK: MASK_OF_LABEL}
    for box, (name, _, _) in STYLES.items():
        names |= {box: name, f'{box}-m': f'{name}-M'}
    return ' + '.join(names[part] for part in setting.parts)


def prompt_swatches(setting: PromptSetting) -> list[Swatch]:
    """Return what the strokes of a setting's prompts mean."""
    swatches: list[Swatch] = []
    if setting.mask:
        name, colour, _ = STYLES[setting.mask]
        swatches.append(Swatch(f'{name}-M (mask prompt)', colour, 'hatch'))
    if setting.box:
        name, colour, dashed = STYLES[setting.box]
        swatches.append(Swatch(f'{name} prompt', colour, 'dashed' if dashed else 'line'))
    return [*swatches, Swatch('CP (centre point)', POINT, 'cross')] if setting.point else swatches


def draw_prompts(panel: Panel, prompts: PromptBatch | None) -> None:
    """Draw the prompts of an image: mask prompts hatched, boxes over them, points on top."""
    if prompts is None:
        return
    setting = prompts.setting
    if setting.mask and prompts.regions is not None:
        for region in prompts.regions:
            panel.hatch(region, STYLES[setting.mask][1])
    boxes = prompts.polygons if prompts.boxes is None else corners(prompts.boxes)
    if setting.box and boxes is not None:
        for box in boxes:
            panel.polygon(box, *STYLES[setting.box][1:])
    for point in () if prompts.points is None else prompts.points:
        panel.cross(point, POINT)


def prompts_of_record(
    setting: PromptSetting,
    boxes: Sequence[BoxEntry],
    width: int,
    height: int,
    style: str = CLIPPED,
) -> PromptBatch | None:
    """Return the prompts that boxes of a record, without NaN, were given; None for no boxes.

    The record holds the labelled polygon and, clipped where the style clips, the box that encloses
    what was prompted. Where only the centre of an H-Box was prompted, it is taken from the
    polygon's H-Box.
    """
    if not boxes:
        return None
    polygons = np.array([box.corners for box in boxes])
    bounds = clip(bounding_boxes(polygons), width, height)
    if all(box.prompt_box for box in boxes):
        bounds = np.array([box.prompt_box for box in boxes], float)
    centres = polygons.mean(1)
    if style == CLIPPED:
        centres = centres if setting.oriented else (bounds[:, :2] + bounds[:, 2:]) / 2
        centres = np.clip(centres, 0, [width, height])
    regions = polygons if setting.mask == 'rbox' else corners(bounds)
    return PromptBatch(
        setting,
        boxes=bounds if setting.box in ('hbox', 'rhbox') else None,
        points=centres if setting.point else None,
        regions=regions if setting.mask else None,
        polygons=polygons if setting.box == 'rbox' else None,
        style=style,
    )
