"""Referring segmentation datasets as boxes with true masks."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxLabel, ParsedLabels
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.mask_boxes import box_of_mask
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.formats.referring.reading import LAYOUT, read_triplets
from samrs_mm.formats.referring.triplets import Triplet, mask_of
from samrs_mm.registry import BOX_DATASETS

_UNPLACED = 'phrases__without_image'


@BOX_DATASETS.register_module()
class ReferringBoxDataset(BoxDataset):
    """What phrases mean in RefSegRS, RISBench or RRSIS-D: boxes around masks, which are the truth.

    Layout: see ``formats.referring``. Files of equal content are one image, called as the first of
    them: RefSegRS and RISBench have a file for each phrase. All images are read once for it.
    Classes: RRSIS-D's twenty; ``object`` in the others, whose phrases are not classes.
    Labels: a mask of RRSIS-D is an object; of the others each 8-connected part of a mask is. What
    several phrases of an image mean is there once. The H-Box is the mask's own, the R-Box the
    smallest rectangle around it; ``bbox`` of RRSIS-D is not read. A box id is the place of the
    phrase, ``output_phrase_val.txt:12:3`` for the third part of line 12, or of the annotation.
    Sources: Yuan et al. 2023, arXiv:2306.08625; Liu et al. 2023, arXiv:2312.12470; Dong et al.
    2024, arXiv:2410.08613.

    Args:
        classes: As in ``BoxDataset``.
        split: ``'train'``, ``'val'`` or ``'test'`` takes that part alone; None takes all.
        parts: Whether each part of a mask is an object; None decides by the layout.

    Raises:
        RefusedError: As in ``BoxDataset``, none of the layouts, or no such split.
    """

    layout = LAYOUT
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        split: str | None = None,
        parts: bool | None = None,
    ):
        self.split, self._parts = split, parts
        self._last: tuple[str, ParsedLabels, dict[str, dict]] | None = None
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return a scene for each image, and one for phrases that have none."""
        self._found = read_triplets(self.root, self.split)
        if self._parts is None:
            self._parts = not self._found.single
        by_image: dict[str, list[Triplet]] = defaultdict(list)
        for triplet in self._found.triplets:
            by_image[triplet.image].append(triplet)
        self._triplets: dict[str, list[Triplet]] = {}
        scenes = []
        for images in _equal_files(self.root, by_image):
            triplets = [triplet for image in images for triplet in by_image[image]]
            stem, label = Path(images[0]).stem, triplets[0].place.partition(':')[0]
            self._triplets[stem] = triplets
            scenes.append(Scene(stem, images[0], label, triplets[0].split or None))
        if self._found.problems:
            label = next(iter(self._found.problems)).partition(':')[0]
            scenes.append(Scene(_UNPLACED, None, label))
        return scenes

    def listed_classes(self) -> dict[Any, str]:
        """Return the categories of RRSIS-D by id."""
        return self._found.categories

    def no_image(self, index: int) -> str:
        """Return why phrases have no image: the first of them."""
        place, problem = next(iter(self._found.problems.items()))
        return f'{place}: {problem}'

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes around what the phrases of an image mean, in the phrases' order."""
        return self._read(scene)[0]

    def truth_files(self, index: int) -> list[Path]:
        """Return the pictures of masks of scene ``index``."""
        triplets = self._triplets.get(self.scenes[index].stem, [])
        return [self.root / each.mask for each in triplets if each.mask is not None]

    def ground_truth_of(self, index: int) -> dict[str, dict]:
        """Return the masks of scene ``index`` as COCO RLE by box id."""
        return self._read(self.scenes[index])[1]

    def _read(self, scene: Scene) -> tuple[ParsedLabels, dict[str, dict]]:
        """Return boxes and masks of a scene; the last scene's are kept, for one after the other."""
        if self._last is None or self._last[0] != scene.stem:
            labels, truth = ParsedLabels(), dict[str, dict]()
            if scene.stem not in self._triplets:
                for place, problem in self._found.problems.items():
                    labels.add_problem(place, problem)
            self._enter(self._triplets.get(scene.stem, []), labels, truth)
            self._last = scene.stem, labels, truth
        return self._last[1:]

    def _enter(self, triplets: list[Triplet], labels: ParsedLabels, truth: dict[str, dict]) -> None:
        """Enter the objects of an image's triplets, each of them once."""
        targets: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for triplet in triplets:
            if triplet.target in targets:
                continue
            targets |= {triplet.target} - {''}
            place = triplet.target or triplet.place
            try:
                mask = mask_of(self.root, triplet)
            except LabelReadError as error:
                labels.add_problem(place, str(error).removeprefix(f'{triplet.place}: '))
                continue
            size = mask.shape[1], mask.shape[0]
            labels.size = labels.size or size
            if size != labels.size:
                problem = 'a mask of {} x {} px, others of the image {} x {} px'
                labels.add_problem(place, problem.format(*size, *labels.size))
                continue
            if not mask.any():
                labels.add_problem(place, 'an empty mask: no pixel is meant')
            for number, part in enumerate(_parts(mask) if self._parts else [mask], 1):
                rle = masks.encode(part)
                if not part.any() or (triplet.category, rle['counts']) in seen:
                    continue
                seen.add((triplet.category, rle['counts']))
                box_id = f'{place}:{number}' if self._parts else place
                labels.boxes.append(_box(box_id, triplet.category, rle))
                truth[box_id] = rle


def _box(box_id: str, category: str, rle: dict) -> BoxLabel:
    x, y, pixels = masks.crop(rle)
    height, width = pixels.shape
    hbox = np.array([x, y, x + width, y + height], np.float64)
    corners = box_of_mask(pixels, oriented=True) + np.array([x, y])
    return BoxLabel(box_id, category, hbox, corners)


def _parts(mask: np.ndarray) -> Iterable[np.ndarray]:
    """Yield the 8-connected parts of a mask, by their first pixels row by row."""
    number, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return (labels == part for part in range(1, number))


def _equal_files(root: Path, images: Iterable[str]) -> list[list[str]]:
    """Return image files in groups of equal content; what can't be read is alone."""
    by_size: dict[Any, list[str]] = defaultdict(list)
    for image in images:
        try:
            by_size[(root / image).stat().st_size].append(image)
        except OSError:
            by_size[image].append(image)
    groups: dict[Any, list[str]] = defaultdict(list)
    for size, names in by_size.items():
        for name in names:
            groups[size if len(names) == 1 else _digest(root / name)].append(name)
    return list(groups.values())


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(path)
