import cv2
import numpy as np
import pytest
from export_cases import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from samrs_mm.core import masks
from samrs_mm.formats.exports.outlines import as_read, joined, outline

MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: arrays(bool, size, elements=st.booleans())
)


def flooded(free: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Return what can be reached over free pixels, from side to side: slow loop."""
    reached, todo = np.zeros_like(free), [start]
    while todo:
        y, x = todo.pop()
        if 0 <= y < free.shape[0] and 0 <= x < free.shape[1] and free[y, x] and not reached[y, x]:
            reached[y, x] = True
            todo += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return reached


def without_holes(mask: np.ndarray) -> np.ndarray:
    """Fill, in each part by itself, what can't be reached from outside."""
    filled, left = np.zeros_like(mask), mask.copy()
    while left.any():
        part = flooded(mask, tuple(np.argwhere(left)[0]))
        left &= ~part
        outside = np.pad(~part, 1, constant_values=True)
        filled |= ~flooded(outside, (0, 0))[1:-1, 1:-1]
    return filled


def rasterised(rings: list[np.ndarray], mask: np.ndarray) -> np.ndarray:
    """What COCO's own rasteriser makes of rings."""
    parts = coco_mask.frPyObjects([ring.ravel().tolist() for ring in rings], *mask.shape)
    return coco_mask.decode(coco_mask.merge(parts)).astype(bool)


@settings(max_examples=150)
@given(MASKS)
def test_rings_give_back_the_mask_but_for_its_holes(mask):
    found = outline(masks.encode(mask))
    filled = without_holes(mask)
    if not mask.any():
        assert found.parts == []
        return
    np.testing.assert_array_equal(rasterised(found.parts, mask), filled)
    np.testing.assert_array_equal(rasterised([joined(found.parts)], mask), filled)
    assert filled.sum() - found.hole_pixels == mask.sum()
    assert (found.hole_pixels > 0) == (found.holes > 0)


@pytest.mark.parametrize('name', shapes())
def test_known_shapes(name):
    mask = shapes()[name]
    found = outline(masks.encode(mask))
    parts = dict(parts=3, diagonal=10).get(name, 1)
    holes = dict(ring=(2, 51)).get(name, (0, 0))
    assert (len(found.parts), found.holes, found.hole_pixels) == (parts, *holes)
    np.testing.assert_array_equal(rasterised(found.parts, mask), without_holes(mask))
    x, y, w, h = masks.bbox(masks.encode(mask))
    ring = joined(found.parts)
    extent = [*ring.min(axis=0), *ring.max(axis=0)]
    np.testing.assert_allclose(extent, [x + 0.05, y + 0.05, x + w - 0.05, y + h - 0.05])


def test_a_box_has_four_corners_and_the_largest_part_comes_first():
    assert outline(masks.encode(shapes()['box'])).parts[0].tolist() == [
        [8.05, 5.05], [8.05, 14.95], [29.95, 14.95], [29.95, 5.05]
    ]  # fmt: skip
    mask = shapes()['parts'] | shapes()['box']
    mask[20:25, 20:21] = True
    areas = [np.ptp(ring, axis=0).prod().round(3) for ring in outline(masks.encode(mask)).parts]
    assert areas == sorted(areas, reverse=True)
    assert len(areas) == 5


def test_rings_of_many_corners_are_joined_where_they_are_nearest():
    x = np.arange(600)
    first = np.stack([x, x % 2], 1)
    second = np.stack([x[::-1], 40 - abs(x - 130)], 1)
    ring = joined([first, second])
    steps = ((ring - np.roll(ring, 1, 0)) ** 2).sum(1)
    nearest = ((first[:, None] - second[None]) ** 2).sum(2).min()
    inside = [((each - np.roll(each, 1, 0)) ** 2).sum(1) for each in (first, second)]
    assert sorted(steps) == sorted([*np.concatenate(inside), nearest, nearest])


def by_opencv(rings: list[np.ndarray], shape: tuple[int, int], whole=np.asarray) -> np.ndarray:
    """What Ultralytics and supervision make of rings: cut to whole pixels, then ``fillPoly``."""
    mask = np.zeros(shape, np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [whole(ring).astype(np.int32)], 1)
    return mask.astype(bool)


def by_pillow(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """What LabelMe makes of rings: ``ImageDraw.polygon`` with its outline."""
    mask = np.zeros(shape, bool)
    for ring in rings:
        part = Image.new('L', shape[::-1])
        ImageDraw.Draw(part).polygon([tuple(point) for point in ring.tolist()], fill=1, outline=1)
        mask |= np.asarray(part, bool)
    return mask


@settings(max_examples=150)
@given(MASKS)
def test_rings_give_the_mask_to_readers_that_cut_to_whole_pixels(mask):
    found = outline(masks.encode(mask)).parts
    filled = without_holes(mask)
    np.testing.assert_array_equal(by_opencv(found, mask.shape), filled)
    np.testing.assert_array_equal(by_pillow(found, mask.shape), filled)


def test_rings_far_from_the_origin_stay_exact_as_fractions():
    mask = np.zeros((9, 30_000), bool)
    mask[2:7, 29_000:29_999] = mask[4, 28_990:] = True
    size = np.array([30_000, 9])
    rings = [np.round(ring / size, 7) * size for ring in outline(masks.encode(mask)).parts]
    np.testing.assert_array_equal(by_opencv(rings, mask.shape), mask)
    np.testing.assert_array_equal(rasterised(rings, mask), mask)


@settings(max_examples=150)
@given(MASKS)
def test_inner_rings_give_back_the_mask_to_readers_that_fill_the_line(mask):
    found, filled = outline(masks.encode(mask), inner=True), without_holes(mask)
    for whole in (np.asarray, np.rint):
        np.testing.assert_array_equal(by_opencv(found.parts, mask.shape, whole), filled)
    np.testing.assert_array_equal(by_pillow(found.parts, mask.shape), filled)
    for ring in found.parts:
        assert len(ring) >= 3
        assert cv2.contourArea(ring.astype(np.float32)) > 0 or len(np.unique(ring // 1, axis=0)) > 1
        assert (ring > 0).all()
        assert (ring < mask.shape[::-1]).all()


@pytest.mark.parametrize('name', ['box', 'diagonal', 'pixel', 'border', 'whole', 'blob', 'parts'])
def test_what_readers_make_of_polygons(name):
    mask = shapes()[name]
    coded = masks.encode(mask)
    edges, inner = outline(coded).parts, outline(coded, inner=True).parts
    assert as_read(coded, edges) == dict(iou_coco=1, iou_opencv=1)
    assert as_read(coded, inner)['iou_opencv'] == 1
    small = rasterised(inner, mask)
    iou = (small & mask).sum() / (small | mask).sum()
    assert as_read(coded, inner)['iou_coco'] == pytest.approx(iou)


def test_corners_on_the_edges_themselves_are_read_a_pixel_too_wide_and_high():
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    ring = np.array([[10, 10], [10, 20], [20, 20], [20, 10]])
    assert as_read(masks.encode(mask), [ring]) == dict(iou_coco=1, iou_opencv=100 / 121)
