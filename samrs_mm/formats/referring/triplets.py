"""An image, a phrase and a mask: what all datasets of referring segmentation come to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import ImageReadError, LabelReadError
from samrs_mm.core.images import SceneImage

THING = 'object'
"""Category where a dataset names none: its phrases are words for anything."""


@dataclass(frozen=True, slots=True)
class Triplet:
    """What is said of an image, and where the pixels are that are meant."""

    place: str
    """Where it stands in the labels; unique in the dataset."""
    image: str
    """File, relative to the data root."""
    phrase: str
    split: str
    category: str = THING
    mask: str | None = None
    """Picture of the mask, relative to the data root, or None."""
    segmentation: Any = None
    """The mask as COCO has it, where there is no picture of it."""
    size: tuple[int, int] | None = None
    """Width and height in pixels of the image of ``segmentation``."""
    target: str = ''
    """Name of what is meant, where several phrases mean the same; else empty."""


@dataclass(slots=True)
class Triplets:
    """All triplets of a dataset.

    Args:
        triplets: In the order of the labels.
        problems: What can't be taken as one, by its place, in one line each.
        categories: Names by id, where the dataset has a list; else empty.
        single: Whether each mask is one object; else its parts are objects.
        layout: Name of the dataset whose layout it is.
    """

    layout: str
    triplets: list[Triplet] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    categories: dict[Any, str] = field(default_factory=dict)
    single: bool = False


def mask_of(root: Path, triplet: Triplet) -> np.ndarray:
    """Return the pixels that are meant, ``(H, W)`` bool: all of a picture that aren't 0.

    Raises:
        LabelReadError: The mask can't be read, or is none; it may be empty.
    """
    if triplet.mask is not None:
        try:
            picture = SceneImage(root / triplet.mask, stored=True).read()
        except ImageReadError as error:
            raise LabelReadError(f'{triplet.place}: the mask: {error}') from error
        return np.any(picture, axis=2)
    assert triplet.size is not None
    width, height = triplet.size
    given = triplet.segmentation
    # one RLE in a list, as RRSIS-D has it; a list of polygons stays one
    parts = given if isinstance(given, list) and all(type(p) is dict for p in given) else [given]
    mask = np.zeros((height, width), bool)
    for part in parts:
        try:
            rle = segmentations.from_coco(part, height, width)
        except masks.MaskError as error:
            raise LabelReadError(f'{triplet.place}: the mask: {error}') from error
        if rle is not None:
            mask |= masks.decode(rle)
    return mask
