import numpy as np
import pytest

from samrs_mm.drawn import shapes
from samrs_mm.drawn.outlines import Part, block
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.drawn.shapes import Shape

PAINTS = 'c86432 323c46'
WIDTHS = {
    'car': (0.45, 0.45), 'lorry': (0.2, 0.26), 'plane': (0.9, 1.03),
    'boat': (0.26, 0.34), 'jetty': (0.2, 0.2), 'tank': (1, 1),
    'tennis': (0.46, 0.46), 'basketball': (0.53, 0.53), 'soccer': (0.6, 0.6),
    'track': (0.52, 0.52), 'pool': (0.5, 0.55), 'windmill': (1, 2), 'tree': (0.78, 1.08),
    'building': (1, 1),
}  # fmt: skip


def looks(name: str) -> list[Shape]:
    """As many as show every variant."""
    rng = np.random.default_rng(3)
    palettes = dict.fromkeys(DOMAINS['a'].paints, PAINTS)
    return [shapes.KINDS[name].make(rng, palettes, 100) for _ in range(12)]


@pytest.mark.parametrize('name', shapes.KINDS)
def test_boxes_are_tight_around_the_silhouette_and_have_the_size_asked_for(name):
    for shape in looks(name):
        points = np.concatenate([part.points for part in shape.parts if part.solid])
        low, high = shape.box.min(0), shape.box.max(0)
        np.testing.assert_allclose([low, high], [points.min(0), points.max(0)])
        length, width = high - low
        shortest, longest = {'windmill': (120, 190), 'tree': (78, 108)}.get(name, (99.9, 100.1))
        assert shortest <= length <= longest
        narrowest, widest = WIDTHS[name]
        assert 100 * narrowest - 0.1 <= width <= 100 * widest + 0.1


@pytest.mark.parametrize('name', shapes.KINDS)
def test_colours_can_be_painted_and_all_parts_lie_about_the_silhouette(name):
    for shape in looks(name):
        for part in shape.parts:
            assert part.paint in DOMAINS['a'].materials or shapes.rgb(part.paint).shape == (1, 3)
            assert np.abs(part.points).max() <= 1.1 * np.abs(shape.box).max()


def test_things_have_lengths_of_their_kind_and_a_height_of_their_width():
    rng = np.random.default_rng(0)
    cars = [shapes.KINDS['car'].make(rng, dict(cars=PAINTS)) for _ in range(20)]
    lengths = [np.ptp(car.box[:, 0]) for car in cars]
    assert 17.5 <= min(lengths) < 18.5 < 20 < max(lengths) <= 21
    assert cars[0].height == pytest.approx(0.35 * np.ptp(cars[0].box[:, 1]))
    wide = np.ptp(shapes.KINDS['building'].make(rng, {}, 90, 0.5).box[:, 1])
    assert wide == pytest.approx(45)


def test_the_box_starts_front_left_and_runs_clockwise():
    shape = Shape([Part(block(10, 4, 1, 2), 'turf', True), Part(block(99, 99), '')])
    np.testing.assert_array_equal(shape.box, [[6, 0], [6, 4], [-4, 4], [-4, 0]])


def test_a_hull_is_as_wide_as_said():
    assert shapes.hull(0.3, 0.4)[:, 1].max() == pytest.approx(0.15, abs=0.001)


def test_colours_are_varied():
    rng = np.random.default_rng(0)
    picked = [shapes.pick(rng, 'c86432') for _ in range(50)]
    assert len(set(picked)) > 45
    mean = shapes.rgb(' '.join(picked)).mean(0)
    assert np.abs(mean - [200, 100, 50]).max() < 6
