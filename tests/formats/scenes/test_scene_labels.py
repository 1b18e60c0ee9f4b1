import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samrs_mm.formats.scenes import isaid, potsdam
from samrs_mm.formats.scenes.scene_labels import ColourCode

PIXELS = hnp.arrays(np.uint8, (4, 5, 3), elements=st.integers(0, 255))


@given(PIXELS)
def test_exact_codes_know_their_colours_and_no_other(rgb):
    found = isaid.colour_code().decode(rgb)
    for place in np.ndindex(found.shape):
        colour = tuple(rgb[place].tolist())
        expected = isaid.PALETTE.index(colour) if colour in isaid.PALETTE else 254
        assert found[place] == expected


@given(PIXELS)
def test_binary_codes_take_the_nearest_corner(rgb):
    """Of the eight corners of the RGB cube all but magenta stand for something."""
    corners = [*potsdam.PALETTE, potsdam.CLUTTER, potsdam.BOUNDARY, (255, 0, 255)]
    values = np.array([0, 1, 2, 3, 4, 255, 255, 254])
    distance = np.abs(rgb[:, :, None].astype(int) - np.array(corners)).sum(-1)
    np.testing.assert_array_equal(potsdam.colour_code().decode(rgb), values[distance.argmin(-1)])


def test_settings_of_codes_differ():
    code = ColourCode({(0, 63, 191): 5})
    assert code.as_dict() == dict(values={'#003fbf': 5}, binary=False)
    assert code != ColourCode({(0, 63, 191): 6})


@pytest.mark.parametrize('module', [potsdam, isaid])
def test_every_class_has_a_colour(module):
    rgb = np.array([module.PALETTE], np.uint8)
    assert module.colour_code().decode(rgb).tolist() == [list(range(len(module.CLASSES)))]
