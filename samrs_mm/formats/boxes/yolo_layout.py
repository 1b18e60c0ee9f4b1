"""What the lines of a YOLO dataset mean, decided once for all of them by their columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from samrs_mm.core.boxes import BadBoxError, lines_of
from samrs_mm.core.errors import RefusedError

DETECT, SEGMENT, OBB, POSE = 'detect', 'segment', 'obb', 'pose'
TASKS = {
    DETECT: 'class cx cy w h (5 columns)',
    SEGMENT: 'class and three points or more (7, 9, 11 ... columns)',
    OBB: 'class x1 y1 ... x4 y4 (9 columns)',
    POSE: 'class cx cy w h and key points',
}
"""What a line of each of Ultralytics' tasks holds."""

_SLACK = 0.01
_BOX, _CORNERS, _LEAST_POINTS = 5, 9, 7
_FEW = 0.1
"""A share of polygons this small among four corners is asked about."""


@dataclass(frozen=True)
class YoloLayout:
    """What the columns of all label lines of a dataset are.

    Args:
        task: One of ``TASKS``.
        confidence: Whether a confidence stands at the end, which is dropped.
        columns: Of ``pose``, the number of columns without the confidence.
    """

    task: str
    confidence: bool = False
    columns: int = _BOX

    def check(self, columns: Sequence[str], line: str) -> None:
        """Raise BadBoxError for a line that the layout does not explain."""
        if ',' in line:
            raise BadBoxError(
                f'commas in {line[:40]!r}; YOLO has blanks between columns and decimal points'
            )
        if not self._explains(len(columns)):
            end = ' and a confidence' if self.confidence else ''
            raise BadBoxError(
                f'{len(columns)} columns; the lines of this dataset are read as {self.task}: '
                f'{TASKS[self.task]}{end}'
            )

    def _explains(self, count: int) -> bool:
        count -= self.confidence
        if self.task == SEGMENT:
            return count == _BOX or (count >= _LEAST_POINTS and count % 2 == 1)
        return count == {DETECT: _BOX, OBB: _CORNERS, POSE: self.columns}[self.task]

    def is_box(self, columns: Sequence[str]) -> bool:
        """Whether a line that passed ``check`` holds centre, width and height."""
        return self.task in (DETECT, POSE) or len(columns) - self.confidence == _BOX

    def __str__(self) -> str:
        extra = []
        if self.task == POSE:
            extra.append(f'the {self.columns - _BOX} values of key points are dropped')
        if self.task == SEGMENT:
            extra.append('the upright box around each polygon is taken')
        if self.confidence:
            extra.append('confidences are dropped')
        return f'{self.task}: {TASKS[self.task]}' + ''.join(f'; {text}' for text in extra)


@dataclass
class _Lines:
    """The lines of one number of columns."""

    first: str
    count: int = 0
    not_confidence: str = ''
    """Place and last column of the first line that ends in no confidence."""
    fractions: bool = False
    """Whether some last column is written as a fraction."""
    like_corners: int = 0
    """Lines that are a box in the image as x0, y0, x1, y1, and reach out of it as cx, cy, w, h."""
    like_pose: int = 0
    """Lines that are a box with key points in it as well as a polygon."""


@dataclass
class LineSurvey:
    """Counts the label lines of a dataset by their columns, to say what they are."""

    lines: dict[int, _Lines] = field(default_factory=dict)
    commas: str = ''
    """Place of the first line with commas."""

    def add(self, text: str, file: str) -> None:
        """Count the lines of one label file."""
        for place, line in lines_of(text, file):
            if ',' in line:
                self.commas = self.commas or place
                continue
            columns = line.split()
            found = self.lines.setdefault(len(columns), _Lines(place))
            found.count += 1
            last = columns[-1]
            if not _is_fraction(last):
                found.not_confidence = found.not_confidence or f'{place} ends in {last[:40]!r}'
            found.fractions |= not last.isdigit()
            found.like_pose += _like_pose(columns)
            found.like_corners += _like_corners(columns)

    def layout(self, key_points: tuple[int, int] | None, task: str | None = None) -> YoloLayout:
        """Return what the lines are.

        Args:
            key_points: ``kpt_shape`` of the dataset: their number, and 2 or 3 values each.
            task: One of ``TASKS`` that a user names; None takes the one that explains the lines.

        Raises:
            RefusedError: None does, or several could.
        """
        if not self.lines:
            if self.commas:
                raise RefusedError(
                    f'{self.commas}: commas; a YOLO line has blanks between columns and decimal '
                    'points'
                )
            return YoloLayout(task or DETECT)
        if task is None:
            task = POSE if key_points else self._guess()
        if task == POSE:
            return self._pose(key_points)
        if task == SEGMENT:
            return YoloLayout(SEGMENT)
        columns = _CORNERS if task == OBB else _BOX
        confidence = columns not in self.lines and columns + 1 in self.lines
        if confidence:
            self._check_confidence(columns + 1)
        return YoloLayout(task, confidence)

    def _guess(self) -> str:
        odd = [count for count in self.lines if count >= _LEAST_POINTS and count % 2]
        boxes = _BOX in self.lines
        if odd == [_CORNERS] and not boxes:
            return OBB
        if odd and not boxes:
            total = sum(self.lines[count].count for count in odd)
            others = total - (self.lines[_CORNERS].count if _CORNERS in odd else 0)
            if others < _FEW * total:
                self._ask(
                    [_CORNERS, *(count for count in odd if count != _CORNERS)], (OBB, SEGMENT)
                )
            if len(odd) == 1:
                self._check_polygons(odd[0])
            return SEGMENT
        if odd:
            self._ask(
                [_BOX, *odd], (DETECT, OBB, SEGMENT) if _CORNERS in odd else (DETECT, SEGMENT)
            )
        if boxes:
            self._check_boxes()
            return DETECT
        for task, count in ((DETECT, _BOX + 1), (OBB, _CORNERS + 1)):
            if count in self.lines:
                return task
        count, found = next(iter(sorted(self.lines.items())))
        raise RefusedError(
            f'{found.first}: {count} columns; a YOLO line is {"; ".join(TASKS.values())}, each '
            'maybe with a confidence; key points need kpt_shape in data.yaml'
        )

    def _pose(self, key_points: tuple[int, int] | None) -> YoloLayout:
        if key_points:
            columns = _BOX + key_points[0] * key_points[1]
            source = f'kpt_shape [{key_points[0]}, {key_points[1]}] means {columns} columns'
        else:
            columns = max(self.lines, key=lambda count: self.lines[count].count)
            source = f'key points stand after column {_BOX}'
        if columns in self.lines and columns > _BOX:
            return YoloLayout(POSE, columns=columns)
        if columns + 1 in self.lines and columns > _BOX:
            self._check_confidence(columns + 1)
            return YoloLayout(POSE, True, columns)
        count, found = next(iter(self.lines.items()))
        raise RefusedError(
            f'{found.first}: {count} columns, but {source}; mend kpt_shape, or say with --task '
            f'what the lines are ({", ".join(TASKS)})'
        )

    def _check_confidence(self, columns: int) -> None:
        found = self.lines[columns]
        if found.not_confidence or not found.fractions:
            what = found.not_confidence or f'{found.first} and all others end in 0 or 1'
            raise RefusedError(
                f'{what}: column {columns} of {columns} is no confidence; is it a tracker id or an '
                'angle? Take it out of the label files'
            )

    def _check_boxes(self) -> None:
        """Refuse lines that look like two corners.

        Raises:
            RefusedError: With the flag that takes them as they are.
        """
        found = self.lines[_BOX]
        if found.like_corners == found.count:
            raise RefusedError(
                f'{found.first}: all boxes reach out of their images as cx cy w h, and none does '
                'as x0 y0 x1 y1; YOLO has centre and size, so convert the labels, or say --task '
                f'{DETECT} if they are right'
            )

    def _check_polygons(self, columns: int) -> None:
        """Refuse lines of one length that may be boxes with key points, or a confidence and an id.

        Raises:
            RefusedError: With the flag that says what they are.
        """
        found = self.lines[columns]
        if found.like_pose == found.count:
            raise RefusedError(
                f'{found.first}: all lines have {columns} columns, which may be a polygon or a box '
                'with key points (or confidence and tracker id); say kpt_shape in data.yaml, or '
                f'--task {SEGMENT} or {POSE}'
            )

    def _ask(self, counts: Sequence[int], tasks: Sequence[str]) -> None:
        """Refuse a mixture, with the first line of each kind."""
        kinds = ', '.join(
            f'{self.lines[count].count} of {count} columns (first {self.lines[count].first})'
            for count in counts[:4]
        )
        more = f' and {len(counts) - 4} more numbers' if len(counts) > 4 else ''
        choices = ', '.join(f'--task {task} ({TASKS[task]})' for task in tasks)
        raise RefusedError(
            f'lines of several kinds: {kinds}{more}; say what they are meant to be: {choices}; '
            'others are then named and left out'
            + (', boxes among polygons are taken' if SEGMENT in tasks else '')
        )


def _is_fraction(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _like_corners(columns: Sequence[str]) -> bool:
    if len(columns) != _BOX:
        return False
    try:
        x0, y0, x1, y1 = map(float, columns[1:])
    except ValueError:
        return False
    beyond = min(x0 - x1 / 2, y0 - y1 / 2) < -_SLACK or max(x0 + x1 / 2, y0 + y1 / 2) > 1 + _SLACK
    return beyond and 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1


def _like_pose(columns: Sequence[str]) -> bool:
    """Whether a line is a box in the image with key points that fill some of it.

    Also a box with two more columns of which the last is a whole number.
    """
    count = len(columns)
    if count < _LEAST_POINTS or count == _CORNERS or count % 2 == 0:
        return False
    try:
        cx, cy, width, height, *rest = map(float, columns[1:])
    except ValueError:
        return False
    box = cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    if min(width, height) <= 0 or min(box) < -_SLACK or max(box) > 1 + _SLACK:
        return False
    if count == _LEAST_POINTS and columns[-1].isdigit():
        return True
    if len(rest) % 3 == 0 and all(text in ('0', '1', '2') for text in columns[7::3]):
        return True
    xs = [x for x, y in zip(rest[::2], rest[1::2], strict=False) if x or y]
    ys = [y for x, y in zip(rest[::2], rest[1::2], strict=False) if x or y]
    if not xs or min(xs) < box[0] or max(xs) > box[2] or min(ys) < box[1] or max(ys) > box[3]:
        return False
    return max(xs) - min(xs) > 0.3 * width or max(ys) - min(ys) > 0.3 * height
