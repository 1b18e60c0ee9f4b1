import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.formats.boxes.dota import parse_dota

HEADER = 'imagesource:GoogleEarth\ngsd:0.25\n'
OBB = '1 2 9.5 3 8 12 0 11 large-vehicle 1\n'
HBB = '1 2 9 2 9 12 1 12 ship 0\n'


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize(
    ('header', 'first_line'),
    [(HEADER, 3), (HEADER.replace('0.25', 'null'), 3), ('imagesource:GF\ngsd:None\n', 3), ('', 1)],
)
def test_header_or_none_with_any_line_end(header, first_line, newline):
    labels = parse_dota((header + OBB + '\n' + HBB).replace('\n', newline), 'labelTxt/P1.txt')
    oriented, horizontal = labels.boxes
    assert oriented.box_id == f'labelTxt/P1.txt:{first_line}'
    assert horizontal.box_id == f'labelTxt/P1.txt:{first_line + 2}'
    assert oriented.category == 'large-vehicle'
    np.testing.assert_array_equal(oriented.polygon, [[1, 2], [9.5, 3], [8, 12], [0, 11]])
    np.testing.assert_array_equal(horizontal.polygon, [[1, 2], [9, 2], [9, 12], [1, 12]])
    assert not labels.problems


@pytest.mark.parametrize('text', ['', '\n\r\n', HEADER])
def test_file_without_boxes(text):
    assert parse_dota(text, 'a.txt').boxes == []


def test_byte_order_mark_and_nine_columns():
    labels = parse_dota('\ufeff' + OBB.replace(' 1\n', '\n'), 'a.txt')
    assert [box.box_id for box in labels.boxes] == ['a.txt:1']


def test_byte_order_mark_before_a_header():
    assert not parse_dota('\ufeff' + HEADER + OBB, 'a.txt').problems


def test_nan_is_kept_as_a_box():
    (box,) = parse_dota('nan 2 9 2 9 12 1 12 ship 0', 'a.txt').boxes
    assert np.isnan(box.polygon[0, 0])


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1 2 3 4 5 6 7 ship 0', "coordinate 'ship' is not a number"),
        ('1 2 3 4 ship', '5 columns'),
        ('1 2 3 4 5 6 7 8 storage tank 0', '11 columns'),
        ('1 2 3 4 5 6,5 7 8 ship 0', "coordinate '6,5' is not a number"),
    ],
)
def test_bad_line_is_a_problem_and_the_rest_is_kept(line, message):
    labels = parse_dota(f'{HBB}{line}\n{OBB}', 'a.txt')
    assert [box.box_id for box in labels.boxes] == ['a.txt:1', 'a.txt:3']
    (problem,) = labels.problems
    assert problem.box_id == 'a.txt:2'
    assert message in problem.message


@given(st.lists(st.floats(width=64), min_size=8, max_size=8))
def test_any_float_survives(values):
    line = ' '.join(map(repr, values)) + ' ship 0'
    (box,) = parse_dota(line, 'a.txt').boxes
    np.testing.assert_array_equal(box.polygon.ravel(), values)


@given(st.text())
def test_any_text_gives_a_box_or_a_problem_for_every_line(text):
    labels = parse_dota(text, 'a.txt')
    lines = [line.split() for line in text.lstrip('\ufeff').splitlines()]
    meant = [f for f in lines if f and f[0].lower().split(':')[0] not in ('imagesource', 'gsd')]
    assert len(labels.boxes) + len(labels.problems) == len(meant)
