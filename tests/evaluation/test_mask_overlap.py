import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core import masks
from samrs_mm.evaluation.mask_overlap import MaskRegion, boundary_width, measure


def slow_boundary(mask, width):
    """Pixels of the mask with something else, or the image's end, at most ``width`` away."""
    height, span = mask.shape
    edge = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        rows, columns = range(y - width, y + width + 1), range(x - width, x + width + 1)
        edge[y, x] = any(
            not (0 <= r < height and 0 <= c < span and mask[r, c]) for r in rows for c in columns
        )
    return edge


def blob(rng, height, width):
    coarse = rng.random((4, 4)).astype(np.float32)
    return cv2.resize(coarse, (width, height)) > rng.uniform(0.3, 0.8)


@given(st.integers(0, 10**6), st.integers(3, 24), st.integers(3, 24), st.integers(1, 5))
@settings(max_examples=40)
def test_counts_equal_those_of_whole_images(seed, height, width, edge):
    rng = np.random.default_rng(seed)
    found, truth = blob(rng, height, width), blob(rng, height, width)
    truth[0, 0] = True
    overlap = measure(*(MaskRegion.of(masks.encode(mask), edge) for mask in (found, truth)))
    edges = [slow_boundary(mask, edge) for mask in (found, truth)]
    assert overlap.area == found.sum()
    assert overlap.intersection == (found & truth).sum()
    assert overlap.union == (found | truth).sum()
    assert overlap.boundary_intersection == (edges[0] & edges[1]).sum()
    assert overlap.boundary_union == (edges[0] | edges[1]).sum()


def test_a_thick_square_by_hand():
    truth = np.zeros((40, 40), bool)
    truth[5:25, 5:25] = True
    moved = np.roll(truth, 1, axis=1)
    overlap = measure(*(MaskRegion.of(masks.encode(mask), 2) for mask in (moved, truth)))
    ring = 400 - 16**2
    # two rows above and below share 19 columns, the 16 between share columns 6 and 24
    assert overlap.boundary_union == 2 * ring - overlap.boundary_intersection
    assert (overlap.intersection, overlap.union) == (380, 420)
    assert overlap.boundary_intersection == 4 * 19 + 2 * 16


def test_no_mask_leaves_the_truth_alone():
    truth = MaskRegion.of(masks.encode(np.ones((6, 8), bool)), 1)
    empty = MaskRegion.of(masks.encode(np.zeros((6, 8), bool)), 1)
    for found in (None, empty):
        overlap = measure(found, truth)
        assert (overlap.area, overlap.intersection, overlap.union) == (0, 0, 48)
        assert (overlap.boundary_intersection, overlap.boundary_union) == (0, 48 - 24)


@pytest.mark.parametrize(
    ('height', 'width', 'pixels'), [(1024, 1024, 29), (884, 977, 26), (20, 20, 1), (3, 4, 1)]
)
def test_the_width_follows_the_diagonal(height, width, pixels):
    assert boundary_width(height, width) == pixels
