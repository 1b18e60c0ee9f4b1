"""Sample sheets: crops of every class, images with their masks, and the basic prompts.

They are the paper's Figures 2, 3, 4 and 8 to 10 for any data. Source: Wang et al. 2023,
arXiv:2305.02034. Sheets take ``count`` objects or images, drawn by ``seed``; of some classes only,
where there are any. What can't be read is passed to ``report`` and left out.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import cv2
import numpy as np

from samrs_mm.browse.box_pages import BoxBrowser, BoxSource
from samrs_mm.browse.pages import ImageObject, Page, class_swatches, full_names
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
from samrs_mm.core.wording import counted
from samrs_mm.drawing.layout import grid
from samrs_mm.drawing.panels import Panel
from samrs_mm.formats.annotated.entries import BoxEntry

_CELL, _PROMPT_CELL, _IMAGE = 128, 220, 300
Source = BoxSource | LabelledSource
Report = Callable[[SamrsError], None]


def shuffled(names: list[str], seed: int) -> list[str]:
    """Return names in an order that follows from the seed."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in order]


def _readable(items: Iterable, read: Callable[[Any], Any], report: Report) -> Iterator:
    """Yield what ``read`` returns of each item; what can't be read is reported and left out."""
    for item in items:
        try:
            yield read(item)
        except SamrsError as error:
            report(error)


def class_sheet(
    source: Source,
    count: int,
    seed: int,
    classes: Collection[str],
    report: Report,
    progress: Callable[[Iterable], Iterator] = iter,
) -> Page:
    """Return a row of objects for each class, each a crop beside the crop with its mask.

    Images are looked at in a shuffled order until every class has enough. Objects of different
    images come first.
    """
    wanted = [i for i, name in enumerate(source.classes) if not classes or name in classes]
    images = _readable(progress(shuffled(source.names, seed)), source.objects, report)
    found = _gather(images, wanted, count, seed)
    title = f'{source.name}: {counted(len(wanted), "class")}, image and mask'
    page, names = Page(title, columns=count), full_names(source.classes)
    blank = np.full((_CELL, 2 * _CELL + 3, 3), 255, np.uint8)
    for label in wanted:
        pairs = list(_readable(found[label], partial(_pair, source), report))
        caption = names[label] if pairs else f'{names[label]}: none found'
        for picture in [*pairs, *[blank] * (count - len(pairs))]:
            page.add(Panel(picture, caption=caption))
    page.swatches = class_swatches(wanted, source.classes, source.colour)
    return page


def _gather(
    images: Iterable[list[ImageObject]], labels: list[int], count: int, seed: int
) -> dict[int, list[ImageObject]]:
    """Return up to ``count`` objects of each class, from as many images as it takes."""
    rng = np.random.default_rng(seed)
    chosen: dict[int, list[ImageObject]] = defaultdict(list)
    spare: dict[int, list[ImageObject]] = defaultdict(list)
    for objects in images:
        for label in labels:
            mine = [item for item in objects if item.label == label]
            if mine:
                first, *others = [mine[index] for index in rng.permutation(len(mine))[:count]]
                chosen[label].append(first)
                spare[label] = (spare[label] + others)[:count]
        if all(len(chosen[label]) >= count for label in labels):
            break
    return {label: (chosen[label] + spare[label])[:count] for label in labels}


def _pair(source: Source, item: ImageObject) -> np.ndarray:
    """Return a crop and, right of it, the crop with the object's mask, or with its box."""
    plain = source.crop(item.image, item.polygon, _CELL)
    drawn = plain.copy()
    item.draw(drawn, source.colour(item.label))
    return grid([_enlarged(plain.picture, _CELL), _enlarged(drawn.picture, _CELL)], 2, margin=1)


def _enlarged(picture: np.ndarray, side: int) -> np.ndarray:
    scale = max(side / max(picture.shape[:2]), 1)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)


def image_sheet(
    source: Source, count: int, seed: int, report: Report, names: Iterable[str] = ()
) -> Page:
    """Return images, named or drawn, each beside itself with its masks, and a key of all classes.

    Images that can't be read are replaced by others.
    """

    def both(name: str) -> Panel:
        panels = source.crop(name, None, _IMAGE), source.overview(name, _IMAGE)
        return Panel(grid([panel.picture for panel in panels], 2, margin=1), caption=name)

    panels = [*islice(_readable(names or shuffled(source.names, seed), both, report), count)]
    swatches = class_swatches(range(len(source.classes)), source.classes, source.colour)
    columns = 2 if len(panels) < 9 else 3
    return Page(f'{source.name}: images and masks', '', panels, swatches, columns=columns)


def prompt_sheet(
    browser: BoxBrowser, count: int, seed: int, classes: Collection[str], report: Report
) -> Page:
    """Return a row for each of some objects of different images: true mask, and basic prompts."""
    rng = np.random.default_rng(seed)

    def row(name: str) -> list[Panel]:
        boxes = browser.wanted(name, PromptSetting('rhbox'), classes)
        good = [box for box in boxes if box.status == OK]
        return _prompt_row(browser, name, good[rng.integers(len(good))]) if good else []

    rows = filter(None, _readable(shuffled(browser.names, seed), row, report))
    panels = [panel for row in islice(rows, count) for panel in row]
    return Page('the basic prompts', '', panels, columns=1 + len(BASIC_SETTINGS))


def _prompt_row(browser: BoxBrowser, name: str, box: BoxEntry) -> list[Panel]:
    plain = browser.crop(name, corners(np.array([box.prompt_box]))[0], _PROMPT_CELL)
    panels, part = [plain.copy(box.category)], browser.mask(name, box)
    if part is not None:
        panels[0].mask(part, browser.colour(box.label))
    for setting in map(PromptSetting, BASIC_SETTINGS):
        panels.append(plain.copy(prompt_name(setting)))
        prompted = [browser.boxes(name, setting)[box.id - 1]]
        prompts = prompts_of_record(setting, prompted, *browser.size(name), browser.style)
        draw_prompts(panels[-1], prompts)
    for panel in panels:
        panel.picture = _enlarged(panel.picture, _PROMPT_CELL)
    return panels
