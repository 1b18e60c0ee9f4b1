"""Sample sheets: crops of every class, images with their masks, and the basic prompts.

They are the paper's Figures 2, 3, 4 and 8 to 10 for any data. Source: Wang et al. 2023,
arXiv:2305.02034.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

import cv2
import numpy as np

from samrs_mm.browse.box_pages import BoxBrowser, BoxSource
from samrs_mm.browse.pages import ImageObject, class_swatches, full_names
from samrs_mm.browse.prompt_panels import (
    BASIC_SETTINGS,
    draw_prompts,
    prompt_name,
    prompts_of_record,
)
from samrs_mm.browse.sample_pages import LabelledSource
from samrs_mm.core.boxes import OK, corners
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.drawing.layout import captioned, grid, key
from samrs_mm.drawing.lettering import line, paste
from samrs_mm.formats.annotated.record import BoxEntry

_CELL, _PROMPT_CELL, _IMAGE, _NAME = 128, 220, 300, 230
Source = BoxSource | LabelledSource
Report = Callable[[SamrsError], None]


def shuffled(names: list[str], seed: int) -> list[str]:
    """Return names in an order that follows from the seed."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in order]


def class_sheet(
    source: Source,
    count: int,
    seed: int,
    classes: Collection[str],
    report: Report,
    progress: Callable[[Iterable], Iterator] = iter,
) -> np.ndarray:
    """Return a row for each class: its name, and pairs of a crop and the crop with the mask.

    Images are looked at in a shuffled order until every class has enough. Objects of different
    images come first.

    Args:
        source: The dataset.
        count: Objects of a class.
        seed: Of the order, and of which object of an image is taken.
        classes: Only these; empty takes all.
        report: Called with what can't be read.
        progress: Wraps the pass over the images.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    wanted = [i for i, name in enumerate(source.classes) if not classes or name in classes]
    found = _gather(source, wanted, count, seed, report, progress)
    names, cells = full_names(source.classes), []
    for label in wanted:
        name = np.full((_CELL, _NAME, 3), 255, np.uint8)
        paste(name, line(names[label], _NAME, 15), 0, _CELL // 2 - 24)
        name[_CELL // 2 : _CELL // 2 + 12, 3:63] = source.colour(label)
        pairs = [_pair(source, item, report) for item in found[label]]
        blank = np.full((_CELL, 2 * _CELL + 2, 3), 255, np.uint8)
        if not pairs:
            pairs = [blank.copy()]
            paste(pairs[0], line('none found', 120, 15), 0, _CELL // 2 - 24)
        cells += [name, *pairs, *[blank] * (count - len(pairs))]
    sheet = grid(cells, count + 1, margin=6)
    title = f'{source.name}: {len(wanted)} classes, image and mask'
    return cv2.vconcat([line(title, sheet.shape[1], 20), sheet])


def _gather(
    source: Source, labels: list[int], count: int, seed: int, report: Report, progress: Callable
) -> dict[int, list[ImageObject]]:
    """Return up to ``count`` objects of each class, from as many images as it takes."""
    rng = np.random.default_rng(seed)
    chosen: dict[int, list[ImageObject]] = defaultdict(list)
    spare: dict[int, list[ImageObject]] = defaultdict(list)
    for name in progress(shuffled(source.names, seed)):
        if all(len(chosen[label]) >= count for label in labels):
            break
        try:
            objects = source.objects(name)
        except SamrsError as error:
            report(error)
            continue
        for label in labels:
            mine = [item for item in objects if item.label == label]
            if mine:
                first, *others = rng.permutation(len(mine))[:count]
                chosen[label].append(mine[first])
                spare[label] = (spare[label] + [mine[index] for index in others])[:count]
    return {label: (chosen[label] + spare[label])[:count] for label in labels}


def _pair(source: Source, item: ImageObject, report: Report) -> np.ndarray:
    """Return a crop and, right of it, the crop with the object's mask, or with its box."""
    pair = np.full((_CELL, 2 * _CELL + 2, 3), 255, np.uint8)
    try:
        plain, part = source.crop(item.image, item.bounds, _CELL), item.mask()
    except SamrsError as error:
        report(error)
        return pair
    panel, colour = plain.copy(), source.colour(item.label)
    if part is not None:
        x, y, mask = part
        panel.picture //= 2
        window, shown = panel.seen(mask, x, y)
        panel.picture[window][shown] = plain.picture[window][shown]
        panel.mask(part, colour)
    else:
        panel.polygon(corners(np.array([item.bounds], float))[0], colour)
    paste(pair, _squared(plain.picture), 0, 0)
    paste(pair, _squared(panel.picture), _CELL + 2, 0)
    return pair


def _squared(picture: np.ndarray, side: int = _CELL) -> np.ndarray:
    """Return a picture enlarged to ``side`` if it is smaller."""
    scale = max(side / max(picture.shape[:2]), 1)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)


def image_sheet(
    source: Source, count: int, seed: int, report: Report, names: Iterable[str] = ()
) -> np.ndarray | None:
    """Return a grid of images, each beside itself with its masks, and a key of all classes.

    Args:
        source: The dataset.
        count: Images; those that can't be read are replaced by others.
        seed: Of which images are taken.
        report: Called with what can't be read.
        names: Take these images instead.

    Returns:
        ``(H, W, 3)`` uint8 RGB, or None if no image could be read.
    """
    cells: list[np.ndarray] = []
    for name in names or shuffled(source.names, seed):
        if len(cells) == count:
            break
        try:
            plain, masked = source.crop(name, None, _IMAGE), source.overview(name, _IMAGE)
        except SamrsError as error:
            report(error)
            continue
        both = grid([plain.picture, masked.picture], 2, margin=1)
        cells.append(captioned(both, name, 12))
    if not cells:
        return None
    sheet = grid(cells, 2 if len(cells) < 9 else 3)
    swatches = class_swatches(range(len(source.classes)), source.classes, source.colour)
    title = line(f'{source.name}: images and masks', sheet.shape[1], 20)
    return cv2.vconcat([title, sheet, key(swatches, sheet.shape[1])])


def prompt_sheet(
    browser: BoxBrowser, count: int, seed: int, classes: Collection[str], report: Report
) -> np.ndarray | None:
    """Return a row for each of some objects: its true mask, and each basic prompt.

    Args:
        browser: The detection dataset.
        count: Objects, each of another image if there are enough.
        seed: Of which objects are taken.
        classes: Only of these; empty takes all.
        report: Called with what can't be read.

    Returns:
        ``(H, W, 3)`` uint8 RGB, or None if there is no box.
    """
    rng = np.random.default_rng(seed)
    rows: list[list[np.ndarray]] = []
    for name in shuffled(browser.names, seed):
        if len(rows) == count:
            break
        try:
            boxes = browser.boxes(name, PromptSetting('rhbox'))
            wanted = [not classes or box.category in classes for box in boxes]
            good = [i for i, box in enumerate(boxes) if box.status == OK and wanted[i]]
            if good:
                rows.append(_prompt_row(browser, name, boxes, int(rng.choice(good))))
        except SamrsError as error:
            report(error)
    if not rows:
        return None
    body = grid([cell for row in rows for cell in row], len(rows[0]))
    return cv2.vconcat([line('the basic prompts', body.shape[1], 20), body])


def _prompt_row(
    browser: BoxBrowser, name: str, boxes: list[BoxEntry], chosen: int
) -> list[np.ndarray]:
    box = boxes[chosen]
    corner, opposite = np.reshape(box.prompt_box, (2, 2))
    around = (opposite - corner) / 4
    plain = browser.crop(name, [*corner - around, *opposite + around], _PROMPT_CELL)
    panels, part = [plain.copy(box.category)], browser.mask(name, box)
    if part is not None:
        panels[0].mask(part, browser.colour(box.label))
    for setting in map(PromptSetting, BASIC_SETTINGS):
        panels.append(plain.copy(prompt_name(setting)))
        prompted = [browser.boxes(name, setting)[chosen]]
        draw_prompts(panels[-1], prompts_of_record(setting, prompted, *browser.size(name)))
    cells = [(_squared(panel.picture, _PROMPT_CELL), panel.caption) for panel in panels]
    return [captioned(picture, caption, 13) for picture, caption in cells]
