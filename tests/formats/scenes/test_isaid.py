import cv2
import numpy as np
import pytest
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.scenes.isaid import read_instances

SHIP, PLANE = (0, 0, 63), (0, 127, 255)


def write(folder, ids, colours):
    paths = folder / 'P0_instance_id_RGB.png', folder / 'P0_instance_color_RGB.png'
    for path, picture in zip(paths, (ids, colours), strict=True):
        Image.fromarray(picture).save(path)
    return paths


@pytest.fixture
def pictures(tmp_path):
    """An upright ship of 12 x 5 px, a slanted plane, and a speck in two parts."""
    ids, colours = np.zeros((2, 300, 90, 3), np.uint8)
    ids[4:9, 10:22], colours[4:9, 10:22] = (75, 80, 85), SHIP
    plane = np.zeros((300, 90), np.uint8)
    cv2.fillPoly(plane, [np.array([[20, 260], [60, 270], [56, 286], [16, 276]])], 1)
    ids[plane == 1], colours[plane == 1] = (75, 80, 90), PLANE
    for y, x in ((100, 3), (140, 70), (140, 71)):
        ids[y, x], colours[y, x] = (90, 0, 0), SHIP
    return ids, colours, plane.astype(bool)


def test_each_number_is_an_instance(pictures, tmp_path):
    ids, colours, plane = pictures
    instances = read_instances(*write(tmp_path, ids, colours))
    assert [each.number for each in instances] == [
        90, 75 + 256 * 80 + 65536 * 85, 75 + 256 * 80 + 65536 * 90,
    ]  # fmt: skip
    assert [each.label for each in instances] == [1, 1, 14]
    found = [masks.decode(each.mask()) for each in instances]
    assert (found[2] == plane).all()
    assert (found[1] == (ids == (75, 80, 85)).all(axis=2)).all()
    assert np.argwhere(found[0]).tolist() == [[100, 3], [140, 70], [140, 71]]


def test_boxes_hold_the_pixels_to_their_far_edges(pictures, tmp_path):
    ids, colours, plane = pictures
    speck, ship, slanted = read_instances(*write(tmp_path, ids, colours))
    np.testing.assert_array_equal(ship.hbox(), [10, 4, 22, 9])
    np.testing.assert_array_equal(speck.hbox(), [3, 100, 72, 141])
    box = ship.rbox()
    assert sorted(map(tuple, box.round(3))) == [(10, 4), (10, 9), (22, 4), (22, 9)]
    y, x = np.nonzero(plane)
    corners = np.concatenate([np.stack([x + i, y + j], 1) for i in (0, 1) for j in (0, 1)])
    rectangle = cv2.minAreaRect(corners.astype(np.float32))
    box = slanted.rbox()
    assert cv2.contourArea(box.astype(np.float32)) == pytest.approx(np.prod(rectangle[1]), rel=1e-3)
    contour = box.astype(np.float32)
    assert all(cv2.pointPolygonTest(contour, tuple(map(float, p)), True) > -0.01 for p in corners)


def test_most_pixels_decide_the_class(pictures, tmp_path):
    ids, colours, _ = pictures
    colours[4:6, 10:22] = PLANE
    instances = read_instances(*write(tmp_path, ids, colours))
    assert [each.label for each in instances] == [1, 1, 14]
    colours[4:9, 10:22] = 0
    assert read_instances(*write(tmp_path, ids, colours))[1].label == 0


def test_no_instances(tmp_path):
    blank = np.zeros((5, 6, 3), np.uint8)
    assert read_instances(*write(tmp_path, blank, blank)) == []


def test_pictures_that_do_not_belong_together(pictures, tmp_path):
    ids, colours, _ = pictures
    with pytest.raises(
        LabelReadError, match=r'90 x 300 px, but P0_instance_color_RGB.png has 90 x'
    ):
        read_instances(*write(tmp_path, ids, colours[:-1]))
    colours[0, 0] = 1
    with pytest.raises(LabelReadError, match=r'colour \(1, 1, 1\) at x=0, y=0 is of no class'):
        read_instances(*write(tmp_path, ids, colours))
