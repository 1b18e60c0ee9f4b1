"""Pages of an annotated folder: boxes by status, prompts, masks by instance and by class."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from samrs_mm.browse.box_pages import BoxSource
from samrs_mm.browse.pages import Page, class_swatches, window_around
from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_list
from samrs_mm.core.images import SceneImage
from samrs_mm.core.prompts import CLIPPED, PromptSetting
from samrs_mm.core.system import follow
from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.datasets.transforms.pixels import read_label
from samrs_mm.drawing.colours import STATUS_COLOURS, class_colour
from samrs_mm.drawing.overlays import draw_boxes
from samrs_mm.drawing.panels import MaskPart, Panel, open_panel
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, REJECTED, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record, RecordError


class FolderBrowser(BoxSource):
    """A folder that ``sam_annotate.py`` wrote, or its images of a split.

    These are listed by ``SPLIT.txt`` in it, else they are that split of the detection dataset.

    Raises:
        RefusedError: Not such a folder, or no image of that split.
    """

    kinds = ('boxes', 'prompts', 'masks')

    def __init__(self, root: Path, split: str | None = None, side: int = 800):
        meta = read_meta(root)
        if meta is None:
            raise RefusedError(
                f'{root}: no meta.json, so not a folder that sam_annotate.py wrote; to look at '
                'other segmentation datasets give a training config'
            )
        folder.refuse_without_pictures(root, meta, 'browsing')
        self.meta, settings = meta, meta['settings']
        prompt = PromptSetting.parse(settings['prompt'], grid=True, masks=True)
        self.style = settings.get('prompt_style', CLIPPED)
        super().__init__(root.resolve().name, meta['classes'], [prompt], side)
        self.out, self._pictured = AnnotatedFolder(root), folder.has_pictures(settings)
        self.data_root = follow(meta['data_root'], root)
        self.names = self._of_split(sorted(self.out.done() | self.out.failed()), split)
        if not self.names:
            raise RefusedError(f'{root}: no image' + (f' of --split {split}' if split else ''))

    def _of_split(self, stems: list[str], split: str | None) -> list[str]:
        if split is None:
            return stems
        listed = self.out.root / f'{split}.txt'
        if listed.is_file():
            wanted = set(read_list(listed))
        else:
            entries = read_annotated(self.out.root, self.meta)
            wanted = {entry.stem for entry in entries if entry.split == split}
        return [stem for stem in stems if stem in wanted]

    def record(self, name: str) -> Record:
        """Return the record of an image.

        Raises:
            RecordError: It is damaged, or the image was not annotated.
        """
        path = self.out.path(folder.INSTANCES, name)
        if not path.exists():
            failed = Record.load_failure(self.out.path(folder.FAILED, name))
            raise RecordError(f'{name}: was not annotated: {failed.error}')
        return Record.load_checked(path, len(self.classes))

    def boxes(self, name: str, setting: PromptSetting) -> list[BoxEntry]:
        """Return the boxes of an image."""
        return self.record(name).boxes

    def crop(self, name: str, polygon: np.ndarray | None, side: int) -> Panel:
        """Return an image, or what of it lies around a polygon."""
        path = self.out.path(folder.IMAGES, name)
        if not self._pictured:
            path = self.data_root / self.record(name).image.path
        image = SceneImage(path, stream=True)
        return open_panel(image, side, window_around(polygon, image.width, image.height))

    def mask(self, name: str, box: BoxEntry) -> MaskPart | None:
        """Return the mask of a box, or None."""
        return masks.crop(box.segmentation) if box.segmentation else None

    def note(self, boxes: list[BoxEntry]) -> str:
        """Return the number of boxes by status."""
        if not boxes:
            return 'no boxes: nothing is labelled (255 everywhere)'
        counts = Counter(box.status for box in boxes)
        texts = [f'{counts[status]} {status}' for status in STATUS_COLOURS if counts[status]]
        return f'{counted(len(boxes), "box")}: {", ".join(texts)}'

    def draw_masks(
        self, page: Page, plain: Panel, boxes: list[BoxEntry], classes: Collection[str]
    ) -> None:
        """Draw the masks by instance, and the label map."""
        panel = plain.copy('masks by instance, before overlap')
        for number, box in enumerate(boxes):
            if box.segmentation:
                lost = box.status in (FILTERED, REJECTED)
                colour = STATUS_COLOURS[box.status] if lost else class_colour(number)
                panel.mask(masks.crop(box.segmentation), colour)
        draw_boxes(panel, [box for box in boxes if box.status in (FILTERED, EMPTY, REJECTED)])
        page.add(panel)
        panel = plain.copy('label map by class')
        labels = read_label(self.out.path(folder.SEMANTIC, page.name))
        present = np.unique(labels[labels < len(self.classes)]).tolist()
        shown = [label for label in present if not classes or self.classes[label] in classes]
        labels[~np.isin(labels, shown)] = UNLABELLED
        panel.labels(labels, [class_colour(label) for label in range(len(self.classes))])
        page.add(panel, class_swatches(shown, self.classes))
        page.cover = len(page.panels) - 1
