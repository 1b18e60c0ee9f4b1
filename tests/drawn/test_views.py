import numpy as np
import pytest

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn import views
from samrs_mm.drawn.crop_canvas import Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import Part, block, oval, rectangle, turned

GREY = np.full(3, 128.0)
BOX = rectangle(10, 50, 20, 40)


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


def thing(*outlines: np.ndarray) -> Thing:
    return Thing(KINDS['bar'], [Part(points, GREY, True) for points in outlines])


def test_a_tight_box_is_upright_or_of_least_area():
    slanted = turned(block(40, 10), 0.5)
    upright = views.tight_box(slanted, oriented=False)
    np.testing.assert_allclose(upright.min(axis=0), slanted.min(axis=0))
    np.testing.assert_allclose(upright.max(axis=0), slanted.max(axis=0))
    turned_box = views.tight_box(slanted, oriented=True)
    sides = sorted(np.hypot(*(turned_box[1:3] - turned_box[:2]).T))
    np.testing.assert_allclose(sides, [10, 40], atol=1e-3)


def test_the_sides_of_a_loosened_box_move_within_their_bounds(dice):
    moves = []
    for _ in range(400):
        box = views.loosened(dice, BOX, oriented=False)
        (x0, y0), (x1, y1) = box.min(axis=0), box.max(axis=0)
        moves += [(10 - x0) / 40, (x1 - 50) / 40, (20 - y0) / 20, (y1 - 40) / 20]
    assert views.TIGHTEST <= min(moves) < -0.025
    assert 0.19 < max(moves) <= views.LOOSEST
    tight = np.mean(np.abs(moves) <= 0.01)
    assert 0.2 < tight < 0.4


def test_as_many_boxes_are_tight_as_said(dice):
    for share in (0.0, 0.25, 1.0):
        sides = [
            np.ptp(views.loosened(dice, BOX, False, tight=share), axis=0) / np.ptp(BOX, axis=0)
            for _ in range(300)
        ]
        tight = np.mean([(np.abs(each - 1) <= 0.02 + 1e-9).all() for each in sides])
        assert share - 0.1 <= tight <= share + 0.2


def test_a_loosened_box_starts_at_any_corner_and_stays_in_order(dice):
    starts = set()
    for _ in range(40):
        box = views.loosened(dice, BOX, oriented=False)
        x, y = box.T
        assert 0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)) > 700, 'clockwise on the screen'
        starts.add(tuple((box[0] > (30, 30)).tolist()))
    assert len(starts) == 4


def test_a_box_grows_by_as_many_pixels_as_its_mask(dice):
    grown = [np.ptp(views.loosened(dice, BOX, False, 5), axis=0) for _ in range(200)]
    assert np.median(grown, axis=0) == pytest.approx([50, 30], rel=0.06)


def test_only_oriented_boxes_are_tilted(dice):
    def angles(oriented):
        boxes = (views.loosened(dice, BOX, oriented) for _ in range(60))
        sides = np.array([box[1] - box[0] for box in boxes])
        return np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2)

    assert np.allclose(np.minimum(angles(False), np.pi / 2 - angles(False)), 0, atol=1e-9)
    tilted = angles(True)
    tilted = np.minimum(tilted, np.pi / 2 - tilted)
    assert 0.005 < tilted.mean() < 0.05
    assert tilted.max() < 0.2


def test_a_border_view_knows_where_its_box_is(dice):
    middle = np.array([250, 260])
    corners = turned(block(400, 100), 0.3) + middle
    at = turned([(200, 0)], 0.3)[0] + middle
    view = views.border_view(dice, corners, True, at, 96)
    np.testing.assert_allclose(view.frame.centre, at)
    np.testing.assert_allclose(view.frame.centre + view.centre @ view.frame.axes, middle)
    np.testing.assert_allclose(view.half, (200, 50))
    assert (view.frame.reach <= 1.25 * 48).all()


def test_a_window_is_no_larger_than_the_whole_crop(dice):
    small = rectangle(0, 30, 0, 20)
    view = views.border_view(dice, small, False, np.zeros(2), 96)
    whole, _ = CropFrame.around(small)
    np.testing.assert_allclose(view.frame.reach, whole.reach)


def test_points_lie_inside_and_on_the_border(dice):
    limbs = rectangle(-0.5, 0.5, -0.1, 0.1), rectangle(0.3, 0.5, 0.1, 0.6)
    shape = views.Silhouette(thing(*limbs))
    for _ in range(100):
        x, y = shape.inner_point(dice)
        assert (abs(x) < 0.5 and abs(y) < 0.1) or (0.3 < x < 0.5 and 0 < y < 0.6)
        x, y = shape.border_point(dice)
        far = [abs(x + 0.5), abs(x - 0.5), abs(x - 0.3), abs(y + 0.1), abs(y - 0.1), abs(y - 0.6)]
        assert min(far) < 0.03


@pytest.mark.parametrize(
    ('outline', 'expected'),
    [(block(1, 0.2), 0.2), (oval(1, 1), 1), (turned(block(2, 0.3), 0.7), 0.3)],
)
def test_thickness_is_that_of_the_largest_disc_inside(outline, expected):
    found = views.Silhouette(thing(outline)).thickness()
    assert found == pytest.approx(expected, abs=0.05)


def test_a_point_view_is_upright_square_and_up_to_three_times_as_large(dice):
    points = block(60, 20)
    views_ = [views.point_view(dice, np.array([3.0, 4]), points) for _ in range(200)]
    reach = np.array([view.frame.reach for view in views_])
    np.testing.assert_array_equal(reach[:, 0], reach[:, 1])
    assert 0.6 * 30 <= reach.min() < 20
    assert 80 < reach.max() <= 3 * 30
    np.testing.assert_array_equal(views_[0].frame.axes, np.eye(2))
    assert views_[0].half is None


def test_a_coarse_mask_errs_at_the_border_only(dice):
    target = np.zeros((96, 96), np.float32)
    target[:, :48] = 1
    wrong = np.zeros((96, 96))
    for _ in range(50):
        mask = views.coarse(dice, target)
        assert mask.dtype == np.float32
        wrong += (mask > 0.5) != (target > 0.5)
    assert wrong[:, 40:56].sum() > 0.75 * wrong.sum() > 0
    assert (wrong[:, 44:52].sum(axis=0) > 0).all(), 'it is too large as often as too small'
