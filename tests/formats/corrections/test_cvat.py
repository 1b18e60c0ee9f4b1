"""CVAT for images 1.1 as CVAT 2 writes it: its masks, polygons, boxes and ellipses."""

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.formats.corrections.cvat import read_cvat
from samrs_mm.formats.corrections.shapes import EditError

WHERE = 'left="3" top="2" width="4" height="3"'


def read(tmp_path, *inside, image='name="deep/P1.png" width="30" height="20"'):
    path = tmp_path / 'annotations.xml'
    shapes = '\n'.join(inside)
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f'<meta><task><name>a</name></task></meta><image id="0" {image}>{shapes}</image>'
        '<image id="1" name="P2.jpg" width="8" height="9"></image></annotations>'
    )
    return read_cvat(path)


def test_masks_are_rows_of_runs_in_a_window(tmp_path):
    first, second = read(
        tmp_path,
        '<tag label="done" source="manual"></tag>',
        f'<mask label="ship" source="file" occluded="0" rle="1, 2, 3, 6" {WHERE} z_order="0" '
        'group_id="7"><attribute name="box_id">a.txt:3</attribute></mask>',
    )
    (shape,) = first.shapes
    assert (first.stem, first.width, first.height) == ('P1', 30, 20)
    assert (second.stem, second.shapes) == ('P2', [])
    assert (shape.label, shape.box_id, shape.group) == ('ship', 'a.txt:3', '7')
    expected = np.zeros((20, 30), bool)
    expected[2:5, 3:7] = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]]) > 0
    np.testing.assert_array_equal(masks.decode(shape.mask), expected)


def test_polygons_boxes_and_ellipses_are_rings(tmp_path):
    edited, _ = read(
        tmp_path,
        '<polygon label="ship" points="1.00,2.00;9.50,2.00;5.00,8.00" z_order="0"></polygon>',
        '<box label="ship" xtl="10.00" ytl="4.00" xbr="20.00" ybr="8.00" rotation="90.00"></box>',
        '<ellipse label="ship" cx="12.00" cy="9.00" rx="8.00" ry="2.00" rotation="90.00"/>',
    )
    polygon, box, ellipse = edited.shapes
    assert polygon.ring.tolist() == [[1, 2], [9.5, 2], [5, 8]]
    assert [shape.bare for shape in edited.shapes] == [False, True, False]
    assert box.ring == pytest.approx(np.array([[17, 1], [17, 11], [13, 11], [13, 1]], float))
    low, high = ellipse.ring.min(axis=0), ellipse.ring.max(axis=0)
    assert [*low, *high] == pytest.approx([10, 1, 14, 17])
    area = masks.fill_polygon(ellipse.ring, 20, 30).sum()
    assert area == pytest.approx(np.pi * 8 * 2, rel=0.05)
    assert {shape.group for shape in edited.shapes} == {None}


def test_a_size_that_can_not_be_takes_no_memory(tmp_path):
    huge = 'name="P1.png" width="1000000" height="1000000"'
    wrong, other = read(tmp_path, image=huge)
    says = "image 'P1.png' is of 1000000 x 1000000 px; at most 1073741824 px are read"
    assert says in str(wrong)
    assert other.stem == 'P2'


@pytest.mark.parametrize(
    ('inside', 'says'),
    [
        (f'<mask label="a" rle="1, 2" {WHERE}/>', 'deep/P1.png: shape 0: its runs do not fill its'),
        ('<polygon label="a" points="1,2;nan,3;4,4"/>', "shape 0: points are '1,2;nan,3;4,4'"),
        (
            '<ellipse label="a" cx="1" cy="2" rx="inf" ry="2"/>',
            "cx, cy, rx, ry are ['1', '2', 'inf'",
        ),
        (
            '<mask label="a" rle="4" left="inf" top="0" width="2" height="2"/>',
            'left, top, width, height',
        ),
        ('<points label="a" points="1,1"/>', 'is a <points>; allowed: <mask>, <polygon>, <box>'),
        ('<polygon label="a" points="1,2;x,3"/>', "shape 0: points are '1,2;x,3'"),
        (
            '<box label="a" xtl="1" ytl="2" xbr="3"/>',
            "shape 0: xtl, ytl, xbr, ybr are ['1', '2', '3', '']",
        ),
        (f'<mask label="a" rle="-1, 13" {WHERE}/>', "rle is '-1, 13'; expected whole numbers"),
        ('<box label="a" xtl="1" ytl="2" xbr="3" ybr="4" rotation="x"/>', "rotation are ['x']"),
    ],
)
def test_an_image_that_can_not_be_read_is_named_and_the_others_are_read(tmp_path, inside, says):
    wrong, other = read(tmp_path, inside)
    assert isinstance(wrong, EditError)
    assert says in str(wrong)
    assert other.stem == 'P2'


def test_a_video_is_no_file_of_images(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text('<annotations><track id="0" label="a"></track></annotations>')
    with pytest.raises(EditError, match='no <image>; export it from CVAT as'):
        read_cvat(path)
