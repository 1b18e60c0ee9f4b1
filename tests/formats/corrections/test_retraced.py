"""Masks that a tool traced anew are no edits; what was moved, cut or drawn is."""

import cv2
import numpy as np
import pytest
from export_cases import SIZE, shapes

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.corrections.retraced import is_retraced, matched, rendered, with_line
from samrs_mm.formats.corrections.shapes import Shape
from samrs_mm.formats.exports.outlines import outline


def box_of(mask):
    corners = np.array([[2, 2], [6, 2], [6, 5], [2, 5]], float)
    box = BoxEntry.new(1, 'a.txt:1', 0, 'ship', 'hbox', corners, corners, None, 'kept')
    box.enter_mask(masks.Mask(masks.encode(mask)), '')
    return box


def through_centres(mask, thinned=2.0):
    """Trace a mask as FiftyOne does: holes as well, through the middle of pixels, thinned."""
    rings, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    thin = [cv2.approxPolyDP(ring, thinned, closed=True)[:, 0].astype(float) for ring in rings]
    return [Shape('s', 'ship', ring=ring) for ring in thin if len(ring) >= 3]


def along_edges(mask):
    return [
        Shape('s', 'ship', ring=ring.astype(float)) for ring in outline(masks.encode(mask)).parts
    ]


CASES = [name for name in shapes() if name not in ('diagonal', 'pixel')]


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('trace', [through_centres, along_edges])
def test_a_mask_traced_anew_is_the_mask(name, trace):
    mask = shapes()[name]
    assert is_retraced(trace(mask), box_of(mask))


def chained(mask):
    """Trace a mask as CVAT does where it makes polygons of masks: closed, without tiny parts."""
    rings, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_KCOS
    )
    closed = [np.concatenate([ring, ring[:1]])[:, 0].astype(float) for ring in rings]
    return [Shape('s', 'ship', ring=ring) for ring in closed if cv2.contourArea(ring.astype(int))]


def test_polygons_that_cut_off_bays_are_the_mask_and_those_of_others_are_not():
    mask = np.zeros((60, 80), bool)
    mask[5:45, 5:65] = True
    mask[5:30, 30:32] = False
    mask[50, 3] = True
    box, whole = box_of(mask), chained(mask)
    (ring,) = (shape.ring for shape in whole)
    filled = cv2.fillPoly(np.zeros(mask.shape, np.uint8), [ring.astype(np.int32)], 1)
    assert filled.sum() > mask.sum() + 20
    assert is_retraced(whole, box)
    pulled = ring.copy()
    pulled[2] += 3
    assert not is_retraced([Shape('s', 'ship', ring=pulled)], box)
    two = mask.copy()
    two[50:55, 50:56] = True
    assert not is_retraced(whole, box_of(two))


@pytest.mark.parametrize('name', ['box', 'ring', 'parts', 'blob'])
def test_what_was_moved_or_cut_is_an_edit(name):
    mask = shapes()[name]
    moved = through_centres(mask)
    for shape in moved:
        shape.ring = shape.ring + 4
    assert not is_retraced(moved, box_of(mask))
    cut = mask.copy()
    cut[: np.flatnonzero(mask.any(1))[0] + 5] = False
    assert not is_retraced(through_centres(cut), box_of(mask))
    assert not is_retraced(through_centres(mask)[:1], box_of(shapes()['whole']))


def test_a_part_that_was_deleted_is_an_edit():
    mask = shapes()['parts']
    assert not is_retraced(along_edges(mask)[:2], box_of(mask))


def test_masks_are_the_same_or_edits():
    mask = shapes()['ring']
    box = box_of(mask)
    assert is_retraced([Shape('s', 'ship', mask=masks.encode(mask))], box)
    mask[21, 21] = False
    assert not is_retraced([Shape('s', 'ship', mask=masks.encode(mask))], box)


def test_boxes_are_found_by_what_overlaps_most():
    drawn = shapes()
    boxes = [box_of(drawn[name]) for name in ('box', 'ring', 'blob')]
    objects = [through_centres(drawn[name]) for name in ('blob', 'border', 'box')]
    assert matched(objects, boxes, *SIZE) == {0: 2, 2: 0}


def test_the_rule_of_filling_is_that_of_the_untouched():
    drawn = shapes()
    for trace, line in ((through_centres, True), (along_edges, False)):
        pairs = [(trace(drawn[name]), box_of(drawn[name])) for name in ('box', 'blob')]
        assert with_line(pairs, *SIZE, usual=not line) is line
        assert with_line([], *SIZE, usual=line) is line
        found = rendered(pairs[0][0], *SIZE, line)
        np.testing.assert_array_equal(found, drawn['box'])
