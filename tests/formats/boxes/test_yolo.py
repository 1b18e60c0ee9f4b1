import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.formats.boxes.yolo import parse_yolo
from samrs_mm.formats.boxes.yolo_layout import YoloLayout

NAMES = 'ship', 'large vehicle'


DETECT, OBB, SEGMENT = (YoloLayout(task) for task in ('detect', 'obb', 'segment'))


def parse(text: str, layout: YoloLayout = DETECT):
    return parse_yolo(text, 'labels/a.txt', NAMES, 200, 100, layout)


def test_boxes():
    labels = parse('0 0.5 0.5 0.2 0.4\n\n1 0.25 0.5 0.5 1\r\n')
    assert not labels.problems
    assert [box.box_id for box in labels.boxes] == ['labels/a.txt:1', 'labels/a.txt:3']
    assert [box.category for box in labels.boxes] == list(NAMES)
    np.testing.assert_allclose(labels.boxes[0].hbox, [80, 30, 120, 70])
    np.testing.assert_allclose(labels.boxes[1].hbox, [0, 0, 100, 100])


CORNERS = '1 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4'


def test_four_points_are_corners_or_a_polygon():
    (slanted,) = parse(CORNERS, OBB).boxes
    np.testing.assert_allclose(slanted.polygon, [[20, 20], [60, 20], [60, 40], [20, 40]])
    assert slanted.hbox is None
    (building,) = parse(CORNERS, SEGMENT).boxes
    np.testing.assert_allclose(building.hbox, [20, 20, 60, 40])
    assert building.polygon is None


def test_polygons_and_boxes_among_them():
    mask, box = parse('0 0.1 0.1 0.5 0.2 0.3 0.9\n0 0.5 0.5 0.2 0.4\n', SEGMENT).boxes
    np.testing.assert_allclose(mask.hbox, [20, 10, 100, 90])
    np.testing.assert_allclose(box.hbox, [80, 30, 120, 70])


def test_key_points_and_confidences_are_dropped():
    pose = YoloLayout('pose', columns=8)
    np.testing.assert_allclose(parse('0 .5 .5 .2 .4 9 9 2', pose).boxes[0].hbox, [80, 30, 120, 70])
    sure = YoloLayout('detect', confidence=True)
    np.testing.assert_allclose(parse('0 .5 .5 .2 .4 0.9', sure).boxes[0].hbox, [80, 30, 120, 70])
    sure = YoloLayout('obb', confidence=True)
    assert parse(CORNERS + ' 0.9', sure).boxes[0].polygon.shape == (4, 2)


@pytest.mark.parametrize(
    ('line', 'says', 'layout'),
    [
        ('2 0.5 0.5 0.1 0.1', "class '2'; allowed are 0..1", DETECT),
        ('-1 0.5 0.5 0.1 0.1', "class '-1'; allowed are 0..1", DETECT),
        ('0.5 0.5 0.5 0.1 0.1', "class '0.5'; allowed are 0..1", DETECT),
        ('ship 0.5 0.5 0.1 0.1', "'ship' is not a number", DETECT),
        ('0 0.5 0.5 nan 0.1', "'nan' is not a number", DETECT),
        ('0 0.5 0.5 0.1', '4 columns; the lines of this dataset are read as detect', DETECT),
        ('0 0.5 0.5 0.1 0.1 7', '6 columns; the lines of this dataset', DETECT),
        ('0 0.5 0.5 0.1 0.1 0.9 7', '7 columns; the lines of this dataset', DETECT),
        ('0 0.1 0.1 0.2 0.2 0.3 0.3 0.4', '8 columns; the lines of this dataset', SEGMENT),
        ('0 120 40 30 20', 'coordinate 120 is not in 0..1; YOLO has fractions', DETECT),
        ('0 0.5 0.5 0.2 1.2', 'coordinate 1.2 is not in 0..1', DETECT),
        ('0 0.1 0.1 0.2 0.2 0.3 1.2', 'coordinate 1.2 is not in 0..1', SEGMENT),
        ('0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 1.8', 'coordinate 1.8 is not in 0..1', OBB),
        ('0,0.5,0.5,0.1,0.1', "commas in '0,0.5,0.5,0.1,0.1'", DETECT),
        ('0 0,5 0,5 0,1 0,1', "commas in '0 0,5 0,5 0,1 0,1'", DETECT),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(line, says, layout):
    good = {DETECT: '0 0.5 0.5 0.2 0.2', OBB: CORNERS, SEGMENT: '0 .1 .1 .5 .2 .3 .9'}[layout]
    labels = parse(f'{good}\n{line}\n{good}\n', layout)
    assert len(labels.boxes) == 2
    (problem,) = labels.problems
    assert problem.box_id == 'labels/a.txt:2'
    assert problem.message.startswith(says)


@given(
    st.text(alphabet='0123456789.-e \n\tnainf,', max_size=60), st.sampled_from([DETECT, SEGMENT])
)
def test_no_text_makes_it_fail(text, layout):
    labels = parse(text, layout)
    assert all(np.isfinite(box.hbox).all() for box in labels.boxes if box.hbox is not None)
