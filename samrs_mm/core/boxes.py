"""Boxes in numpy: as labels have them, as arrays, and which of them an image can prompt with."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from samrs_mm.core.quads import in_order

MIN_SIDE = 1.0
"""A box thinner than one pixel, before or after clipping, can't hold a mask."""

MIN_AREA = 1.0
"""Nor can one of less than a square pixel (a sliver lying askew)."""

FARTHEST = 1e7
"""No image has so many pixels a side."""

OK, OUTSIDE, DEGENERATE = 'ok', 'outside', 'degenerate'

MASKLESS = 'maskless'
"""A box that is to be prompted with the mask of its label, which has none."""

CROWD, IGNORED = 'crowd', 'ignored'
"""Meanings of a label that is no single object: a region of many, or one to be left out."""

MALFORMED, MISFIT = 'malformed', 'misfit'
"""Statuses of what is not read as a box: it is none, or is one of a picture of another size or
turn."""

CROSSED = 'the edges crossed; the corners were put in order'
EXCHANGED = 'the corners were exchanged (x0 > x1 or y0 > y1); they were put in order'

FLAGS = ('difficult', 'truncated', 'occluded')
"""Marks that label formats give an object, as whole numbers; 0 is none."""


@dataclass(frozen=True, slots=True)
class BoxLabel:
    """One annotated box, in pixels of the scene, as the label file has it.

    At least one of ``hbox``, ``polygon`` and ``rotated`` is set. Corners may be given in any order:
    where the edges of ``polygon`` cross, or the two corners of ``hbox`` are exchanged, they are put
    in order, and ``notes`` says so.

    Args:
        box_id: Place of the box, ``FILE:LINE`` with FILE relative to the data root. Unique.
        category: Class name as spelled in the file.
        hbox: Annotated H-Box ``[x0, y0, x1, y1]``, float64, or None.
        polygon: Annotated R-Box as four corners ``(4, 2)`` of x, y, float64, or None.
        rotated: R-Box as ``[cx, cy, w, h, angle]``, angle in radians, le90 (x right, y down), or
            None.
        meaning: ``'crowd'`` or ``'ignored'`` for a region that is no single object; empty for an
            object.
        region: The pixels of such a region as COCO polygons or RLE of the scene's size; None takes
            the box.
        flags: Marks of the format that aren't 0, by name: ``difficult``, ``truncated`` ...
        notes: What was done to the box on reading it, a line each, as for corners that were put in
            order; they go into the record and the ledger.
    """

    box_id: str
    category: str
    hbox: np.ndarray | None = None
    polygon: np.ndarray | None = None
    rotated: np.ndarray | None = None
    meaning: str = ''
    region: list | dict | None = None
    flags: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.polygon is not None and (ordered := in_order(self.polygon)) is not None:
            self._change('polygon', ordered, CROSSED)
        if self.hbox is not None:
            x0, y0, x1, y1 = self.hbox.tolist()
            if x0 > x1 or y0 > y1:
                x0, x1 = (x1, x0) if x0 > x1 else (x0, x1)
                y0, y1 = (y1, y0) if y0 > y1 else (y0, y1)
                ordered = np.array([x0, y0, x1, y1])
                self._change('hbox', ordered, EXCHANGED)

    def _change(self, form: str, value: np.ndarray, note: str) -> None:
        object.__setattr__(self, form, value)
        object.__setattr__(self, 'notes', (*self.notes, note))


class BadBoxError(Exception):
    """What is meant to be a box can't be read as one; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """A line or element that is meant to be a box but can't be taken as one."""

    box_id: str
    """Place, ``FILE:LINE``, as for a box."""
    message: str
    """What is wrong, the value, and what is allowed. One line, without the place."""
    status: str = MALFORMED
    """``malformed``, or ``misfit``."""


GUESSED = 'its label file is no UTF-8 and read as GB18030: class names may be wrong'
"""Note on class names in letters beyond ASCII, in a file that does not say its encoding."""


@dataclass(slots=True)
class ParsedLabels:
    """The boxes of one image, in file order, and the problems met on the way.

    Args:
        boxes: The boxes.
        problems: What can't be taken as a box.
        size: Width and height in pixels of the picture that the labels say they are for, or None.
        notes: What is to be known of all boxes, one line each.
        misfit: Why none of the boxes is this picture's; empty if they are.
    """

    boxes: list[BoxLabel] = field(default_factory=list)
    problems: list[LabelProblem] = field(default_factory=list)
    size: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    misfit: str = ''

    def add_problem(self, box_id: str, message: str) -> None:
        """Note a place that can't be read."""
        self.problems.append(LabelProblem(box_id, message))


def read_boxes(
    places: Iterable[tuple[str, Any]], read: Callable[[str, Any], BoxLabel]
) -> ParsedLabels:
    """Read each place of a file, given by its box id; a ``BadBoxError`` becomes a problem."""
    labels = ParsedLabels()
    for box_id, place in places:
        try:
            labels.boxes.append(read(box_id, place))
        except BadBoxError as error:
            labels.add_problem(box_id, str(error))
    return labels


def note_lines(labels: Iterable[BoxLabel]) -> list[str]:
    """Return what was done to some boxes on reading them, a line each."""
    return [f'{label.box_id}: {note}' for label in labels for note in label.notes]


def lines_of(text: str, file: str) -> Iterator[tuple[str, str]]:
    """Yield the lines that aren't blank, stripped, with ``FILE:LINE`` as box ids."""
    for number, line in enumerate(text.lstrip('\ufeff').splitlines(), start=1):
        if line.strip():
            yield f'{file}:{number}', line.strip()


def to_float(text: str, problem: str) -> float:
    """Return a number; NaN and infinite ones pass: their boxes get a status later.

    Raises:
        BadBoxError: Not a number: the problem.
    """
    try:
        if '_' in text:  # 1_000 is a number to Python only
            raise ValueError
        return float(text)
    except ValueError:
        raise BadBoxError(problem) from None


@dataclass(frozen=True)
class BoxGeometry:
    """The boxes of one image as arrays, float64, in pixels of the scene, unclipped.

    A box with a NaN coordinate is NaN where that coordinate enters.

    Args:
        hboxes: H-Boxes ``(N, 4)`` x0, y0, x1, y1: annotated, else around the R-Box.
        polygons: Corners of the R-Boxes ``(N, 4, 2)``: annotated, else those of the H-Box.
        centres: Centres of the R-Boxes ``(N, 2)``.
        rhboxes: RH-Boxes ``(N, 4)``: around the R-Box, else the H-Box; None if not asked for.
    """

    hboxes: np.ndarray
    polygons: np.ndarray
    centres: np.ndarray
    rhboxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.hboxes)

    def __getitem__(self, rows: np.ndarray) -> 'BoxGeometry':
        """Return the boxes at some rows, as numpy indexing does."""
        rhboxes = None if self.rhboxes is None else self.rhboxes[rows]
        return BoxGeometry(self.hboxes[rows], self.polygons[rows], self.centres[rows], rhboxes)

    def shifted(self, dx: float, dy: float) -> 'BoxGeometry':
        """Return the boxes moved by ``dx, dy`` pixels, as into a tile."""
        step = np.array([dx, dy], float)
        twice = np.tile(step, 2)
        rhboxes = None if self.rhboxes is None else self.rhboxes + twice
        return BoxGeometry(self.hboxes + twice, self.polygons + step, self.centres + step, rhboxes)


def geometry(labels: Sequence[BoxLabel]) -> BoxGeometry:
    """Return N labels of one image as arrays, without RH-Boxes."""
    polygons, centres = np.empty((len(labels), 4, 2)), np.empty((len(labels), 2))
    # the most exact form last: it overwrites the others
    upright, hboxes = select(labels, lambda label: label.hbox, (4,))
    polygons[upright], centres[upright] = corners(hboxes), (hboxes[:, :2] + hboxes[:, 2:]) / 2
    rows, rotated = select(labels, lambda label: label.rotated, (5,))
    polygons[rows], centres[rows] = rotated_corners(rotated), rotated[:, :2]
    rows, quads = select(labels, lambda label: label.polygon, (4, 2))
    polygons[rows], centres[rows] = quads, quads.mean(axis=1)
    bounds = bounding_boxes(polygons)
    bounds[upright] = hboxes
    return BoxGeometry(bounds, polygons, centres)


def select(
    labels: Sequence[BoxLabel], form: Callable[[BoxLabel], np.ndarray | None], shape: tuple
) -> tuple[list[int], np.ndarray]:
    """Return the rows of the labels that have a form, and its values ``(rows, *shape)``."""
    rows = [row for row, label in enumerate(labels) if form(label) is not None]
    values = np.array([form(labels[row]) for row in rows], np.float64)
    return rows, values.reshape(-1, *shape)


def bounding_boxes(polygons: np.ndarray) -> np.ndarray:
    """Return the H-Boxes ``(N, 4)`` (min x, min y, max x, max y) of polygons ``(N, K, 2)``."""
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)


def corners(hboxes: np.ndarray) -> np.ndarray:
    """Return H-Boxes ``(N, 4)`` as clockwise corners ``(N, 4, 2)``, top left first."""
    return hboxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def rotated_corners(rotated: np.ndarray) -> np.ndarray:
    """Return the corners ``(N, 4, 2)`` of boxes ``(N, 5)``: cx, cy, w, h, angle in radians.

    In the order of mmrotate's ``rbox2qbox``.
    """
    centres, (width, height, angle) = rotated[:, :2], rotated[:, 2:].T
    with np.errstate(invalid='ignore'):  # infinite numbers give NaN
        cos, sin = np.cos(angle), np.sin(angle)
        across = np.stack([width / 2 * cos, width / 2 * sin], axis=1)
        along = np.stack([-height / 2 * sin, height / 2 * cos], axis=1)
        signs = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        return np.stack([centres + i * across + j * along for i, j in signs], axis=1)


def clip(hboxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Clip H-Boxes ``(N, 4)`` to ``[0, width] x [0, height]``."""
    return np.clip(hboxes, 0, [width, height, width, height])


def convex_hull_area(polygons: np.ndarray) -> np.ndarray:
    """Return the areas ``(N,)`` of the convex hulls of polygons ``(N, 4, 2)``, 0 where NaN."""
    finite = np.isfinite(polygons).all(axis=(1, 2))
    safe = np.where(finite[:, None, None], polygons, 0)
    return shapely.area(shapely.convex_hull(shapely.multipoints(safe)))


def box_statuses(
    hboxes: np.ndarray, polygons: np.ndarray, width: int, height: int
) -> tuple[list[str], list[str]]:
    """Return which boxes can be prompted in an image, and why not (empty for ok).

    ``hboxes`` ``(N, 4)`` enclose what is prompted, unclipped; ``polygons`` ``(N, 4, 2)`` are the
    labelled boxes. Either may hold NaN.
    """
    areas = convex_hull_area(polygons)
    clipped = clip(hboxes, width, height)
    found = [_status(*each, width, height) for each in zip(hboxes, clipped, areas, strict=True)]
    return [status for status, _ in found], [reason for _, reason in found]


def _status(
    box: np.ndarray, clipped: np.ndarray, area: float, width: int, height: int
) -> tuple[str, str]:
    if not np.isfinite(box).all():
        return DEGENERATE, 'a coordinate is NaN or infinite'
    if np.abs(box).max() > FARTHEST:
        return DEGENERATE, f'a coordinate of {np.abs(box).max():g} px is beyond any image'
    sides = box[2:] - box[:2]
    if (sides < MIN_SIDE).any():
        return DEGENERATE, f'{sides[0]:g} x {sides[1]:g} px is thinner than {MIN_SIDE:g} px'
    if area < MIN_AREA:
        return DEGENERATE, f'covers {area:g} square pixels, less than {MIN_AREA:g}'
    if (clipped[2:] - clipped[:2] < MIN_SIDE).any():
        span = ', '.join(f'{value:g}' for value in box)
        return OUTSIDE, f'box [{span}] lies outside the {width} x {height} px image'
    return OK, ''


def stated_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return the size that labels state, numbers or their text; None where they state none.

    Tools that don't know the size write 0 or nothing.
    """
    try:
        sides = float(width), float(height)
        size = int(sides[0]), int(sides[1])
    except (TypeError, ValueError, OverflowError):
        return None
    return size if size == sides and min(size) > 0 else None
