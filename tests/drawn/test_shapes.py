import numpy as np
import pytest

from samrs_mm.drawn import shapes
from samrs_mm.drawn.shapes import Part, Shape

PAINTS = [(200, 100, 50), (50, 60, 70)]
SUN = np.array([1.0, 0.0])


def make(name: str) -> Shape:
    rng = np.random.default_rng(3)
    return {
        'car': lambda: shapes.car(rng, PAINTS),
        'lorry': lambda: shapes.lorry(rng, PAINTS),
        'jet': lambda: shapes.plane(rng, 100, PAINTS),
        'light plane': lambda: shapes.plane(rng, 30, PAINTS),
        'boat': lambda: shapes.boat(rng, 40, PAINTS),
        'freighter': lambda: shapes.freighter(rng, 110, PAINTS, PAINTS),
        'jetty': lambda: shapes.jetty(200, 24, PAINTS[0]),
        'tank': lambda: shapes.tank(rng, 20, PAINTS, SUN),
        'tennis': lambda: shapes.court('tennis', PAINTS[0]),
        'basketball': lambda: shapes.court('basketball', PAINTS[0]),
        'soccer field': lambda: shapes.soccer_field(150, 90),
        'running track': lambda: shapes.running_track(300, 160, PAINTS[0]),
        'pool': lambda: shapes.pool(rng, 50),
        'windmill': lambda: shapes.windmill(rng, 40),
        'tree': lambda: shapes.tree(rng, PAINTS),
        'building': lambda: shapes.building(rng, 90, 50, PAINTS),
    }[name]()


SIZES = {
    'car': (17, 22, 7, 10), 'lorry': (44, 62, 11, 13), 'jet': (99, 101, 88, 100),
    'light plane': (29, 31, 30, 36), 'boat': (40, 40, 9, 14), 'freighter': (110, 110, 17, 22),
    'jetty': (200, 200, 48, 48), 'tank': (40, 40, 40, 40), 'tennis': (80, 80, 37, 37),
    'basketball': (92, 92, 49, 49), 'soccer field': (150, 150, 90, 90),
    'running track': (300, 300, 160, 160), 'pool': (50, 50, 22, 30), 'windmill': (50, 75, 50, 80),
    'tree': (8, 24, 8, 24), 'building': (90, 90, 50, 50),
}  # fmt: skip


@pytest.mark.parametrize('name', SIZES)
def test_boxes_are_tight_around_the_silhouette_and_have_the_size_asked_for(name):
    shape = make(name)
    points = np.concatenate([part.points for part in shape.parts if part.solid])
    low, high = shape.box.min(0), shape.box.max(0)
    np.testing.assert_allclose([low, high], [points.min(0), points.max(0)])
    length, width = high - low
    shortest, longest, narrowest, widest = SIZES[name]
    assert shortest - 0.01 <= length <= longest + 0.01
    assert narrowest - 0.01 <= width <= widest + 0.01


@pytest.mark.parametrize('name', SIZES)
def test_colours_can_be_painted_and_all_parts_lie_about_the_silhouette(name):
    shape = make(name)
    for part in shape.parts:
        if not isinstance(part.paint, str):
            assert min(part.paint) >= 0
            assert max(part.paint) <= 255
        assert np.abs(part.points).max() <= 1.1 * np.abs(shape.box).max()


def test_the_box_starts_front_left_and_runs_clockwise():
    shape = Shape([Part(shapes.block(10, 4, 1, 2), 'turf', True), Part(shapes.block(99, 99), '')])
    np.testing.assert_array_equal(shape.box, [[6, 0], [6, 4], [-4, 4], [-4, 0]])


def test_turning_is_clockwise_on_the_screen():
    np.testing.assert_allclose(
        shapes.turned([(1, 0), (0, 2)], np.pi / 2), [[0, 1], [-2, 0]], atol=1e-12
    )


def test_ovals_grow_into_boxes_with_the_power():
    square = 10 * 6
    for power, filled in ((2, np.pi / 4), (20, 1)):
        x, y = shapes.oval(10, 6, power, count=400).T
        area = 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))
        assert area == pytest.approx(filled * square, rel=0.03)


def test_outlines_are_mirrored_at_the_axis():
    outline = shapes.mirrored([(3, 0), (1, 2), (-1, 1)])
    np.testing.assert_array_equal(outline[3:], [[-1, -1], [1, -2], [3, 0]])
    assert shapes.hull(20, 6, 0.4)[:, 1].max() == pytest.approx(3, abs=0.01)


def test_colours_are_varied_toned_and_drawn_as_lines():
    rng = np.random.default_rng(0)
    picked = [shapes.pick(rng, PAINTS[:1]) for _ in range(50)]
    assert len(set(picked)) == 50
    assert np.abs(np.mean(picked, 0) - PAINTS[0]).max() < 6
    assert shapes.tone((100, 200, 240), 1.5) == (150, 252, 252)
    line = shapes.frame(shapes.block(4, 2), 1.5)
    assert line.line == 1.5
    np.testing.assert_array_equal(line.points[0], line.points[-1])
