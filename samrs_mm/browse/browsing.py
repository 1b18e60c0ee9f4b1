"""What all kinds of data that can be looked at have in common."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from samrs_mm.core.abbreviations import abbreviations
from samrs_mm.core.errors import RefusedError
from samrs_mm.drawing.lettering import Swatch
from samrs_mm.drawing.overlays import class_colour
from samrs_mm.drawing.panels import Panel
from samrs_mm.drawing.strokes import Colour

MaskPart = tuple[np.ndarray, int, int]
"""A mask ``(h, w)`` bool of a part of an image, and x, y of that part's first pixel."""


@dataclass(frozen=True)
class Instance:
    """One object of an image.

    Args:
        image: Name of the image.
        label: Class index.
        bounds: x0, y0, x1, y1 in pixels of the image.
        mask: Returns its mask, or None if it has none.
    """

    image: str
    label: int
    bounds: tuple[float, float, float, float]
    mask: Callable[[], MaskPart | None]


class Source(Protocol):
    """One dataset with classes of its own."""

    name: str
    classes: tuple[str, ...]
    names: list[str]
    """Names of all images, in an order that doesn't change."""

    def colour(self, label: int) -> Colour:
        """Return the RGB colour of a class."""

    def instances(self, name: str) -> list[Instance]:
        """Return the objects of an image; the image itself is not read."""

    def crop(self, name: str, bounds: Sequence[float] | None, side: int) -> Panel:
        """Return an image, or what of it lies in ``bounds``, with nothing drawn on it."""

    def overview(self, name: str, side: int) -> Panel:
        """Return an image with its masks, or its boxes if it has no masks."""


def class_swatches(
    labels: Iterable[int], classes: Sequence[str], colour: Callable[[int], Colour] = class_colour
) -> list[Swatch]:
    """Return an entry per class, with its abbreviation where it has one."""
    shorts = abbreviations(classes)
    return [
        Swatch(full_name(classes[label], shorts[label]), colour(label))
        for label in sorted(set(labels))
    ]


def full_name(name: str, short: str) -> str:
    """Return a class name with its abbreviation, if it has one."""
    return name if short == name else f'{short}  {name}'


def chosen_kinds(asked: Sequence[str] | None, kinds: tuple[str, ...], path: str) -> tuple[str, ...]:
    """Return what to draw: all there is, unless asked for something.

    Raises:
        RefusedError: Asked for what this kind of data doesn't have.
    """
    for kind in asked or ():
        if kind not in kinds:
            raise RefusedError(f'--what {kind}: {path} has none; it has {", ".join(kinds)}')
    return tuple(asked or kinds)
