"""What a label parser returns: boxes, and the places that could not be understood."""

from dataclasses import dataclass, field

from samrs_mm.core.boxes import BoxLabel


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """A line or element that is meant to be a box but can't be read as one.

    Args:
        box_id: Place, ``FILE:LINE``, as for a box.
        message: What is wrong, the value, and what is allowed. One line, without the place.
    """

    box_id: str
    message: str


@dataclass(slots=True)
class ParsedLabels:
    """The boxes of one image, in file order, and the problems met on the way."""

    boxes: list[BoxLabel] = field(default_factory=list)
    problems: list[LabelProblem] = field(default_factory=list)

    def add_problem(self, box_id: str, message: str) -> None:
        """Note a place that can't be read."""
        self.problems.append(LabelProblem(box_id, message))


class PlaceNamer:
    """Makes ``FILE:LINE`` ids unique when several boxes share a line (minified XML).

    The first box of a line is ``FILE:LINE``, the k-th ``FILE:LINE.k``.
    """

    def __init__(self, file: str):
        self.file = file
        self._seen: dict[int, int] = {}

    def __call__(self, line: int) -> str:
        """Return the id of the next box on ``line`` (1-based)."""
        count = self._seen[line] = self._seen.get(line, 0) + 1
        return f'{self.file}:{line}' if count == 1 else f'{self.file}:{line}.{count}'
