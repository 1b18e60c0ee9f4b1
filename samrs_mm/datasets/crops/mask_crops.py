"""Crops of the objects of a set with masks: some to learn from, others held out."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmseg.registry import DATASETS

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.mask_boxes import box_of_mask, loosened
from samrs_mm.core.wording import counted
from samrs_mm.datasets.crops.base import CropDataset
from samrs_mm.datasets.crops.masked_objects import (
    FoundMask,
    FoundMasks,
    MaskedObject,
    cut_out,
    find_masks,
)

PARTS = ('train', 'val')
LOOSE = (0.0, 0.05, 0.15)
"""How far the sides of boxes are moved outwards at most, as shares of the box's extent."""

_SIDES = 16  # halved so often by the network
_TOLD = 3
_OWN = {
    'BoxNetSegmentor': "BoxNet's own, which teach it nothing new",
    'GrabCutSegmentor': "GrabCut's, which are worse than BoxNet's",
    'BoxFillSegmentor': 'filled boxes',
}
"""Makers of masks that are no truth to learn from, and what their masks are."""
_LEAST_REACH = 3.0
_VIEWS = [(oriented, loose) for oriented in (False, True) for loose in LOOSE]


@DATASETS.register_module()
class MaskCrops(CropDataset):
    """Crops of a set's objects, with boxes made from their masks.

    Whole images are held out, or of a single image a part of its objects. What is left out (damaged
    or empty masks, masks of another size, boxes that don't fit) is told in the log.

    ``train`` draws an object, an H-Box or R-Box with sides moved up to 15 % outwards, or a click
    instead of a box, anew at every place. ``val`` has each held-out object six times: with H-Box
    and R-Box, tight, up to 5 % and up to 15 % loose.

    Args:
        data_root: An annotated folder, or a set with true masks.
        part: ``'train'`` or ``'val'``.
        labels: Type of the box dataset that reads a set with true masks.
        options: Its further arguments, such as ``dict(ann_file='truth.json')``.
        judged: Of an annotated folder, only masks that people accepted, corrected or added.
        held_out: Share of the images (or objects) that is held out, between 0 and 1.
        count: Most objects of the part; None takes all.
        length: Of ``train``.
        side: Of the crops in pixels.
        points: Share of ``train`` without a box.
        seed: Of the choice of what is held out, and of the crops.
        pipeline: See ``CropDataset``.

    Attributes:
        notes: How many masks are taken, one line each; the log of a run has them.
        warnings: What is left out.

    Raises:
        RefusedError: A value that can't be, or what ``find_masks`` refuses, or fewer than two
            objects, or images of which none can be read.
    """

    def __init__(
        self,
        data_root: str,
        part: str = 'train',
        labels: str = 'COCOBoxDataset',
        options: Mapping[str, Any] = {},
        judged: bool = False,
        held_out: float = 0.25,
        count: int | None = None,
        length: int = 1 << 20,
        side: int = 96,
        points: float = 0.1,
        seed: int = 0,
        pipeline: Sequence[dict] = (),
    ):
        super().__init__(pipeline, seed)
        _check_options(
            part, held_out, points, length=length, side=side, count=1 if count is None else count
        )
        found = find_masks(data_root, labels, dict(options), judged)
        if len(found) < 2:
            raise RefusedError(
                f'{data_root}: 1 usable mask{found.reasons()}; at least 2 are needed, one to learn '
                'from and one to hold out; 20 or more are of use'
            )
        self.part, self.side, self.points, self._length = part, side, points, length
        chosen = split(found, held_out, seed)[PARTS.index(part)][:count]
        self.objects, problems = cut_out(chosen)
        if not self.objects:
            raise RefusedError(f'{data_root}: no object to cut out of an image: {problems[0]}')
        images = counted(len({item.found.stem for item in self.objects}), 'image')
        use = 'to learn from' if part == 'train' else 'held out'
        self.notes = [f'{data_root}: {counted(len(self.objects), "mask")} of {images} {use}']
        if part == 'train':
            self.notes += [f'passed over: {found.passed_over()}'] if found.passed else []
            problems = found.left_out + problems
        self.warnings = _told(problems)
        if part == 'train' and found.maker in _OWN and not judged:
            self.warnings.append(
                f'{data_root}: the masks are {_OWN[found.maker]}: correct them first (samrs-mm '
                'export --to coco, then a labelling tool), or take true ones'
            )

    def __len__(self) -> int:
        return self._length if self.part == 'train' else len(self.objects) * len(_VIEWS)

    def crop(self, index: int) -> tuple[DrawnCrop, str]:
        """Return a crop of an object; see the class."""
        rng = np.random.default_rng([self.seed, index, PARTS.index(self.part)])
        if self.part == 'val':
            number, view = divmod(index, len(_VIEWS))
            oriented, loose = _VIEWS[view]
            return self._boxed(self.objects[number], oriented, rng.uniform(0, loose, 4)), 'box'
        item = self.objects[rng.integers(len(self.objects))]
        if rng.random() < self.points:
            return self._clicked(item, rng), 'point'
        loose = LOOSE[rng.integers(len(LOOSE))]
        return self._boxed(item, rng.random() < 0.5, rng.uniform(-0.01, loose + 0.01, 4)), 'box'

    def _boxed(self, item: MaskedObject, oriented: bool, moves: np.ndarray) -> DrawnCrop:
        box = box_of_mask(item.mask, oriented) + item.corner
        frame, half = CropFrame.around(loosened(box, moves))
        return self._cut(item, frame, half=half, oriented=bool(oriented))

    def _clicked(self, item: MaskedObject, rng: np.random.Generator) -> DrawnCrop:
        places = np.argwhere(item.mask)
        middle = places[rng.integers(len(places))][::-1] + 0.5 + item.corner
        longest = np.ptp(places, axis=0).max() / 2
        reach = max(longest * np.exp(rng.uniform(np.log(0.6), np.log(2))), _LEAST_REACH)
        frame = CropFrame(middle, np.eye(2), np.full(2, reach))
        click = np.array([[self.side / 2, self.side / 2, 1.0]])
        return self._cut(item, frame, clicks=click)

    def _cut(self, item: MaskedObject, frame: CropFrame, **more: Any) -> DrawnCrop:
        height, width = item.pixels.shape[:2]
        valid = frame.inside(height, width, self.side)
        if item.valid is not None:
            valid &= frame.cut(item.valid, self.side)
        inside = item.mask.astype(np.uint8) * np.uint8(255)
        own = dataclasses.replace(frame, centre=frame.centre - item.corner)
        target = own.cut(inside, self.side).astype(np.float32) / 255
        return DrawnCrop(
            image=frame.cut(item.pixels, self.side),
            valid=valid,
            reach=frame.reach,
            target=target * valid,
            kind=item.found.kind,
            **more,
        )


def _check_options(part: str, held_out: float, points: float, **counts: int) -> None:
    if part not in PARTS:
        raise RefusedError(f'MaskCrops: part={part!r}; needed: {" or ".join(PARTS)}')
    if not isinstance(held_out, int | float) or not 0 < held_out < 1:
        raise RefusedError(f'MaskCrops: held_out={held_out!r}; needed: a share between 0 and 1')
    if not isinstance(points, int | float) or not 0 <= points <= 1:
        raise RefusedError(f'MaskCrops: points={points!r}; needed: a share from 0 to 1')
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise RefusedError(f'MaskCrops: {name}={value!r}; needed: a whole number from 1')
    if counts['side'] % _SIDES:
        raise RefusedError(f'MaskCrops: side={counts["side"]!r}; needed: a multiple of {_SIDES}')


def _told(left_out: list[str]) -> list[str]:
    if not left_out:
        return []
    more = f'; and {len(left_out) - _TOLD} more' if len(left_out) > _TOLD else ''
    return [f'{len(left_out)} left out: {"; ".join(left_out[:_TOLD])}{more}']


def split(found: FoundMasks, held_out: float, seed: int) -> tuple[list[FoundMask], list[FoundMask]]:
    """Return the masks to learn from, and those held out, of two at least.

    Images are held out, in an order that follows from the seed, until the share of the objects is
    reached; of one image objects. An image is passed over without which fewer than half of the
    objects would be left that the share leaves; if that is each of them, the smallest is held out.
    """
    rng = np.random.default_rng(seed)
    if len(found.by_image) == 1:
        (objects,) = found.by_image.values()
        order = [objects[i] for i in rng.permutation(len(objects))]
        held = min(max(1, round(held_out * len(order))), len(order) - 1)
        return order[held:], order[:held]
    stems = sorted(found.by_image)
    order = [stems[place] for place in rng.permutation(len(stems))]
    out = _held_out(order, {stem: len(found.by_image[stem]) for stem in stems}, held_out)
    parts: tuple[list[FoundMask], list[FoundMask]] = ([], [])
    for stem in order:
        parts[int(stem in out)].extend(found.by_image[stem])
    shuffled = [parts[0][i] for i in rng.permutation(len(parts[0]))]
    return shuffled, parts[1]


def _held_out(order: list[str], counts: dict[str, int], share: float) -> set[str]:
    """Return the images that are held out, one at least and not all."""
    total = sum(counts.values())
    wanted, least = math.ceil(share * total), (1 - share) * total / 2
    out: set[str] = set()
    held = 0
    for stem in order:
        if held >= wanted or len(out) == len(order) - 1:
            break
        if total - held - counts[stem] >= least:
            out.add(stem)
            held += counts[stem]
    return out or {min(order, key=lambda stem: counts[stem])}
