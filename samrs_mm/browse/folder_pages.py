"""Pages of an annotated folder: boxes by status, prompts, masks by instance and by class."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from samrs_mm.browse.browsing import Instance, MaskPart, class_swatches
from samrs_mm.browse.crops import window_around
from samrs_mm.browse.pages import Page
from samrs_mm.browse.prompt_panels import draw_prompts, prompt_name, prompt_swatches
from samrs_mm.browse.prompt_panels import prompts_of_record as recorded_prompts
from samrs_mm.core import masks
from samrs_mm.core.abbreviations import abbreviations
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.datasets.transforms.pixels import read_label
from samrs_mm.drawing.lettering import Swatch
from samrs_mm.drawing.overlays import class_colour
from samrs_mm.drawing.panels import Panel, open_panel
from samrs_mm.drawing.strokes import STATUS_COLOURS, Colour
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.annotated.folder import AnnotatedFolder


class FolderBrowser:
    """A folder that ``sam_annotate.py`` wrote.

    Args:
        root: The folder.
        split: Take only images of ``SPLIT.txt`` in it, else of that split of the detection dataset.
        side: Longer side of a picture in pixels.

    Raises:
        RefusedError: Not such a folder, or no image of that split.
    """

    kinds = ('boxes', 'prompts', 'masks')

    def __init__(self, root: Path, split: str | None = None, side: int = 800):
        self.meta = read_meta(root)
        if self.meta is None:
            raise RefusedError(
                f'{root}: no meta.json, so not a folder that sam_annotate.py wrote; to look at '
                'other segmentation datasets give a training config'
            )
        self.out, self.side = AnnotatedFolder(root), side
        self.name = root.resolve().name
        self.classes = tuple(self.meta['classes'])
        self.shorts = abbreviations(self.classes)
        self.setting = PromptSetting.parse(self.meta['settings']['prompt'])
        self.tiled = self.meta['settings'].get('tile') is not None
        self.data_root = Path(os.path.normpath(root / self.meta['data_root']))
        self.names = self._of_split(sorted(self.out.done() | self.out.failed()), split)
        if not self.names:
            raise RefusedError(f'{root}: no image' + (f' of --split {split}' if split else ''))
        self.sources = [self]

    def _of_split(self, stems: list[str], split: str | None) -> list[str]:
        if split is None:
            return stems
        listed = self.out.root / f'{split}.txt'
        if listed.is_file():
            wanted = set(listed.read_text(encoding='utf-8').split('\n'))
        else:
            entries = read_annotated(self.out.root, self.meta)
            wanted = {entry.stem for entry in entries if entry.split == split}
        return [stem for stem in stems if stem in wanted]

    def _record(self, stem: str) -> dict:
        path = self.out.path(folder.INSTANCES, stem)
        if not path.exists():
            failed = records.load(self.out.path(folder.FAILED, stem))
            raise records.RecordError(f'{stem}: was not annotated: {failed.get("error")}')
        return records.load_masks(path)

    def _image(self, record: dict, stem: str) -> SceneImage:
        tile, whole = self.out.path(folder.IMAGES, stem), self.data_root / record['image']['path']
        return SceneImage(tile if self.tiled else whole, stream=True)

    def colour(self, label: int) -> Colour:
        """Return the bright colour of a class; the palette's vanish on photos."""
        return class_colour(label)

    def instances(self, name: str) -> list[Instance]:
        """Return the objects with a mask that was kept."""
        found = []
        for box in self._record(name)['boxes']:
            if box['status'] == records.KEPT:
                x, y, width, height = box['bbox']
                bounds = (x, y, x + width, y + height)
                mask = partial(decoded, box)
                found.append(Instance(name, box['category_id'] - 1, bounds, mask))
        return found

    def crop(self, name: str, bounds: Sequence[float] | None, side: int) -> Panel:
        """Return an image, or what of it lies in ``bounds``."""
        image = self._image(self._record(name), name)
        return open_panel(image, side, window_around(bounds, image.width, image.height))

    def overview(self, name: str, side: int) -> Panel:
        """Return an image with its label map."""
        panel = self.crop(name, None, side)
        labels = read_label(self.out.path(folder.SEMANTIC, name))
        panel.labels(labels, [class_colour(label) for label in range(len(self.classes))])
        return panel

    def page(self, name: str, what: Collection[str], classes: Collection[str]) -> Page | None:
        """Return the page of an image; None if it has no box of the wanted classes."""
        record = self._record(name)
        boxes = [box for box in record['boxes'] if not classes or box['category'] in classes]
        if classes and not boxes:
            return None
        plain = open_panel(self._image(record, name), self.side)
        plain.fine = plain.crowded([box['polygon'] for box in boxes])
        page = Page(name, [], note=self._note(boxes))
        for kind, draw in (('boxes', self._boxes), ('prompts', self._prompts),
                           ('masks', self._masks), ('masks', self._classes)):  # fmt: skip
            if kind in what:
                panel, swatches = draw(plain, name, boxes, classes)
                page.panels.append(panel)
                page.swatches += [swatch for swatch in swatches if swatch not in page.swatches]
        page.cover = len(page.panels) - 1
        return page

    def _note(self, boxes: list[dict]) -> str:
        if not boxes:
            return 'no boxes: nothing is labelled (255 everywhere)'
        counts = Counter(box['status'] for box in boxes)
        texts = [f'{counts[status]} {status}' for status in STATUS_COLOURS if counts[status]]
        return f'{len(boxes)} boxes: {", ".join(texts)}'

    def _boxes(self, plain: Panel, name: str, boxes: list[dict], _: object) -> tuple:
        panel = plain.again('boxes by status')
        lost = [box for box in boxes if box['status'] != records.KEPT]
        kept = [box for box in boxes if box['status'] == records.KEPT]
        for box in [*kept, *lost]:
            colour, dashed = STATUS_COLOURS[box['status']], box['status'] != records.KEPT
            panel.polygon(box['polygon'], colour, dashed)
            if box['status'] == records.DEGENERATE:
                panel.cross(np.array(box['polygon'], float).mean(0), colour)
        tags = [(box, f'{self._short(box)}: {box["status"]}') for box in lost]
        tags += [(box, self._short(box)) for box in kept]
        panel.tags([(box['polygon'], tag, STATUS_COLOURS[box['status']]) for box, tag in tags])
        seen = {box['status'] for box in boxes}
        return panel, [
            Swatch(status, colour, 'line' if status == records.KEPT else 'dashed')
            for status, colour in STATUS_COLOURS.items()
            if status in seen
        ]

    def _short(self, box: dict) -> str:
        return self.shorts[box['category_id'] - 1]

    def _prompts(self, plain: Panel, name: str, boxes: list[dict], _: object) -> tuple:
        panel = plain.again(f'prompts: {prompt_name(self.setting)}')
        prompted = (records.KEPT, records.EMPTY, records.FILTERED)
        size = (
            round(plain.picture.shape[1] / plain.scale),
            round(plain.picture.shape[0] / plain.scale),
        )
        prompts = recorded_prompts(
            self.setting, [box for box in boxes if box['status'] in prompted], *size
        )
        if prompts is None:
            return panel, []
        draw_prompts(panel, prompts)
        return panel, prompt_swatches(self.setting)

    def _masks(self, plain: Panel, name: str, boxes: list[dict], _: object) -> tuple:
        panel = plain.again('masks by instance, before overlap')
        for number, box in enumerate(boxes):
            if not box['segmentation']:
                continue
            mask, x, y = decoded(box)
            if box['status'] == records.FILTERED:
                panel.mask(mask, STATUS_COLOURS[records.FILTERED], x, y)
                panel.polygon(box['polygon'], STATUS_COLOURS[records.FILTERED], True)
            else:
                panel.mask(mask, class_colour(number), x, y)
        for box in boxes:
            if box['status'] == records.EMPTY:
                panel.polygon(box['polygon'], STATUS_COLOURS[records.EMPTY], True)
        return panel, []

    def _classes(
        self, plain: Panel, name: str, boxes: list[dict], wanted: Collection[str]
    ) -> tuple:
        panel = plain.again('label map by class')
        labels = read_label(self.out.path(folder.SEMANTIC, name))
        present = np.unique(labels[labels < len(self.classes)]).tolist()
        shown = [label for label in present if not wanted or self.classes[label] in wanted]
        hidden = np.isin(labels, [label for label in present if label not in shown])
        labels[hidden] = 255
        panel.labels(labels, [class_colour(label) for label in range(len(self.classes))])
        return panel, class_swatches(shown, self.classes)


def decoded(box: dict) -> MaskPart:
    """Return the mask of a record's box, cut to the mask's own box."""
    x, y, width, height = box['bbox']
    return masks.decode(box['segmentation'])[y : y + height, x : x + width], x, y
