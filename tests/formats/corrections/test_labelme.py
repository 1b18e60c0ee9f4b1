"""Shapes that LabelMe or X-AnyLabeling have beside polygons."""

import base64
import json

import cv2
import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.formats.corrections.labelme import read_labelme
from samrs_mm.formats.corrections.shapes import EditError

HEIGHT, WIDTH = 40, 60


def read(tmp_path, **shape):
    path = tmp_path / 'P1.json'
    about = dict(imagePath='P1.png', imageHeight=HEIGHT, imageWidth=WIDTH)
    path.write_text(json.dumps(about | dict(shapes=[dict(label='ship', **shape)])))
    return read_labelme(path)


def picture(pixels):
    return base64.b64encode(cv2.imencode('.png', pixels.astype(np.uint8))[1]).decode()


def test_masks_of_labelme_are_pixels_in_a_window(tmp_path):
    inside = np.eye(5, 8) > 0
    points = [[50, 30], [57, 34]]
    edited = read(tmp_path, shape_type='mask', points=points, mask=picture(inside), box_id='a:1')
    (shape,) = edited.shapes
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[30:35, 50:58] = inside
    np.testing.assert_array_equal(masks.decode(shape.mask), expected)
    assert (shape.ring, shape.box_id) == (None, 'a:1')


def test_circles_and_turned_rectangles(tmp_path):
    (circle,) = read(tmp_path, shape_type='circle', points=[[20, 20], [20, 30]]).shapes
    assert masks.fill_polygon(circle.ring, HEIGHT, WIDTH).sum() == pytest.approx(314, abs=6)
    corners = [[10, 10], [20, 15], [18, 19], [8, 14]]
    (turned,) = read(tmp_path, shape_type='oriented_rectangle', points=corners).shapes
    assert turned.ring.tolist() == corners


def test_a_size_that_can_not_be_takes_no_memory(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), 'WIDTH', 10**8)
    with pytest.raises(EditError, match='the image is of 100000000 x 40 px; at most 1073741824 px'):
        read(tmp_path, shape_type='mask', points=[[1, 1], [2, 2]], mask=picture(np.ones((2, 2))))


@pytest.mark.parametrize(
    ('shape', 'says'),
    [
        (dict(shape_type='mask', points=[[1, 1], [2, 2]], mask='x'), 'shapes[0]: mask is "x"'),
        (dict(shape_type='mask', points=[[58, 1], [65, 5]], mask=picture(np.ones((5, 8)))),
         'shapes[0]: a mask beyond the image of 60 x 40 px'),
        (dict(shape_type='circle', points=[[1, 1]]), 'a circle of 1 points; expected centre and'),
        (dict(shape_type='line', points=[[1, 1], [2, 2]]), "shape_type is 'line'; allowed: poly"),
    ],
)  # fmt: skip
def test_what_covers_nothing_is_named(tmp_path, shape, says):
    with pytest.raises(EditError) as error:
        read(tmp_path, **shape)
    assert says in str(error.value)
