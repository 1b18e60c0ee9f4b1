"""Sample sheets: crops of every class, images with their masks, and the basic prompts.

They are the paper's Figures 2, 3, 4 and 8 to 10 for any data. Source: Wang et al. 2023,
arXiv:2305.02034.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

import cv2
import numpy as np

from samrs_mm.browse.box_pages import BoxBrowser
from samrs_mm.browse.browsing import Instance, Source, class_swatches, full_name
from samrs_mm.browse.pages import captioned, grid, line
from samrs_mm.browse.prompt_panels import BASIC_SETTINGS, draw_prompts, prompt_name
from samrs_mm.core.abbreviations import abbreviations
from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.drawing.lettering import key, paste
from samrs_mm.drawing.panels import Panel

_CELL, _PROMPT_CELL, _IMAGE, _GAP, _NAME = 128, 220, 300, 6, 230
_TELL = Callable[[SamrsError], None]
Progress = Callable[[Iterable], Iterator]


def shuffled(names: list[str], seed: int) -> list[str]:
    """Return names in an order that follows from the seed."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in order]


def class_sheet(
    source: Source,
    count: int,
    seed: int,
    classes: Collection[str],
    tell: _TELL,
    progress: Progress = iter,
) -> np.ndarray:
    """Return a row for each class: its name, and pairs of a crop and the crop with the mask.

    Images are looked at in a shuffled order until every class has enough. Objects of different
    images come first.

    Args:
        source: The dataset.
        count: Objects of a class.
        seed: Of the order, and of which object of an image is taken.
        classes: Only these; empty takes all.
        tell: Told of what can't be read.
        progress: Wraps the pass over the images.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    wanted = [i for i, name in enumerate(source.classes) if not classes or name in classes]
    found = _gather(source, wanted, count, seed, tell, progress)
    shorts, width = abbreviations(source.classes), count * (2 * _CELL + _GAP + 2)
    rows = [line(f'{source.name}: {len(wanted)} classes, image and mask', _NAME + width, 20)]
    for label in wanted:
        row = np.full((_CELL + _GAP, _NAME + width, 3), 255, np.uint8)
        name = line(full_name(source.classes[label], shorts[label]), _NAME - 2 * _GAP, 15)
        paste(row, name, _GAP, _CELL // 2 - 22)
        paste(row, _swatch(source.colour(label)), _GAP + 3, _CELL // 2 + 2)
        if not found[label]:
            paste(row, line('none found', 120, 15), _NAME, _CELL // 2 - 22)
        for place, instance in enumerate(found[label]):
            pair = _pair(source, instance, tell)
            paste(row, pair, _NAME + place * (2 * _CELL + _GAP + 2), _GAP // 2)
        rows.append(row)
    return cv2.vconcat(rows)


def _swatch(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((12, 60, 3), colour, np.uint8)


def _gather(
    source: Source, labels: list[int], count: int, seed: int, tell: _TELL, progress: Progress
) -> dict[int, list[Instance]]:
    """Return up to ``count`` objects of each class, from as many images as it takes."""
    rng = np.random.default_rng(seed)
    chosen, spare = defaultdict(list), defaultdict(list)
    for name in progress(shuffled(source.names, seed)):
        if all(len(chosen[label]) >= count for label in labels):
            break
        try:
            instances = source.instances(name)
        except SamrsError as error:
            tell(error)
            continue
        for label in labels:
            mine = [instance for instance in instances if instance.label == label]
            if mine:
                order = rng.permutation(len(mine))[:count]
                chosen[label].append(mine[order[0]])
                spare[label] += [mine[index] for index in order[1:]]
                spare[label] = spare[label][:count]
    return {label: (chosen[label] + spare[label])[:count] for label in labels}


def _pair(source: Source, instance: Instance, tell: _TELL) -> np.ndarray:
    """Return a crop and, right of it, the crop with the object's mask, or with its box."""
    pair = np.full((_CELL, 2 * _CELL + 2, 3), 255, np.uint8)
    try:
        plain = source.crop(instance.image, instance.bounds, _CELL)
        part = instance.mask()
    except SamrsError as error:
        tell(error)
        return pair
    panel, colour = plain.again(''), source.colour(instance.label)
    if part is not None:
        panel.picture //= 2
        shown = panel.sample(*part)
        panel.picture[shown] = plain.picture[shown]
        panel.mask(part[0], colour, *part[1:])
    else:
        x0, y0, x1, y1 = instance.bounds
        panel.polygon(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), colour)
    paste(pair, _squared(plain.picture), 0, 0)
    paste(pair, _squared(panel.picture), _CELL + 2, 0)
    return pair


def _squared(picture: np.ndarray, side: int = _CELL) -> np.ndarray:
    """Return a picture enlarged to ``side`` if it is smaller."""
    scale = side / max(picture.shape[:2])
    if scale <= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)


def image_sheet(
    source: Source, count: int, seed: int, tell: _TELL, names: Iterable[str] = ()
) -> np.ndarray | None:
    """Return a grid of images, each beside itself with its masks, and a key of all classes.

    Args:
        source: The dataset.
        count: Images; those that can't be read are replaced by others.
        seed: Of which images are taken.
        tell: Told of what can't be read.
        names: Take these images instead.

    Returns:
        ``(H, W, 3)`` uint8 RGB, or None if no image could be read.
    """
    cells = []
    for name in names or shuffled(source.names, seed):
        if len(cells) == count:
            break
        try:
            plain, masked = source.crop(name, None, _IMAGE), source.overview(name, _IMAGE)
        except SamrsError as error:
            tell(error)
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
    browser: BoxBrowser, count: int, seed: int, classes: Collection[str], tell: _TELL
) -> np.ndarray | None:
    """Return a row for each of some objects: its true mask, and each basic prompt.

    Args:
        browser: The detection dataset.
        count: Objects, each of another image if there are enough.
        seed: Of which objects are taken.
        classes: Only of these; empty takes all.
        tell: Told of what can't be read.

    Returns:
        ``(H, W, 3)`` uint8 RGB, or None if there is no box.
    """
    rng, rows = np.random.default_rng(seed), []
    for name in shuffled(browser.names, seed):
        if len(rows) == count:
            break
        try:
            row = _prompt_row(browser, name, classes, rng)
        except SamrsError as error:
            tell(error)
            continue
        rows += [row] if row else []
    if not rows:
        return None
    title = line('the basic prompts', 600, 20)
    body = grid([cell for row in rows for cell in row], len(rows[0]))
    sheet = np.full((title.shape[0] + body.shape[0], body.shape[1], 3), 255, np.uint8)
    paste(sheet, title, 10, 0)
    paste(sheet, body, 0, title.shape[0])
    return sheet


def _prompt_row(
    browser: BoxBrowser, name: str, classes: Collection[str], rng: np.random.Generator
) -> list[np.ndarray]:
    boxes = browser.named_boxes(name)
    settings = [PromptSetting(name) for name in BASIC_SETTINGS]
    labels = [browser.label(box) for box in boxes.labels]
    good = [
        row
        for row, fate in enumerate(boxes.box_statuses(PromptSetting('rhbox')))
        if fate == 'ok' and (not classes or browser.classes[labels[row]] in classes)
    ]
    if not good:
        return []
    row = int(rng.choice(good))
    x0, y0, x1, y1 = boxes.shapes.rhboxes[row]
    wide = (x1 - x0) / 4, (y1 - y0) / 4
    bounds = (x0 - wide[0], y0 - wide[1], x1 + wide[0], y1 + wide[1])
    plain = browser.crop(name, bounds, _PROMPT_CELL)
    cells = [_truth_cell(browser, name, plain, boxes.labels[row], labels[row])]
    for setting in settings:
        panel = plain.again('')
        draw_prompts(panel, boxes.prompts(setting, np.array([row])))
        cells.append(_prompt_cell(panel, prompt_name(setting)))
    return cells


def _truth_cell(
    browser: BoxBrowser, name: str, plain: Panel, box: BoxLabel, label: int
) -> np.ndarray:
    panel, part = plain.again(''), browser.mask(name, box)
    if part is not None:
        panel.mask(part[0], browser.colour(label), *part[1:])
    return _prompt_cell(panel, browser.classes[label])


def _prompt_cell(panel: Panel, caption: str) -> np.ndarray:
    return captioned(_squared(panel.picture, _PROMPT_CELL), caption, 13)
