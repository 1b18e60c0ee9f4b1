"""What a label parser returns: boxes, and the places that could not be understood."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from samrs_mm.core.boxes import BoxLabel


class BadBoxError(Exception):
    """What is meant to be a box can't be read as one; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """A line or element that is meant to be a box but can't be read as one."""

    box_id: str
    """Place, ``FILE:LINE``, as for a box."""
    message: str
    """What is wrong, the value, and what is allowed. One line, without the place."""


@dataclass(slots=True)
class ParsedLabels:
    """The boxes of one image, in file order, and the problems met on the way."""

    boxes: list[BoxLabel] = field(default_factory=list)
    problems: list[LabelProblem] = field(default_factory=list)

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
        return float(text)
    except ValueError:
        raise BadBoxError(problem) from None
