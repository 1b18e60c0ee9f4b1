import numpy as np
import pytest
from export_cases import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from samrs_mm.core import masks
from samrs_mm.formats.exports.outlines import joined, outline

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
    assert found.area - found.hole_pixels == mask.sum()
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
    assert (*ring.min(axis=0), *ring.max(axis=0)) == (x, y, x + w, y + h)


def test_a_box_has_four_corners_and_the_largest_part_comes_first():
    assert outline(masks.encode(shapes()['box'])).parts[0].tolist() == [
        [8, 5], [8, 15], [30, 15], [30, 5]
    ]  # fmt: skip
    mask = shapes()['parts'] | shapes()['box']
    mask[20:25, 20:21] = True
    areas = [np.ptp(ring, axis=0).prod() for ring in outline(masks.encode(mask)).parts]
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
