import numpy as np
import pytest

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.drawn import light
from samrs_mm.drawn.crop_canvas import CropCanvas, Placed, Thing
from samrs_mm.drawn.dice import Dice
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.outlines import Part, block

RED = np.array([200.0, 0, 0])


@pytest.fixture
def dice():
    return Dice(np.random.default_rng(0))


@pytest.fixture
def canvas():
    frame = CropFrame(np.zeros(2), np.eye(2), np.full(2, 20.0))
    canvas = CropCanvas(frame, 20, 40)
    canvas.pixels[:] = 200
    return canvas


def bar(*parts: np.ndarray) -> Thing:
    outlines = parts or (block(0.4, 0.4),)
    return Thing(KINDS['bar'], [Part(points, RED, True) for points in outlines])


def test_a_shadow_falls_along_its_step(dice, canvas):
    light.cast_shadows(dice, canvas, [Placed(canvas, bar(), 0.0)], np.array([0.5, 0.0]))
    dark = canvas.pixels[..., 0] < 190
    assert dark[40, 40:62].all(), 'from the thing to its end, half a unit on'
    assert not dark[40, 75:].any()
    assert not dark[:28].any()
    assert not dark[:, :28].any()


def test_the_shadow_of_a_concave_outline_leaves_its_bay_open(dice, canvas):
    bay = np.array([(-.4, -.4), (.4, -.4), (.4, -.2), (-.2, -.2), (-.2, .2), (.4, .2), (.4, .4),
                    (-.4, .4)])  # fmt: skip
    light.cast_shadows(dice, canvas, [Placed(canvas, bar(bay), 0.0)], np.array([0.06, 0.0]))
    assert canvas.pixels[40, 26, 0] < 190
    assert canvas.pixels[40, 44, 0] == 200


def test_light_falls_off_on_the_object_only(dice, canvas):
    canvas.mask[20:60, 20:60] = 255
    light.fall_off(dice, canvas)
    assert (canvas.pixels[canvas.mask == 0] == 200).all()
    assert np.ptp(canvas.pixels[30, 20:60, 0]) + np.ptp(canvas.pixels[20:60, 30, 0]) > 5


@pytest.mark.parametrize('kept', [True, False])
def test_trees_leave_the_mask_or_take_from_it(dice, canvas, kept):
    Placed(canvas, bar(block(1, 1)), 0.0).paint_thing(0, True)
    before = canvas.mask.copy()
    light.grow_trees(dice, canvas, np.array([0.1, 0.1]), np.ones(2), 7, kept)
    taken = before & ~canvas.mask
    assert taken.any() != kept
    assert (canvas.pixels[..., 3][taken > 0] == 255).all(), 'leaves have a rough texture'


def test_wires_and_glints_leave_the_mask(dice, canvas):
    canvas.mask[:] = 255
    before = canvas.pixels.copy()
    light.wire(dice, canvas)
    assert 0 < (canvas.pixels != before).any(axis=2).mean() < 0.1
    light.glint(dice, canvas, 0.0)
    assert (canvas.pixels[..., :3] == 255).all(axis=2).any()
    light.overcast(dice, canvas)
    assert canvas.pixels.min() < 170
    assert canvas.mask.all()
