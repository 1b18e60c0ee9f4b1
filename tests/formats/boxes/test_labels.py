import pytest

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.formats.boxes.labels import (
    BadBoxError,
    LabelProblem,
    ParsedLabels,
    lines_of,
    read_boxes,
    to_float,
)


def test_lines_without_blank_ones():
    text = '\ufeff a b \r\n\r\n  \nc\n'
    assert list(lines_of(text, 'a.txt')) == [('a.txt:1', 'a b'), ('a.txt:4', 'c')]


def test_what_is_no_box_becomes_a_problem():
    def read(box_id, category):
        if category == 'bad':
            raise BadBoxError('no box')
        return BoxLabel(box_id, category)

    labels = read_boxes([('a:1', 'ship'), ('a:2', 'bad'), ('a:3', 'plane')], read)
    assert [(box.box_id, box.category) for box in labels.boxes] == [
        ('a:1', 'ship'),
        ('a:3', 'plane'),
    ]
    assert labels.problems == [LabelProblem('a:2', 'no box')]


def test_problems_are_kept_in_order():
    labels = ParsedLabels()
    labels.add_problem('a:1', 'x')
    labels.add_problem('a:2', 'y')
    assert labels.problems == [LabelProblem('a:1', 'x'), LabelProblem('a:2', 'y')]
    assert ParsedLabels().problems == []


def test_numbers():
    assert to_float(' 1.5', '') == 1.5
    assert to_float('inf', '') == float('inf')
    with pytest.raises(BadBoxError, match='x is odd'):
        to_float('odd', 'x is odd')
