import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from samrs_mm.compat import mmrotate_boxes
from samrs_mm.core.boxes import BoxLabel, geometry, rotated_corners
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry, no_mmrotate

torch = pytest.importorskip('torch')
try:
    STRUCTURES = mmrotate_boxes()
except ImportError as error:
    pytest.skip(f'no mmrotate: {error}', allow_module_level=True)

QUAD = [[10, 0], [30, 10], [28, 20], [2, 15]]
coordinates = st.floats(-1e5, 1e5)


def label(hbox=None, polygon=None, rotated=None):
    forms = [None if form is None else np.array(form, float) for form in (hbox, polygon, rotated)]
    return BoxLabel('a:1', 'ship', *forms)


def test_every_form_of_label_in_its_place():
    labels = [
        label(hbox=[1, 2, 9, 12]),
        label(hbox=[0, 0, 40, 40], polygon=QUAD),
        label(hbox=[0, 0, 40, 40], rotated=[20, 20, 10, 4, 0]),
        label(rotated=[50, 40, 20, 10, np.arctan2(3, 4)]),
    ]
    shapes = circumscribed_geometry(labels)
    np.testing.assert_allclose(
        shapes.rhboxes, [[1, 2, 9, 12], [2, 0, 30, 20], [15, 18, 25, 22], [39, 30, 61, 50]]
    )
    for name in ('hboxes', 'polygons', 'centres'):
        np.testing.assert_array_equal(getattr(shapes, name), getattr(geometry(labels), name))
    cut = shapes[np.array([2, 1])].shifted(-10, 5)
    np.testing.assert_allclose(cut.rhboxes, [[5, 23, 15, 27], [-8, 5, 20, 25]])
    assert circumscribed_geometry([]).rhboxes.shape == (0, 4)


def test_mmrotate_is_asked(monkeypatch):
    kinds = []
    for name in ('QuadriBoxes', 'RotatedBoxes'):
        original = getattr(STRUCTURES, name)
        monkeypatch.setattr(
            STRUCTURES, name, lambda data, make=original: kinds.append(make) or make(data)
        )
    circumscribed_geometry([label(polygon=QUAD), label(rotated=[20, 20, 10, 4, 0.3])])
    assert [kind.__name__ for kind in kinds] == ['QuadriBoxes', 'RotatedBoxes']


def test_corners_are_those_of_mmrotate():
    """But for the last bit of a sine."""
    rng = np.random.default_rng(0)
    centres, sides = rng.uniform(-50, 20_000, (500, 2)), rng.uniform(0, 900, (500, 2))
    rotated = np.concatenate([centres, sides, rng.uniform(-1.6, 1.6, (500, 1))], 1)
    expected = STRUCTURES.RotatedBoxes(torch.from_numpy(rotated)).convert_to('qbox').tensor.numpy()
    found = rotated_corners(rotated)
    np.testing.assert_allclose(found, expected.reshape(-1, 4, 2), rtol=0, atol=1e-11)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.just(4), st.just(2)), elements=coordinates)
)
def test_rh_box_of_a_polygon_is_exactly_its_bounding_box(polygons):
    shapes = circumscribed_geometry([label(polygon=polygon) for polygon in polygons])
    np.testing.assert_array_equal(shapes.rhboxes[:, :2], polygons.min(axis=1))
    np.testing.assert_array_equal(shapes.rhboxes[:, 2:], polygons.max(axis=1))


@given(
    centre=st.tuples(coordinates, coordinates),
    size=st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)),
    angle=st.floats(-np.pi / 2, np.pi / 2),
)
def test_rh_box_of_a_rotated_box_encloses_its_corners(centre, size, angle):
    shapes = circumscribed_geometry([label(rotated=[*centre, *size, angle])])
    np.testing.assert_allclose(shapes.rhboxes, shapes.hboxes, atol=1e-6)
    np.testing.assert_allclose(shapes.polygons.mean(axis=1), [centre], atol=1e-6)
    sides = np.linalg.norm(np.diff(shapes.polygons[0], axis=0), axis=1)
    np.testing.assert_allclose(sides[:2], size[::-1], atol=1e-6)


def test_nan_stays_nan_without_a_warning():
    labels = [label(polygon=[[np.nan, 0], *QUAD[1:]]), label(rotated=[5, 5, 2, 1, np.inf])]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.isnan(circumscribed_geometry(labels).rhboxes).any(axis=1).all()


@pytest.mark.parametrize('prompt', ['rhbox', 'rbox', 'hbox', 'cp+rhbox-m'])
def test_only_rhbox_prompts_need_mmrotate(monkeypatch, prompt):
    monkeypatch.setitem(sys.modules, 'mmrotate.structures.bbox', None)
    if 'rhbox' in prompt:
        assert 'rotated boxes need mmrotate' in no_mmrotate(PromptSetting(prompt))
    else:
        assert no_mmrotate(PromptSetting(prompt)) is None
