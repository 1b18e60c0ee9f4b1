import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.formats.boxes.yolo import parse_yolo

NAMES = 'ship', 'large vehicle'


def parse(text: str):
    return parse_yolo(text, 'labels/a.txt', NAMES, 200, 100)


def test_boxes_corners_and_polygons():
    text = (
        '0 0.5 0.5 0.2 0.4\n'
        '\n'
        '1 0.25 0.5 0.5 1 0.93\r\n'
        '1 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4\n'
        '0 0.1 0.1 0.5 0.2 0.3 0.9\n'
    )
    labels = parse(text)
    assert not labels.problems
    assert [box.box_id.rpartition(':')[2] for box in labels.boxes] == ['1', '3', '4', '5']
    assert [box.category for box in labels.boxes] == [NAMES[i] for i in (0, 1, 1, 0)]
    box, scored, slanted, mask = labels.boxes
    np.testing.assert_allclose(box.hbox, [80, 30, 120, 70])
    np.testing.assert_allclose(scored.hbox, [0, 0, 100, 100])
    np.testing.assert_allclose(slanted.polygon, [[20, 20], [60, 20], [60, 40], [20, 40]])
    assert slanted.hbox is None
    np.testing.assert_allclose(mask.hbox, [20, 10, 100, 90])


@pytest.mark.parametrize(
    ('line', 'says'),
    [
        ('2 0.5 0.5 0.1 0.1', "class '2'; allowed are 0..1"),
        ('-1 0.5 0.5 0.1 0.1', "class '-1'; allowed are 0..1"),
        ('0.5 0.5 0.5 0.1 0.1', "class '0.5'; allowed are 0..1"),
        ('ship 0.5 0.5 0.1 0.1', "'ship' is not a number"),
        ('0 0.5 0.5 nan 0.1', "'nan' is not a number"),
        ('0 0.5 0.5 0.1', '4 columns; a YOLO line has 5'),
        ('0 0.1 0.1 0.2 0.2 0.3 0.3 0.4', '8 columns; a YOLO line has 5'),
        ('0 120 40 30 20', 'coordinate 120 is not in 0..1; YOLO has fractions'),
        ('0 0.1 0.1 0.2 0.2 0.3 1.8', 'coordinate 1.8 is not in 0..1'),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line, says):
    labels = parse(f'0 0.5 0.5 0.2 0.2\n{line}\n1 0.5 0.5 0.2 0.2\n')
    assert len(labels.boxes) == 2
    (problem,) = labels.problems
    assert problem.box_id == 'labels/a.txt:2'
    assert problem.message.startswith(says)


@given(st.text(alphabet='0123456789.-e \n\tnainf', max_size=60))
def test_no_text_makes_it_fail(text):
    labels = parse(text)
    assert all(np.isfinite(box.hbox).all() for box in labels.boxes if box.hbox is not None)
