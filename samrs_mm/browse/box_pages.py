"""Pages of images with boxes, and the detection dataset of an annotate config as such."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import Config

from samrs_mm.annotate.masked_boxes import box_prompter
from samrs_mm.annotate.plan import Plan
from samrs_mm.annotate.writer import Sample
from samrs_mm.browse.pages import ImageObject, Page, class_swatches, window_around
from samrs_mm.browse.prompt_panels import (
    MASK_COLOUR,
    MASK_OF_LABEL,
    draw_prompts,
    prompt_name,
    prompt_swatches,
    prompts_of_record,
)
from samrs_mm.core import masks, regions, segmentations
from samrs_mm.core.boxes import OK, geometry
from samrs_mm.core.classes import abbreviations
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.images import SceneImage, image_size
from samrs_mm.core.prompts import CLIPPED, PromptSetting, check_style
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import build_dataset
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry, no_mmrotate
from samrs_mm.datasets.boxes.true_masks import refuse_without_masks
from samrs_mm.drawing.colours import STATUS_COLOURS, class_colour
from samrs_mm.drawing.layout import Swatch
from samrs_mm.drawing.overlays import draw_boxes
from samrs_mm.drawing.panels import MaskPart, Panel, open_panel
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, HELD, KEPT, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.registry import BOX_DATASETS

PROMPTED = (OK, KEPT, EMPTY, FILTERED)


class BoxSource(ABC):
    """Images with boxes, and the pages that show them; it is its own only source.

    Subclasses have a ``draw_KIND(page, plain, boxes, classes)`` for each of ``kinds``, which adds
    panels with boxes drawn over ``plain``. Prompts are drawn of all ``settings``, in a style of
    ``prompts.PROMPT_STYLES``, and pictures have a longer side of ``side`` pixels.
    """

    style: str
    kinds: tuple[str, ...]
    names: list[str]
    colour = staticmethod(class_colour)
    """The colour of a class: bright, as the palette's vanish on photos."""

    def __init__(
        self, name: str, classes: Sequence[str], settings: Sequence[PromptSetting], side: int
    ):
        self.name, self.classes, self.settings, self.side = name, tuple(classes), settings, side
        self.sources = [self]

    @abstractmethod
    def boxes(self, name: str, setting: PromptSetting) -> list[BoxEntry]:
        """Return the boxes of an image as a record has them; the image itself is not read."""

    @abstractmethod
    def crop(self, name: str, polygon: np.ndarray | None, side: int) -> Panel:
        """Return an image, or what of it lies around a polygon, with nothing drawn on it."""

    @abstractmethod
    def mask(self, name: str, box: BoxEntry) -> MaskPart | None:
        """Return the mask of a box, or None."""

    def label_mask(self, name: str, box: BoxEntry) -> MaskPart | None:
        """Return the mask that the label of a box has, or None where it is not known."""
        return None

    @abstractmethod
    def note(self, boxes: list[BoxEntry]) -> str:
        """Return a line on the boxes of an image."""

    def objects(self, name: str) -> list[ImageObject]:
        """Return the boxes that were kept, or can be prompted."""
        return [
            ImageObject(name, box.label, box.corners, partial(self.mask, name, box))
            for box in self.boxes(name, PromptSetting('hbox'))
            if box.status in (OK, *HELD)
        ]

    def overview(self, name: str, side: int) -> Panel:
        """Return an image with its masks, or its boxes where it has none."""
        panel, objects = self.crop(name, None, side), self.objects(name)
        panel.fine = panel.crowded([item.polygon for item in objects])
        for item in objects:
            item.draw(panel, self.colour(item.label))
        return panel

    def wanted(self, name: str, setting: PromptSetting, classes: Collection[str]) -> list[BoxEntry]:
        """Return the boxes of an image that are of some classes; of all if there are none."""
        boxes = self.boxes(name, setting)
        return [box for box in boxes if not classes or box.category in classes]

    def page(self, name: str, what: Collection[str], classes: Collection[str]) -> Page | None:
        """Return an image's page of some ``kinds``; None if it has no box of wanted classes."""
        boxes = self.wanted(name, self.settings[0], classes)
        if classes and not boxes:
            return None
        plain, page = self.crop(name, None, self.side), Page(name, self.note(boxes))
        plain.fine = plain.crowded([box.corners for box in boxes])
        for kind in self.kinds:
            if kind in what:
                getattr(self, f'draw_{kind}')(page, plain, boxes, classes)
        return page

    def draw_boxes(self, page: Page, plain: Panel, boxes: list[BoxEntry], _: object) -> None:
        """Draw the boxes by status or class."""
        panel, statuses = plain.copy('boxes'), {box.status for box in boxes}
        draw_boxes(panel, boxes, abbreviations(self.classes))
        by_class = [box.label for box in boxes if box.status not in STATUS_COLOURS]
        by_status = [
            Swatch(status, colour, 'line' if status in HELD else 'dashed')
            for status, colour in STATUS_COLOURS.items()
            if status in statuses
        ]
        page.add(panel, [*class_swatches(by_class, self.classes), *by_status])

    def draw_prompts(
        self, page: Page, plain: Panel, _: list[BoxEntry], classes: Collection[str]
    ) -> None:
        """Draw the prompts of each setting."""
        width, height = (round(side / plain.scale) for side in plain.picture.shape[1::-1])
        for setting in self.settings:
            panel = plain.copy(f'prompts: {prompt_name(setting)}')
            boxes = self.wanted(page.name, setting, classes)
            boxes = [box for box in boxes if box.status in PROMPTED]
            swatches = prompt_swatches(setting)
            shown = [self.label_mask(page.name, box) for box in boxes if setting.of_labels]
            for part in filter(None, shown):
                panel.mask(part, MASK_COLOUR)
            if any(shown):
                swatches.append(Swatch(f'{MASK_OF_LABEL} (mask prompt)', MASK_COLOUR))
            draw_prompts(panel, prompts_of_record(setting, boxes, width, height, self.style))
            page.add(panel, swatches)


class BoxBrowser(BoxSource):
    """The detection dataset of an annotate config, cut as the config says; needs no segmentor.

    Args:
        config: An annotate config (see ``cli.load_config``).
        prompts: Settings to draw; empty takes the config's.
        split: Take only this split of the detection dataset.
        side: Longer side of a picture in pixels.
        progress: Wraps the passes over labels and headers.

    Raises:
        RefusedError: As in ``AnnotationJob``, or no image of that split.
    """

    def __init__(
        self,
        config: Config,
        prompts: Sequence[str] = (),
        split: str | None = None,
        side: int = 800,
        progress: Callable[[Iterable], Iterator] = iter,
    ):
        names = prompts or [config.prompt]
        settings = [PromptSetting.parse(name, masks=True) for name in names]
        for setting in settings:
            if reason := no_mmrotate(setting):
                raise RefusedError(f'prompt {setting.name!r}: {reason}')
        self.style = check_style(config.get('prompt_style', CLIPPED))
        options = getattr(BOX_DATASETS.get(config.dataset['type']), 'truth_options', None)
        self.dataset = build_dataset(config, options)
        self.has_truth = self.dataset.truth_options is not None
        if any(setting.of_labels for setting in settings):
            refuse_without_masks(self.dataset, 'masks to prompt with')
        self.kinds = ('boxes', 'prompts', 'truth') if self.has_truth else ('boxes', 'prompts')
        self.dataset.collect_classes(progress)
        self.plan = Plan(self.dataset, TileSpec.from_config(config.tile), progress)
        super().__init__(self.dataset.root.resolve().name, self.dataset.classes, settings, side)
        scenes = self.dataset.scenes
        self._tiles = {
            tile.stem: tile
            for tile in self.plan.tiles
            if split is None or scenes[tile.scene].split == split
        }
        if not self._tiles:
            known = sorted({str(scene.split) for scene in scenes})
            raise RefusedError(f'--split {split}: no image; splits here: {", ".join(known)}')
        self.names = list(self._tiles)

    def _path(self, name: str) -> Path:
        return self.dataset.image_path(self._tiles[name].scene)

    def _inside(self, name: str) -> Window:
        """Return the window of the scene that an image shows, without padding."""
        width, height = image_size(self._path(name))
        tile = self._tiles[name].window or Window(0, 0, width, height)
        inside = min(tile.width, width - tile.x), min(tile.height, height - tile.y)
        return Window(tile.x, tile.y, *inside)

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of an image in pixels, without padding."""
        window = self._inside(name)
        return window.width, window.height

    def boxes(self, name: str, setting: PromptSetting) -> list[BoxEntry]:
        """Return the boxes of an image, with what a setting prompts.

        Raises:
            ImageReadError: The image's header can't be read.
            LabelReadError: The label file can't be read, or is for another image.
        """
        tile, window = self._tiles[name], self._inside(name)
        parsed = self.dataset.labels(tile.scene)
        if parsed.misfit:
            raise LabelReadError(f'{name}: {parsed.misfit}')
        labels = parsed.boxes
        if any(label.region for label in labels):
            labels = regions.fitted(labels, *image_size(self._path(name)))
        shapes = (circumscribed_geometry if setting.circumscribed else geometry)(labels)
        rows = self.plan.assign([tile], labels, shapes.polygons)[0]
        labels, shapes = [labels[row] for row in rows], shapes[rows]
        record = Record.of_image(
            path='', scene=tile.stem, split=None, offset=[window.x, window.y], width=window.width,
            height=window.height, sha256=None, notes=[],
        )  # fmt: skip
        shapes, size = shapes.shifted(-window.x, -window.y), (window.width, window.height)
        prompter = box_prompter(setting, self.dataset, self.style)
        prompter.prompt(Sample(tile, record, None), labels, shapes, size)
        return record.boxes

    def crop(self, name: str, polygon: np.ndarray | None, side: int) -> Panel:
        """Return an image, or what of it lies around a polygon."""
        tile = self._inside(name)
        part = window_around(polygon, tile.width, tile.height)
        window = Window(tile.x + part.x, tile.y + part.y, part.width, part.height)
        rule = self.dataset.image_rule
        panel = open_panel(SceneImage(self._path(name), stream=True, rule=rule), side, window)
        panel.origin = part.x, part.y  # points are those of the tile, not of the scene
        return panel

    def mask(self, name: str, box: BoxEntry) -> MaskPart | None:
        """Return the part of a box's true mask that lies in an image, or None."""
        if not self.has_truth:
            return None
        width, height = image_size(self._path(name))
        truth = self.dataset.ground_truth_of(self._tiles[name].scene).get(box.box_id)
        coded = segmentations.from_coco(truth, height, width)
        if coded is None:
            return None
        (x, y, mask), tile = masks.crop(coded), self._inside(name)
        x0, y0 = max(x, tile.x), max(y, tile.y)
        mask = mask[y0 - y : tile.y + tile.height - y, x0 - x : tile.x + tile.width - x]
        return (x0 - tile.x, y0 - tile.y, mask) if mask.size else None

    def label_mask(self, name: str, box: BoxEntry) -> MaskPart | None:
        """See ``BoxSource``."""
        return self.mask(name, box)

    def note(self, boxes: list[BoxEntry]) -> str:
        """Return the number of boxes, and of those that can't be prompted."""
        counts = Counter(box.status for box in boxes if box.status != OK)
        lost = [f', {count} {status}' for status, count in sorted(counts.items())]
        return f'{counted(len(boxes), "box")}{"".join(lost)}' if boxes else 'no boxes'

    def draw_truth(self, page: Page, plain: Panel, boxes: list[BoxEntry], _: object) -> None:
        """Draw the true masks."""
        found = [(box.label, self.mask(page.name, box)) for box in boxes]
        known = [(label, part) for label, part in found if part is not None]
        panel = plain.copy(f'true masks: {len(known)} of {len(boxes)} boxes have one')
        for label, part in known:
            panel.mask(part, class_colour(label))
        page.add(panel)
