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


AIRPLANE = dict(
    size=[512, 512],
    counts=(
        ']WQ43k?3N2N10001O001O001O01O010O010O010O0010O010O010O01O01O01O01O010O1e@Fo>g0N9G'
        ':F`0@1N1O2N10OOD<J7C`APOk>i0:000O101N1OCPAMo>2SAMl>2WAMh>4XAMg>2[AMd>3]ANa>2aAM^'
        '>3cAN[>2gAMX>3iAMW>1lAOR>1oAOP>1RBNm=2TBOj=0YBOg=0ZB0e=0]BOb=1_B0_=0cBO]=0dB0[=0'
        'gB0W=0jB0U=0mBOR=0PC1o<NSC1m<NTC3k<LWC3i<LXC5h<H[Ck0c=0001O0O2MN[Om@a0V?Aj@:Y?Hf'
        '@6[?6100O100K6N2N2N2NRX^2'
    ),
)
"""A drawn airplane whose wings end in points."""
EXPORTED = [
    298.0, 305.5, 293.5, 303.0, 290.5, 255.0, 260.0, 241.5, 257.5, 237.0, 261.0, 232.5,
    268.0, 232.5, 295.0, 243.5, 303.0, 234.5, 332.0, 213.5, 336.0, 213.5, 336.5, 217.0,
    308.5, 249.0, 344.0, 267.5, 342.5, 263.0, 350.0, 255.5, 354.0, 255.5, 349.5, 273.0,
    341.5, 291.0, 337.0, 292.5, 335.0, 271.5, 303.0, 260.5, 298.0, 305.5,
]  # fmt: skip
"""What FiftyOne 1.22 made of it when nobody had touched it: x, y, x, y, ..."""


def test_an_export_of_fiftyone_that_cuts_thin_ends_is_the_mask():
    ring = np.array(EXPORTED).reshape(-1, 2)
    box = box_of(masks.decode(AIRPLANE) > 0)
    assert is_retraced([Shape('s', 'airplane', ring=ring)], box)
    cut = np.delete(ring, [3, 4, 5], axis=0)  # the end of a wing
    assert not is_retraced([Shape('s', 'airplane', ring=cut)], box)


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
