"""Prompts drawn so that each kind is told apart (the paper's Figure 3)."""

import numpy as np

from samrs_mm.core.boxes import bounding_boxes, clip, corners
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.drawing.lettering import Swatch
from samrs_mm.drawing.panels import Panel
from samrs_mm.drawing.strokes import ORANGE, SKY, YELLOW, Colour

POINT: Colour = (255, 0, 255)
STYLES: dict[str, tuple[str, Colour, bool]] = {
    'hbox': ('H-Box', SKY, False),
    'rhbox': ('RH-Box', ORANGE, True),
    'rbox': ('R-Box', YELLOW, False),
}
"""Name, colour and whether dashed, by the name of the box prompt."""
BASIC_SETTINGS = ('cp', 'hbox', 'rhbox', 'hbox-m', 'rbox-m', 'rhbox-m')


def prompt_name(setting: PromptSetting) -> str:
    """Return a setting in the paper's spelling, such as ``CP + RH-Box``."""
    names = {'cp': 'CP'}
    for box, (name, _, _) in STYLES.items():
        names |= {box: name, f'{box}-m': f'{name}-M'}
    return ' + '.join(names[part] for part in setting.parts)


def prompt_swatches(setting: PromptSetting) -> list[Swatch]:
    """Return what the strokes of a setting's prompts mean."""
    swatches = []
    if setting.mask:
        name = f'{STYLES[setting.mask][0]}-M (mask prompt)'
        swatches.append(Swatch(name, STYLES[setting.mask][1], 'hatch'))
    if setting.box:
        name, colour, dashed = STYLES[setting.box]
        swatches.append(Swatch(f'{name} prompt', colour, 'dashed' if dashed else 'line'))
    if setting.point:
        swatches.append(Swatch('CP (centre point)', POINT, 'cross'))
    return swatches


def draw_prompts(panel: Panel, prompts: PromptBatch) -> None:
    """Draw the prompts of an image: mask prompts hatched, boxes over them, points on top."""
    setting = prompts.setting
    if prompts.regions is not None:
        for region in prompts.regions:
            panel.hatch(region, STYLES[setting.mask][1])
    boxes = prompts.polygons if prompts.boxes is None else corners(prompts.boxes)
    if boxes is not None:
        _, colour, dashed = STYLES[setting.box]
        for box in boxes:
            panel.polygon(box, colour, dashed)
    if prompts.points is not None:
        for point in prompts.points:
            panel.cross(point, POINT)


def prompts_of_record(
    setting: PromptSetting, boxes: list[dict], width: int, height: int
) -> PromptBatch | None:
    """Return the prompts that a record's boxes were given; None if there were none.

    The record holds the labelled polygon and, clipped, the box that encloses what was prompted.
    Where only the centre of an H-Box was prompted, it is taken from the polygon's H-Box.

    Args:
        setting: The record's setting.
        boxes: Its boxes that were prompted, without NaN.
        width: Image width in pixels.
        height: Image height in pixels.
    """
    if not boxes:
        return None
    polygons = np.array([box['polygon'] for box in boxes], float)
    hulls = clip(bounding_boxes(polygons), width, height)
    if all(box['prompt_box'] for box in boxes):
        hulls = np.array([box['prompt_box'] for box in boxes], float)
    centres = polygons.mean(1) if setting.oriented else (hulls[:, :2] + hulls[:, 2:]) / 2
    regions = polygons if setting.mask == 'rbox' else corners(hulls)
    return PromptBatch(
        setting,
        boxes=hulls if setting.box in ('hbox', 'rhbox') else None,
        points=np.clip(centres, 0, [width, height]) if setting.point else None,
        regions=regions if setting.mask else None,
        polygons=polygons if setting.box == 'rbox' else None,
    )
