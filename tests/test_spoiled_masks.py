"""The ways in which benchmarks/spoiled_masks.py spoils masks, and its scores."""

from collections import defaultdict

import numpy as np
import pytest
from folders import load_tool

from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor

SIDE, STEP = 50, 6
"""Of a square mask, and its twelve per cent."""


@pytest.fixture(scope='module')
def bench():
    return load_tool('../benchmarks/spoiled_masks')


@pytest.fixture
def square():
    mask = np.zeros((90, 100), bool)
    mask[20 : 20 + SIDE, 30 : 30 + SIDE] = True
    return mask


def test_edges_are_moved_by_a_share_of_the_side(bench, square):
    grown, shrunk = bench.resized(square, bench.SHARE), bench.resized(square, -bench.SHARE)
    for mask, moved in ((grown, STEP), (shrunk, -STEP)):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert (rows[0], rows[-1]) == (20 - moved, 20 + SIDE - 1 + moved)
        assert (columns[0], columns[-1]) == (30 - moved, 30 + SIDE - 1 + moved)
    assert grown[square].all()
    assert square[shrunk].all()


def test_a_shifted_mask_keeps_its_area(bench, square):
    moved = bench.shifted(square)
    assert moved.sum() == square.sum()
    middle = np.argwhere(moved).mean(axis=0) - np.argwhere(square).mean(axis=0)
    assert np.hypot(*middle) == pytest.approx(STEP, abs=1)


def test_few_corners_are_left_of_a_round_mask(bench):
    y, x = np.mgrid[:90, :100]
    disc = np.hypot(y - 45, x - 50) < 30
    spoiled = bench.few_corners(disc)
    assert 0.5 < bench.iou_of(spoiled, disc) < 0.9


def test_filled_prompts_score_as_the_labels_do(bench, square):
    item = load_tool('../benchmarks/boxnet_table').Object(square, 'barn')
    pixels = np.zeros((*square.shape, 3), np.uint8)
    picture = bench.Picture('drawn', 'P0', pixels, [item])
    ious = defaultdict(list)
    bench.score(picture, dict(fill=BoxFillSegmentor()), ious)
    for way in bench.WAYS:
        labels = ious[way, 'labels', '']
        assert ious[way, 'fill', 'mask'] == labels, 'box fill keeps masks as they are'
        assert len(ious[way, 'fill', 'hbox']) == 1
    assert ious['exact', 'labels', ''] == [1.0]
    assert ious['exact', 'fill', 'hbox'] == [1.0]
