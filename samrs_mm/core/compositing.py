"""From instance masks to one label map: who wins where masks overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError

OVERLAP_POLICIES = ('small_on_top', 'file_order', 'score')


class Painted(Protocol):
    """What is painted, such as a box of a record."""

    @property
    def label(self) -> int:
        """Class index from 0."""

    @property
    def segmentation(self) -> dict:
        """The mask as COCO RLE with text counts."""

    @property
    def area(self) -> int:
        """Its pixels."""

    @property
    def score(self) -> float | None:
        """Predicted IoU, or None."""


@dataclass(frozen=True)
class Instance:
    """A ``Painted`` mask that stands in no record."""

    label: int
    segmentation: dict
    area: int
    score: float | None


def check_policy(policy: str) -> str:
    """Return ``policy``.

    Raises:
        RefusedError: Not one of ``OVERLAP_POLICIES``.
    """
    if policy not in OVERLAP_POLICIES:
        raise RefusedError(
            f'overlap_policy {policy!r} is unknown; allowed: {", ".join(OVERLAP_POLICIES)}'
        )
    return policy


def paint_order(instances: Sequence[Painted], policy: str) -> list[int]:
    """Return the order in which instances are painted; later ones cover earlier ones.

    Args:
        instances: In label order, which also breaks ties (the later box on top).
        policy: ``small_on_top`` (large masks first), ``file_order`` (the authors': the last box
            wins) or ``score`` (low scores first).
    """
    keys = {
        'small_on_top': lambda i: -instances[i].area,
        'file_order': lambda i: 0,
        'score': lambda i: -1.0 if instances[i].score is None else instances[i].score,
    }
    return sorted(range(len(instances)), key=keys[policy])


def compose(
    instances: Sequence[Painted], height: int, width: int, policy: str
) -> tuple[np.ndarray, list[int]]:
    """Paint instances into a label map.

    Args:
        instances: Kept masks in label order.
        height: Image height in pixels.
        width: Image width in pixels.
        policy: One of ``OVERLAP_POLICIES``.

    Returns:
        Label map ``(height, width)`` uint8, 255 where no mask is, and the visible area of each
        instance in pixels.
    """
    owner = np.zeros((height, width), np.int32)
    for index in paint_order(instances, policy):
        x, y, part = masks.crop(instances[index].segmentation)
        h, w = part.shape
        owner[y : y + h, x : x + w][part] = index + 1
    labels = np.array([UNLABELLED, *(instance.label for instance in instances)], np.uint8)
    visible = np.bincount(owner.ravel(), minlength=len(instances) + 1)[1:]
    return labels[owner], visible.tolist()
