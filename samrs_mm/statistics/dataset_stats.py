"""Counts over a segmentation dataset, in flat columns: a million masks take 12 MB."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from samrs_mm.core.boxes import MASKLESS
from samrs_mm.formats.annotated.entries import BOX_STATUSES, EMPTY, HAND_STATUSES, HELD

BOX = np.dtype([('label', 'u2'), ('status', 'u1'), ('area', 'u4'), ('box', 'f4')])
"""A box: class index, place of its status in ``STATUSES``, pixels of its valid mask (0: it has
none), and the pixels that its upright box covers of the image (NaN: unknown)."""

IMAGE = np.dtype([('width', 'u4'), ('height', 'u4'), ('masks', 'u4'), ('labelled', '?')])
"""An image: its size, its valid masks, and whether it has any, or any label pixel."""

SMALL = 100
"""Masks of fewer pixels are the paper's "extremely small targets"."""

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
BINS_PER_DECADE = 5
"""Of size histograms; with more, some bin below 10 would hold no whole number."""


@dataclass
class Counts:
    """What some images hold: boxes ``(N,)`` of type ``BOX`` and images ``(M,)`` of ``IMAGE``."""

    boxes: np.ndarray
    images: np.ndarray
    pixels: np.ndarray
    """Pixels of the label maps by class index, ``(K,)`` int64."""
    present: np.ndarray
    """Images with a valid mask of each class, ``(K,)`` int64."""
    problems: list[str] = field(default_factory=list)
    """A line for each file or annotation that could not be used."""

    @classmethod
    def merged(cls, counts: Iterable['Counts'], num_classes: int) -> 'Counts':
        """Add up the counts of several groups of images."""
        counts = [cls.empty(num_classes), *counts]
        return cls(
            boxes=np.concatenate([each.boxes for each in counts]),
            images=np.concatenate([each.images for each in counts]),
            pixels=np.sum([each.pixels for each in counts], 0),
            present=np.sum([each.present for each in counts], 0),
            problems=[line for each in counts for line in each.problems],
        )

    @classmethod
    def empty(cls, num_classes: int, *problems: str) -> 'Counts':
        """Return the counts of no images."""
        counts = np.zeros(num_classes, np.int64)
        return cls(np.zeros(0, BOX), np.zeros(0, IMAGE), counts, counts, list(problems))

    @classmethod
    def of_image(cls, boxes: np.ndarray, pixels: np.ndarray, width: int, height: int) -> 'Counts':
        """Return the counts of an image: boxes, label pixels by class ``(K,)``, and its size."""
        valid = boxes['label'][boxes['area'] > 0]
        labelled = bool(len(valid) or pixels.any())
        images = np.array([(width, height, len(valid), labelled)], IMAGE)
        present = np.bincount(np.unique(valid), minlength=len(pixels))
        return cls(boxes, images, pixels.astype(np.int64), present)


def box_table(
    labels: ArrayLike, statuses: Sequence[str], areas: ArrayLike, hboxes: np.ndarray,
    width: int | np.ndarray, height: int | np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return N boxes of type ``BOX``; masks in the dataset of at least a pixel are valid.

    ``hboxes`` are upright boxes ``(N, 4)``: x0, y0, x1, y1 in pixels, unclipped; NaN where unknown.
    Width and height are those of their image, or of the image of each.
    """
    boxes = np.zeros(len(statuses), BOX)
    boxes['label'] = labels
    boxes['status'] = [_STATUS[status] for status in statuses]
    boxes['area'] = np.where(np.isin(boxes['status'], _HELD), areas, 0)
    # a released mask may be empty, but is stored like any other
    boxes['status'][(boxes['area'] == 0) & np.isin(boxes['status'], _HELD)] = _STATUS[EMPTY]
    clipped = np.clip(hboxes, 0, np.stack(np.broadcast_arrays(width, height, width, height), -1))
    boxes['box'] = np.prod(np.maximum(clipped[:, 2:] - clipped[:, :2], 0), axis=1)
    return boxes


STATUSES = (*BOX_STATUSES, *HAND_STATUSES)
"""All statuses; a box has the place of its own."""
_STATUS = {status: place for place, status in enumerate(STATUSES)}
_HELD = [_STATUS[status] for status in HELD]


@dataclass
class DatasetStats:
    """A dataset's counts, and the numbers that follow from them."""

    name: str
    classes: tuple[str, ...]
    counts: Counts
    pixels_of: str
    """What ``counts.pixels`` counts, in words."""

    def __post_init__(self):
        self.instances = self.counts.boxes[self.counts.boxes['area'] > 0]
        """The boxes with a valid mask, ``(N,)`` of type ``BOX``."""

    def of_class(self, label: int) -> np.ndarray:
        """Return the instances of a class."""
        return self.instances[self.instances['label'] == label]

    @property
    def statuses(self) -> tuple[str, ...]:
        """Those that are told: of corrections and of masks of labels, those that occur."""
        rare = (MASKLESS, *HAND_STATUSES)
        return tuple(each for each in STATUSES if each not in rare or self.count(each).any())

    def count(self, status: str | None = None) -> np.ndarray:
        """Return the number of boxes by class ``(K,)``, of a status or of all."""
        boxes = self.counts.boxes
        if status is not None:
            boxes = boxes[boxes['status'] == _STATUS[status]]
        return np.bincount(boxes['label'], minlength=len(self.classes))

    def count_instances(self) -> np.ndarray:
        """Return the number of instances by class ``(K,)``."""
        return np.bincount(self.instances['label'], minlength=len(self.classes))

    def size_edges(self) -> np.ndarray:
        """Return the edges of the size bins in pixels: from 1, evenly in the logarithm."""
        largest = max(10, int(self.instances['area'].max(initial=1)))
        # the bin that the largest mask falls into is the last one
        bins = int(np.floor(np.log10(largest) * BINS_PER_DECADE + 1e-9)) + 1
        return 10 ** (np.arange(bins + 1) / BINS_PER_DECADE)

    def size_histogram(self) -> np.ndarray:
        """Return the number of instances by class and size bin, ``(K, bins)``."""
        edges = self.size_edges()
        return np.stack(
            [np.histogram(self.of_class(k)['area'], edges)[0] for k in range(len(self.classes))]
        )


def size_stats(instances: np.ndarray) -> dict[str, float | None]:
    """Return mean, quantiles and fraction below ``SMALL`` of mask sizes in pixels, or None."""
    names = ['mean', *(f'q{round(100 * q):02}' for q in QUANTILES), f'share_below_{SMALL}']
    if not len(instances):
        return dict.fromkeys(names)
    areas = instances['area']
    values = [areas.mean(dtype=float), *np.quantile(areas, QUANTILES), (areas < SMALL).mean()]
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}


def box_fractions(instances: np.ndarray) -> np.ndarray:
    """Return mask pixels / pixels of the upright box inside the image, where the box has any.

    It exceeds 1 where a mask leaves its box.
    """
    known = instances[instances['box'] >= 1]
    return known['area'] / known['box']
