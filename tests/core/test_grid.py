import numpy as np
import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.grid import GridPrompts, GridSpec, grid_windows
from samrs_mm.core.tiling import TileSpec


def test_the_defaults_are_those_of_sams_generator():
    spec = GridSpec.from_config(None)
    assert (spec.side[0], spec.min_score, spec.min_stability, spec.nms) == (32, 0.88, 0.95, 0.7)
    assert GridSpec.from_config(spec.as_dict()) == spec
    assert GridSpec.from_config(dict(side=4, scale=1)) == GridSpec((4,), (1,))


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (5, 'grid=5; allowed: None or dict'),
        (dict(points=3), "grid: unknown key 'points'; allowed: side, scale, min_score"),
        (dict(side=0, scale=1), 'grid.side=0; allowed: whole numbers from 1'),
        (dict(side=(8, 4.5), scale=(1, 2)), 'allowed: whole numbers from 1'),
        (dict(side=(8, 4), scale=(1, 2, 4)), 'differ in length'),
        (dict(side=(8, 4), scale=(2, 4)), 'allowed: 1 and larger ones, ascending'),
        (dict(side=(8, 4), scale=(1, 1)), 'allowed: 1 and larger ones, ascending'),
        (dict(nms=1.5), r'grid.nms=1.5; allowed: 0 to 1'),
        (dict(min_score=True), r'grid.min_score=True; allowed: 0 to 1'),
    ],
)
def test_what_can_not_be_is_refused(config, message):
    with pytest.raises(RefusedError, match=message):
        GridSpec.from_config(config)


def test_a_scale_needs_a_scene_that_no_smaller_window_holds():
    spec = TileSpec(size=64, overlap=16)

    def sides(width, height):
        found = [window.width for window in grid_windows(width, height, spec, (1, 2, 4))]
        return [(side, found.count(side)) for side in sorted(set(found))]

    assert sides(64, 50) == [(64, 1)]
    assert sides(65, 50) == [(64, 2), (128, 1)]
    assert sides(200, 100) == [(64, 8), (128, 2), (256, 1)]
    assert sides(1000, 1000)[-1][0] == 256


def test_masks_have_names_of_their_own_in_a_scene_and_points_lie_on_data():
    spec = GridSpec((2,), (1,))
    valid = np.zeros((10, 10), bool)
    valid[:, 5:] = True
    points = np.array([[2.5, 2.5], [7.5, 2.5], [2.5, 7.5], [7.5, 7.5]])
    prompts = GridPrompts(spec, 0, 8, (10, 10), valid)
    assert len(prompts) == 4
    assert prompts.on_data(points).tolist() == [1, 3]
    assert GridPrompts(spec, 0, 0, (10, 10)).on_data(points).tolist() == [0, 1, 2, 3]
    assert prompts.box_id(3, 2) == 'grid:0:11:2'
