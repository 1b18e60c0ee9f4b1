"""Pages of a detection dataset as an annotate config reads it: boxes, prompts, true masks."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from mmengine.config import Config

from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.annotate.samples import build_prompts, enclosing_boxes
from samrs_mm.browse.browsing import Instance, MaskPart, class_swatches
from samrs_mm.browse.crops import window_around
from samrs_mm.browse.pages import Page
from samrs_mm.browse.prompt_panels import draw_prompts, prompt_name, prompt_swatches
from samrs_mm.core import boxes as box_ops
from samrs_mm.core import masks, tiling
from samrs_mm.core.abbreviations import abbreviations
from samrs_mm.core.boxes import BoxGeometry, BoxLabel, geometry
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage, image_size
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.drawing.lettering import Swatch
from samrs_mm.drawing.overlays import class_colour
from samrs_mm.drawing.panels import Panel, open_panel
from samrs_mm.drawing.strokes import STATUS_COLOURS, Colour
from samrs_mm.registry import BOX_DATASETS, build

Progress = Callable[[Iterable], Iterator]


@dataclass
class UnitBoxes:
    """The boxes of one unit, in pixels of the unit.

    Args:
        labels: N boxes as labelled.
        shapes: Their geometry.
        width: Width of the unit in pixels, without padding.
        height: Its height.
    """

    labels: list[BoxLabel]
    shapes: BoxGeometry
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.labels)

    def box_statuses(self, setting: PromptSetting) -> list[str]:
        """Return what becomes of each box before it is prompted: ok, outside or degenerate."""
        enclosing = enclosing_boxes(setting, self.shapes)
        return box_ops.box_statuses(enclosing, self.shapes.polygons, self.width, self.height)[0]

    def prompts(self, setting: PromptSetting, rows: np.ndarray | None = None) -> PromptBatch | None:
        """Return the prompts of the boxes, or of some rows, that can be prompted."""
        rows = np.arange(len(self)) if rows is None else rows
        statuses = self.box_statuses(setting)
        chosen = np.array([row for row in rows if statuses[row] == box_ops.OK], int)
        if not len(chosen):
            return None
        return build_prompts(setting, self.shapes, chosen, self.width, self.height)


class BoxBrowser:
    """The detection dataset of an annotate config, cut as the config says; needs no segmentor.

    Args:
        config: An annotate config (see ``engine.config.load_config``).
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
        progress: Progress = iter,
    ):
        self.settings = [PromptSetting.parse(name) for name in prompts or [config.prompt]]
        entry = dict(config.dataset, data_root=config.data_root)
        kind = BOX_DATASETS.get(entry['type'])
        options = getattr(kind, 'truth_options', None)
        self.dataset: BoxDataset = build(BOX_DATASETS, entry | dict(options or {}), 'dataset')
        self.has_truth = options is not None
        self.kinds = ('boxes', 'prompts', 'truth') if self.has_truth else ('boxes', 'prompts')
        self.dataset.collect_classes(progress)
        self.plan = Plan(self.dataset, TileSpec.from_config(config.tile), progress)
        self.side, self.name = side, self.dataset.root.resolve().name
        self.classes = self.dataset.classes
        self.shorts = abbreviations(self.classes)
        scenes = self.dataset.scenes
        self._units = {
            unit.stem: unit
            for unit in self.plan.units
            if split is None or scenes[unit.scene].split == split
        }
        if not self._units:
            known = sorted({str(scene.split) for scene in scenes})
            raise RefusedError(f'--split {split}: no image; splits here: {", ".join(known)}')
        self.names = list(self._units)
        self.sources = [self]

    def colour(self, label: int) -> Colour:
        """Return the bright colour of a class."""
        return class_colour(label)

    def label(self, box: BoxLabel) -> int:
        """Return the class index of a box."""
        return self.dataset.table.index(box.category)

    def unit_boxes(self, unit: Unit) -> UnitBoxes:
        """Return the boxes that fall to a unit.

        Raises:
            ImageReadError: The image's header can't be read.
            LabelReadError: The label file can't be read.
        """
        width, height = image_size(self.dataset.root / self.dataset.scenes[unit.scene].image)
        labels = self.dataset.labels(unit.scene).boxes
        shapes = geometry(labels)
        window = unit.window or Window(0, 0, width, height)
        if unit.window:
            rows = tiling.assign(shapes.polygons, [window], self.plan.tile.iof)[0]
            labels, shapes = [labels[row] for row in rows], shapes[rows]
        size = min(window.width, width - window.x), min(window.height, height - window.y)
        return UnitBoxes(labels, shapes.shifted(-window.x, -window.y), *size)

    def named_boxes(self, name: str) -> UnitBoxes:
        """Return the boxes of an image, with their RH-Boxes."""
        return self.unit_boxes(self._units[name])

    def truth(
        self, unit: Unit, boxes: Iterable[BoxLabel]
    ) -> Iterator[tuple[BoxLabel, MaskPart | None]]:
        """Yield boxes with the part of their true mask that lies in a unit, or None."""
        width, height = image_size(self.dataset.root / self.dataset.scenes[unit.scene].image)
        tile = unit.window or Window(0, 0, width, height)
        segmentations = self.dataset.ground_truth_of(unit.scene) if self.has_truth else {}
        for box in boxes:
            coded = masks.from_coco(segmentations.get(box.box_id), height, width)
            yield box, None if coded is None else _inside(coded, tile)

    def unit_window(self, unit: Unit, bounds: Sequence[float] | None = None) -> Window:
        """Return a window of the scene: a unit without its padding, or a part of it."""
        width, height = image_size(self.dataset.root / self.dataset.scenes[unit.scene].image)
        tile = unit.window or Window(0, 0, width, height)
        inside = min(tile.width, width - tile.x), min(tile.height, height - tile.y)
        part = window_around(bounds, *inside)
        return Window(tile.x + part.x, tile.y + part.y, part.width, part.height)

    def crop(self, name: str, bounds: Sequence[float] | None, side: int) -> Panel:
        """Return an image, or what of it lies in ``bounds``."""
        unit = self._units[name]
        path = self.dataset.root / self.dataset.scenes[unit.scene].image
        window = self.unit_window(unit, bounds)
        panel = open_panel(SceneImage(path, stream=True), side, window)
        if unit.window:  # points are those of the tile, not of the scene
            panel.origin = window.x - unit.window.x, window.y - unit.window.y
        return panel

    def instances(self, name: str) -> list[Instance]:
        """Return the boxes that aren't degenerate or outside, with true masks where there are."""
        unit = self._units[name]
        found = self.unit_boxes(unit)
        statuses = found.box_statuses(PromptSetting('hbox'))
        return [
            Instance(name, self.label(box), tuple(bounds), partial(self.mask, name, box))
            for box, bounds, status in zip(found.labels, found.shapes.hboxes, statuses, strict=True)
            if status == box_ops.OK
        ]

    def mask(self, name: str, box: BoxLabel) -> MaskPart | None:
        """Return the part of a box's true mask that lies in an image, or None."""
        return next(self.truth(self._units[name], [box]))[1]

    def overview(self, name: str, side: int) -> Panel:
        """Return an image with its true masks, or its boxes where it has none."""
        panel, unit = self.crop(name, None, side), self._units[name]
        boxes = self.unit_boxes(unit)
        panel.fine = panel.crowded(boxes.shapes.polygons)
        found = self.truth(unit, boxes.labels)
        for (box, part), polygon in zip(found, boxes.shapes.polygons, strict=True):
            colour = class_colour(self.label(box))
            if part is None:
                panel.polygon(polygon, colour)
            else:
                panel.mask(part[0], colour, *part[1:])
        return panel

    def page(self, name: str, what: Collection[str], classes: Collection[str]) -> Page | None:
        """Return the page of an image; None if it has no box of the wanted classes."""
        unit = self._units[name]
        boxes = self.unit_boxes(unit)
        names = [self.classes[self.label(box)] for box in boxes.labels]
        rows = np.array([i for i, each in enumerate(names) if not classes or each in classes], int)
        if classes and not len(rows):
            return None
        plain = self.crop(name, None, self.side)
        plain.fine = plain.crowded(boxes.shapes.polygons[rows])
        statuses = boxes.box_statuses(self.settings[0])
        counts = Counter(statuses[row] for row in rows)
        lost = ''.join(
            f', {counts[status]} {status}' for status in sorted(counts) if status != box_ops.OK
        )
        page = Page(name, [], note=f'{len(rows)} boxes{lost}' if len(rows) else 'no boxes')
        if 'boxes' in what:
            self._draw_boxes(page, plain, boxes, rows)
        for setting in self.settings if 'prompts' in what else ():
            panel = plain.again(f'prompts: {prompt_name(setting)}')
            prompts = boxes.prompts(setting, rows)
            if prompts is not None:
                draw_prompts(panel, prompts)
            page.panels.append(panel)
            _add(page, prompt_swatches(setting))
        if 'truth' in what:
            self._draw_truth(page, plain, unit, [boxes.labels[row] for row in rows])
        return page

    def _draw_boxes(self, page: Page, plain: Panel, boxes: UnitBoxes, rows: np.ndarray) -> None:
        panel, statuses = plain.again('boxes as labelled'), boxes.box_statuses(self.settings[0])
        polygons, tags = boxes.shapes.polygons, []
        for row in rows:
            label = self.label(boxes.labels[row])
            lost = statuses[row] != box_ops.OK
            colour = STATUS_COLOURS[statuses[row]] if lost else class_colour(label)
            text = f'{self.shorts[label]}: {statuses[row]}' if lost else self.shorts[label]
            panel.polygon(polygons[row], colour, dashed=lost)
            if statuses[row] == box_ops.DEGENERATE:
                panel.cross(polygons[row].mean(0), colour)
            tags.append((polygons[row], text, colour))
        panel.tags(tags)
        page.panels.append(panel)
        _add(page, class_swatches((self.label(boxes.labels[row]) for row in rows), self.classes))
        lost = sorted({statuses[row] for row in rows} - {box_ops.OK})
        _add(
            page, [Swatch(f'box is {status}', STATUS_COLOURS[status], 'dashed') for status in lost]
        )

    def _draw_truth(self, page: Page, plain: Panel, unit: Unit, boxes: list[BoxLabel]) -> None:
        panel, count = plain.again(''), 0
        for box, part in self.truth(unit, boxes):
            if part is not None:
                panel.mask(part[0], class_colour(self.label(box)), *part[1:])
                count += 1
        panel.caption = f'true masks: {count} of {len(boxes)} boxes have one'
        page.panels.append(panel)


def _inside(coded: dict, tile: Window) -> MaskPart | None:
    """Return what of a scene's RLE mask lies in a tile, in pixels of the tile."""
    x, y, width, height = masks.bbox(coded)
    x0, x1 = np.clip([x, x + width], tile.x, tile.x + tile.width).tolist()
    y0, y1 = np.clip([y, y + height], tile.y, tile.y + tile.height).tolist()
    if x0 == x1 or y0 == y1:
        return None
    return masks.decode(coded)[y0:y1, x0:x1], x0 - tile.x, y0 - tile.y


def _add(page: Page, swatches: list[Swatch]) -> None:
    page.swatches += [swatch for swatch in swatches if swatch not in page.swatches]
