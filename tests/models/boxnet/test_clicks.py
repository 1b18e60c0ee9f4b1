import numpy as np
import pytest
from boxnet_cases import AT, bright_ellipses, iou, painter

from samrs_mm.core import boxes as box_ops
from samrs_mm.models.boxnet.asked import Picture
from samrs_mm.models.boxnet.clicks import click

IMAGE, MASKS, BOXES = bright_ellipses(200, 240, count=1)
INSIDE = BOXES[0].mean(axis=0)
OFF = np.array([9, 2])
SIZE = IMAGE.shape[:2]
PICTURE = Picture(IMAGE)
BOX = [60, 50, 150, 140]


def upright(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_a_click_on_an_object():
    answer = click(painter('grey'), PICTURE, [[*INSIDE, 1]])
    assert answer.mask.shape == SIZE
    assert answer.mask.dtype == bool
    assert iou(answer.mask, MASKS[0]) > 0.9
    assert 0 <= answer.stability <= 1
    assert answer.score == answer.found.score


def seen_by(*args, **more):
    """Return the answer, and the crop ``(14, S, S)`` that the network was shown first."""
    maker = painter('grey')
    answer = click(maker, PICTURE, *args, **more)
    return answer, maker.network.seen[0][0].numpy()


@pytest.mark.parametrize('oriented', [False, True])
def test_a_box_is_shown_as_it_is(oriented):
    box = BOXES[0] if oriented else upright(MASKS[0])
    answer, crop = seen_by([], box=box)
    assert crop[AT['boxed']].all()
    assert crop[AT['oriented']].all() == oriented
    assert not crop[AT['object_clicks'] :].any()
    assert iou(answer.mask, MASKS[0]) > 0.9


def test_clicks_and_the_answer_before_are_shown():
    first = click(painter('grey'), PICTURE, [[*INSIDE, 1]])
    clicks = [[*INSIDE, 1], [*(INSIDE + OFF), 1], [*(INSIDE - OFF), 0]]
    answer, crop = seen_by(clicks, previous=first)
    assert not crop[AT['boxed']].any()
    assert crop[AT['object_clicks']].max() == crop[AT['background_clicks']].max() == 1
    before = crop[AT['previous']]
    bright = crop[AT['grey']] > 0
    assert ((before > 0) == bright).mean() > 0.97
    assert iou(answer.mask, MASKS[0]) > 0.9


def test_any_mask_can_be_the_start():
    _, by_answer = seen_by([], previous=click(painter('grey'), PICTURE, [[*INSIDE, 1]]))
    _, by_mask = seen_by([], previous=MASKS[0])
    assert ((by_mask[AT['previous']] > 0) == (by_answer[AT['previous']] > 0)).mean() > 0.95
    assert by_mask[AT['previous']].min() == -1
    box, _ = seen_by([], box=upright(MASKS[0]), previous=MASKS[0])
    assert iou(box.mask, MASKS[0]) > 0.9


def test_a_click_beyond_the_mask_is_in_the_crop():
    small = np.zeros(SIZE, bool)
    small[90:100, 100:110] = True
    _, crop = seen_by([[150.0, 60, 1]], previous=small)
    assert crop[AT['object_clicks']].max() == 1
    assert (crop[AT['previous']] > 0).any()


@pytest.mark.parametrize('oriented', [False, True])
def test_a_box_grows_to_what_is_clicked_beyond_it(oriented):
    corners = BOXES[0] if oriented else box_ops.corners(upright(MASKS[0])[None].astype(float))[0]
    half = corners.copy()
    half[2:] = (corners[:2][::-1] + corners[2:]) / 2
    given = half if oriented else np.concatenate([half.min(axis=0), half.max(axis=0)])
    before, _ = seen_by([], box=given)
    beyond = (half[2:].mean(axis=0) + corners[2:].mean(axis=0)) / 2
    answer, crop = seen_by([[*beyond, 1]], box=given, previous=before)
    clicked = crop[AT['object_clicks']] == 1
    assert clicked.any()
    assert crop[AT['boxed']].all()
    assert crop[AT['oriented']].all() == oriented
    assert min(crop[AT[name]][clicked].min() for name in ('across_x', 'across_y')) > 0.2
    assert iou(answer.mask, MASKS[0]) > 0.9
    _, there = seen_by([[*half.mean(axis=0), 1], [*corners[2], 0]], box=given)
    np.testing.assert_array_equal(there[AT['across_x']], seen_by([], box=given)[1][AT['across_x']])


def test_a_hole_that_is_clicked_on_stays_open():
    image = np.full((100, 100, 3), 30, np.uint8)
    image[20:80, 20:80], image[30:40, 30:40], image[55:70, 50:70] = 220, 30, 30
    box = [18, 18, 82, 82]
    first = click(painter('grey'), Picture(image), [], box)
    assert first.mask[32:38, 32:38].all()
    assert first.mask[58:67, 53:67].all()
    better = click(painter('grey'), Picture(image), [[60, 62, 0]], box, first)
    assert better.mask[32:38, 32:38].all()
    assert not better.mask[58:67, 53:67].any()


def test_a_small_part_that_is_clicked_on_stays():
    image = np.full((120, 120, 3), 30, np.uint8)
    image[20:80, 20:80], image[90:100, 90:100], image[90:100, 20:30] = 220, 220, 220
    clicks, box = [[50, 50, 1], [95, 95, 1]], [18, 18, 102, 102]
    assert not click(painter('grey'), Picture(image), clicks[:1], box).mask[85:].any()
    found = click(painter('grey'), Picture(image), clicks, box).mask
    assert found[92:98, 92:98].all()
    assert not found[85:, :60].any()


def test_an_empty_mask_before_is_as_none():
    clicks = [[*INSIDE, 1]]
    fresh = click(painter('grey'), PICTURE, clicks)
    answer = click(painter('grey'), PICTURE, clicks, previous=np.zeros(SIZE, bool))
    np.testing.assert_array_equal(answer.mask, fresh.mask)


def test_the_mask_keeps_to_pixels_with_data():
    valid = np.ones(SIZE, bool)
    valid[:, int(INSIDE[0]) :] = False
    answer = click(painter('box'), Picture(IMAGE, valid), [], box=upright(MASKS[0]))
    assert answer.mask.any()
    assert not answer.mask[:, int(INSIDE[0]) :].any()


@pytest.mark.parametrize(
    ('clicks', 'more', 'problem'),
    [
        ([], {}, 'clicks: with no box and no mask one on the object is needed'),
        ([[3, 4, 0]], {}, 'one on the object is needed'),
        ([[3, 4]], {}, 'clicks: rows of x, y and 1 or 0 are needed'),
        ([3, 4, 1], {}, 'clicks: rows of x, y and 1 or 0'),
        ([[3, 4, 1], [3, 4]], {}, 'clicks: rows of x, y and 1 or 0'),
        ('here', {}, 'clicks: rows of x'),
        ([[3, np.nan, 1]], {}, 'clicks: rows of x, y'),
        ([[3, 4, 2]], {}, r'clicks: 1 for the object or 0, not \[2\.0\]'),
        ([], dict(box=[1, 2, 3]), r'box: x0, y0, x1, y1 or four corners are needed'),
        ([], dict(box=[1, 2, 3, np.inf]), 'box: x0'),
        ([], dict(previous=np.zeros((4, 4), bool)), r'previous: 4 x 4 bool, not \(200, 240\)'),
        ([], dict(previous=np.zeros(SIZE)), 'previous: 200 x 240 float64'),
        ([], dict(previous=np.zeros(SIZE, bool)), 'one on the object is needed'),
        ([], dict(box=BOX, previous=np.zeros((4, 4), bool)), 'previous: 4 x 4 bool'),
        ([], dict(box=BOX, previous=np.full(SIZE, 255, np.uint8)), 'previous: 200 x 240 uint8'),
        ([], dict(box=BOX, previous=[[0, 1]]), 'previous: 1 x 2 int64, not'),
        (
            [[241, 4, 1]],
            {},
            r'\[241\.0, 4\.0\] \(x, y\) lies outside the 240 x 200 px image',
        ),
        ([[3, 4, 1], [3, -1, 0]], {}, r'clicks: \[3\.0, -1\.0\]'),
        ([], dict(box=[240, 10, 300, 60]), r'box: .* lies outside the 240 x 200 px image'),
        (
            [],
            dict(box=[50, 50, 20, 20]),
            r'box: \[50\.0, .*\] is empty; needed: x0 < x1 and y0 < y1',
        ),
        ([], dict(box=[50, 50, 50, 60]), 'is empty'),
    ],
)
def test_what_cannot_be(clicks, more, problem):
    with pytest.raises(ValueError, match=problem):
        click(painter(), PICTURE, clicks, **more)
