import json

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from scipy import ndimage

from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import corners
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.mask_runs import checked_runs

drawn = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(drawn)
def test_round_trip(mask):
    code = json.loads(json.dumps(masks.encode(mask)))
    back = masks.decode(code)
    assert back.dtype == bool
    np.testing.assert_array_equal(back, mask)
    assert code['size'] == list(mask.shape)
    assert masks.area(code) == mask.sum()


@given(drawn)
def test_memory_layout_and_type_change_nothing(mask):
    code = masks.encode(mask)
    assert masks.encode(np.asfortranarray(mask)) == code
    assert masks.encode(mask.astype(np.uint8)) == code
    assert masks.encode(np.repeat(mask, 2, axis=1)[:, ::2]) == code


@given(drawn, st.tuples(*[st.integers(0, 4)] * 4))
def test_a_window_encodes_as_its_whole_mask(part, margins):
    above, below, left, right = margins
    whole = np.pad(part, ((above, below), (left, right)))
    assert masks.encode_window(part, above, left, *whole.shape) == masks.encode(whole)
    assert masks.encode_window(part[:0], 0, 0, *whole.shape) == masks.encode(whole & False)


@given(drawn)
def test_bbox_is_the_masks_own(mask):
    x, y, w, h = masks.bbox(masks.encode(mask))
    if not mask.any():
        assert (x, y, w, h) == (0, 0, 0, 0)
        return
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (x, y) == (columns[0], rows[0])
    assert (x + w, y + h) == (columns[-1] + 1, rows[-1] + 1)


def test_it_is_the_code_of_pycocotools():
    mask = np.zeros((30, 40), bool)
    mask[4:9, 5:30] = True
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert masks.encode(mask) == {'size': [30, 40], 'counts': code['counts'].decode()}


@pytest.mark.parametrize('size', [[4, 4], [8, 9], [800, 800]])
def test_runs_that_do_not_add_up(size):
    """Of these pycocotools makes masks of whatever was in memory, or never returns."""
    code = masks.encode(np.eye(8, dtype=bool)) | {'size': size}
    for work in (masks.decode, masks.checked, masks.crop,
                 lambda mask: segmentations.from_coco(mask, *size)):  # fmt: skip
        with pytest.raises(masks.MaskError, match='do not add up'):
            work(code)


@pytest.mark.parametrize('counts', ['', 'P', '\n', '~', 'oooooooooooooooo0', 'zzzzzz~', 'é', 'N1'])
def test_text_that_is_no_mask(counts):
    with pytest.raises(masks.MaskError):
        masks.decode(dict(size=[90, 120], counts=counts))


@pytest.mark.parametrize(
    ('code', 'message'),
    [
        ({'size': [8, 8]}, "no 'counts'"),
        ({'size': [8, 8], 'counts': [64]}, "'list' object"),
        ({'size': [8, 8], 'counts': '0'}, 'do not add up'),
        ({'size': [4, 4], 'counts': '`0'}, r'a mask of \[4, 4\] in an image of \[8, 8\]'),
        (None, 'NoneType'),
    ],
)
def test_what_is_no_mask_of_an_image(code, message):
    masks.check_size(masks.encode(np.eye(8, dtype=bool)), [8, 8])
    with pytest.raises(masks.MaskError, match=message):
        masks.check_size(code, [8, 8])


@given(drawn)
def test_sound_masks_pass(mask):
    code = masks.encode(mask)
    assert masks.checked(code) is code


def test_a_large_sound_mask_passes():
    mask = np.zeros((3000, 2000), bool)
    mask[:, 7::500] = mask[-1, -1] = True
    np.testing.assert_array_equal(masks.decode(masks.encode(mask)), mask)


@given(drawn)
def test_pixels_encode_as_their_mask(mask):
    places = np.flatnonzero(mask.ravel('F'))
    assert masks.encode_pixels(places, *mask.shape) == masks.encode(mask)


@given(drawn)
def test_crop_is_the_masks_own_box(mask):
    code = masks.encode(mask)
    x, y, part = masks.crop(code)
    assert [x, y, *part.shape[::-1]] == masks.bbox(code)
    assert part.dtype == bool
    assert part.flags.f_contiguous
    np.testing.assert_array_equal(part, mask[y : y + part.shape[0], x : x + part.shape[1]])
    assert part.sum() == mask.sum()


@given(drawn, st.data())
def test_runs_of_length_zero(mask, data):
    plain = masks.encode(mask)
    runs = checked_runs(plain).tolist()
    for _ in range(2):
        place = data.draw(st.integers(0, len(runs) - 1))
        first = data.draw(st.integers(0, runs[place]))
        runs[place : place + 1] = [first, 0, runs[place] - first]
    text = coco_mask.frPyObjects(dict(size=list(mask.shape), counts=runs), *mask.shape)['counts']
    code = dict(size=list(mask.shape), counts=text.decode())
    assert masks.bbox(code) == masks.bbox(plain)
    np.testing.assert_array_equal(masks.crop(code)[2], masks.crop(plain)[2])
    assert segmentations.from_coco(dict(code, counts=runs), *mask.shape) == plain
    assert masks.overlap(masks.checked(code), plain) == (mask.sum(), mask.sum())


@given(st.data())
def test_overlap(data):
    first = data.draw(drawn)
    second = data.draw(arrays(bool, first.shape))
    expected = (first & second).sum(), (first | second).sum()
    assert masks.overlap(masks.encode(first), masks.encode(second)) == expected


HEIGHT, WIDTH = 40, 60


def by_coco(polygon, height=HEIGHT, width=WIDTH):
    flat = np.asarray(polygon, float).reshape(1, -1).tolist()
    return coco_mask.decode(coco_mask.frPyObjects(flat, height, width))[..., 0].astype(bool)


def near_the_edge(polygon, distance):
    ring = shapely.linestrings(np.vstack([polygon, polygon[:1]]))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return shapely.distance(ring, shapely.points(x, y)) <= distance


def polygons(low, high):
    return st.lists(st.tuples(*[st.floats(low, high)] * 2), min_size=3, max_size=6).map(np.array)


@given(polygons(-500, 500))
def test_near_the_image_it_is_cocos_own(polygon):
    mask = masks.fill_polygon(polygon, HEIGHT, WIDTH)
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.dtype == bool
    assert mask.flags.f_contiguous
    np.testing.assert_array_equal(mask, by_coco(polygon))


@settings(max_examples=60, deadline=None)
@given(polygons(-9000, 9000))
def test_far_ones_are_cut_off_without_moving_an_edge_by_a_pixel(polygon):
    differ = masks.fill_polygon(polygon, HEIGHT, WIDTH) != by_coco(polygon)
    assert not differ.any() or near_the_edge(polygon, 1.0)[differ].all()


def test_a_far_polygon_that_crosses_itself_stays_whole():
    bowtie = np.array([[-9000, 0], [9000, 40], [9000, 0], [-9000, 40.0]])
    crossing = masks.fill_polygon(bowtie, HEIGHT, WIDTH)
    assert crossing.sum() == pytest.approx(by_coco(bowtie).sum(), abs=60)


def test_huge_coordinates():
    box = np.array([[-1e7, 10], [1e7, 10], [1e7, 20], [-1e7, 20]])
    mask = masks.fill_polygon(box, HEIGHT, WIDTH)
    assert mask[10:20].all()
    assert mask.sum() == 10 * WIDTH


@pytest.mark.parametrize('offset', [(0, 500), (5000, 0), (-5000, -5000)])
def test_outside_is_empty(offset):
    box = np.array([[0, 0], [50, 0], [50, 30], [0, 30]]) + np.array(offset)
    assert not masks.fill_polygon(box, HEIGHT, WIDTH).any()


def test_whole_pixels():
    mask = masks.fill_polygon(np.array([[3, 5], [9, 5], [9, 8], [3, 8]]), HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[5:8, 3:9] = True
    np.testing.assert_array_equal(mask, expected)


ROWS, COLUMNS = 6, 8
scores = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.2])
parts_drawn = st.lists(
    st.tuples(st.integers(0, 254), arrays(bool, (ROWS, COLUMNS)), scores), max_size=6
)


def instance(label, mask, score=None):
    return masks.Instance(label, masks.encode(mask), int(mask.sum()), score)


def slowly_composed(parts, policy):
    """Ask every pixel which of its masks wins: the later box where two are equal."""
    labels = np.full((ROWS, COLUMNS), UNLABELLED)
    visible = [0] * len(parts)
    for y in range(ROWS):
        for x in range(COLUMNS):
            here = [k for k, (_, mask, _) in enumerate(parts) if mask[y, x]]
            rank = {
                'small_on_top': lambda k: (-parts[k][1].sum(), k),
                'file_order': lambda k: (0, k),
                'score': lambda k: (-1 if parts[k][2] is None else parts[k][2], k),
            }[policy]
            if here:
                winner = max(here, key=rank)
                labels[y, x] = parts[winner][0]
                visible[winner] += 1
    return labels, visible


@pytest.mark.parametrize('policy', masks.OVERLAP_POLICIES)
@given(parts=parts_drawn)
def test_against_a_loop_over_pixels(policy, parts):
    labels, visible = masks.compose([instance(*part) for part in parts], ROWS, COLUMNS, policy)
    expected, seen = slowly_composed(parts, policy)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    assert visible == seen
    assert all(type(area) is int for area in visible)


def test_ties_go_to_the_later_box():
    mask = np.ones((ROWS, COLUMNS), bool)
    for policy in masks.OVERLAP_POLICIES:
        equal = [instance(label, mask, 0.5) for label in (3, 1, 2)]
        assert masks.paint_order(equal, policy) == [0, 1, 2]
        labels, visible = masks.compose(equal, ROWS, COLUMNS, policy)
        assert (labels == 2).all()
        assert visible == [0, 0, ROWS * COLUMNS]


def test_policies_differ_where_they_should():
    big, small = np.ones((ROWS, COLUMNS), bool), np.zeros((ROWS, COLUMNS), bool)
    small[2, 3] = True
    parts = [instance(0, small, 0.9), instance(1, big, 0.1)]
    winners = {p: masks.compose(parts, ROWS, COLUMNS, p)[0][2, 3] for p in masks.OVERLAP_POLICIES}
    assert winners == dict(small_on_top=0, file_order=1, score=0)


def test_nothing_is_unlabelled():
    labels, visible = masks.compose([], ROWS, COLUMNS, 'score')
    assert (labels == UNLABELLED).all()
    assert visible == []


def test_many_instances():
    instances = [instance(k % 255, np.eye(40, dtype=bool)) for k in range(300)]
    labels, visible = masks.compose(instances, 40, 40, 'file_order')
    assert labels[0, 0] == 299 % 255
    assert sum(visible) == visible[-1] == 40


def test_unknown_policy():
    assert masks.check_policy('score') == 'score'
    with pytest.raises(RefusedError, match="overlap_policy 'big' is unknown; allowed: small_on_to"):
        masks.check_policy('big')


TALL, WIDE = 24, 31


def slow(mask, polygon, prompt_box):
    """The measures, written down from their definitions."""
    if prompt_box is None:
        low, high = np.min(polygon, axis=0), np.max(polygon, axis=0)
        prompt_box = [*np.clip(low, 0, [WIDE, TALL]), *np.clip(high, 0, [WIDE, TALL])]
    frame = masks.fill_polygon(corners(np.array([prompt_box], float))[0], TALL, WIDE)
    inside = masks.fill_polygon(np.array(polygon), TALL, WIDE)
    outside = mask & ~inside
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = False
    return dict(
        fill=pytest.approx((mask & frame).sum() / max(frame.sum(), 1), abs=1e-6),
        coverage=pytest.approx((mask & inside).sum() / max(inside.sum(), 1), abs=1e-6),
        leakage=pytest.approx(outside.sum() / mask.sum(), abs=1e-6),
        components=ndimage.label(mask, np.ones((3, 3)))[1],
        at_border=bool((mask & edge).any()),
    )


def measure(mask, polygon, prompt_box=None):
    return masks.measure(masks.encode(mask), polygon, prompt_box)


coordinates = st.tuples(st.floats(-20, 50), st.floats(-20, 50))


@settings(max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.02, 0.9),
    st.lists(coordinates, min_size=4, max_size=4),
    st.none() | st.tuples(st.floats(0, 20), st.floats(0, 15), st.floats(1, 11), st.floats(1, 9)),
)
def test_measures_against_slow_ones(seed, density, polygon, frame):
    mask = np.random.default_rng(seed).random((TALL, WIDE)) < density
    mask[4, 7] = True
    prompt_box = frame and [frame[0], frame[1], frame[0] + frame[2], frame[1] + frame[3]]
    found = measure(mask, polygon, prompt_box)
    assert found == slow(mask, polygon, prompt_box)
    assert tuple(found) == masks.MEASURES


def test_measures_by_hand():
    mask = np.zeros((TALL, WIDE), bool)
    mask[5:10, 5:15] = True
    mask[10, 15] = True
    mask[20, 20] = True
    square = [[5, 5], [15, 5], [15, 15], [5, 15]]
    found = measure(mask, square, [5, 5, 15, 10])
    assert found == dict(
        fill=1.0, coverage=0.5, leakage=round(2 / 52, 6), components=2, at_border=False
    )
    found = measure(mask, square)
    assert found == dict(
        fill=0.5, coverage=0.5, leakage=round(2 / 52, 6), components=2, at_border=False
    )


def test_a_filled_box_has_fill_one_and_no_leakage():
    rng = np.random.default_rng(0)
    for _ in range(50):
        low = rng.uniform(-5, 15, 2)
        polygon = corners(np.array([[*low, *(low + rng.uniform(6, 40, 2))]]))[0]
        mask = masks.fill_polygon(polygon, TALL, WIDE)
        found = measure(mask, polygon.tolist())
        assert (found['leakage'], found['components']) == (0, 1)
        assert found['fill'] == found['coverage'] == 1


@pytest.mark.parametrize('place', [(0, 9), (TALL - 1, 9), (9, 0), (9, WIDE - 1), (9, 9)])
def test_at_border(place):
    mask = np.zeros((TALL, WIDE), bool)
    mask[place] = True
    found = measure(mask, [[0, 0], [9, 0], [9, 9], [0, 9]])
    assert found['at_border'] == (place != (9, 9))


@pytest.mark.parametrize('place', [(0, 0), (-3, -2), (4, 5), (9, 6), (30, 30), (2, -20)])
def test_a_window_of_a_mask_is_that_of_its_pixels(place):
    rng = np.random.default_rng(3)
    mask = np.zeros((18, 23), bool)
    mask[3:15, 4:19] = rng.random((12, 15)) < 0.5
    (x, y), (width, height) = place, (12, 9)
    framed = np.zeros((80, 80), bool)
    framed[25:43, 25:48] = mask
    wanted = framed[y + 25 : y + 25 + height, x + 25 : x + 25 + width]
    found = masks.cut(masks.encode(mask), x, y, width, height)
    assert (masks.decode(found) == wanted).all()
    assert found == masks.encode(wanted)
