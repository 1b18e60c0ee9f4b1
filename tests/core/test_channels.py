import numpy as np
import pytest

from samrs_mm.core.channels import Channel

BANDS = {1: np.array([[1, 10], [100, 0]], np.float32), 2: np.array([[3, np.nan], [100, 0]])}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('db(b1)', [[0, 10], [20, np.nan]]),
        ('ndi(b2, b1)', [[0.5, np.nan], [0, np.nan]]),
        ('b1 - b2', [[-2, np.nan], [0, 0]]),
        ('-B1 / 4 + 2 ** 3', [[7.75, 5.5], [-17, 8]]),
        ('sqrt(abs(b1 - 101))', [[10, 91**0.5], [1, 101**0.5]]),
        ('log(vv)', [[0, np.log(10)], [np.log(100), np.nan]]),
        ('9 ** 9 ** 9 * b1', np.full((2, 2), np.nan)),
    ],
)
def test_expressions(text, expected):
    found = Channel.parse(text).bound(['VV', 'VH'])(BANDS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected, np.float32), rtol=1e-6)


@pytest.mark.parametrize(
    ('entry', 'names', 'band'),
    [
        (3, [None] * 3, 3),
        ('b3', [None] * 3, 3),
        ('B3', ['B2', 'B3', 'B4'], 2),  # the file's own name goes first
        ('b04', ['B02', 'B04'], 2),
        ('VV-Cal', ['VH-Cal', 'VV-Cal'], 2),
        ('near infrared', ['red', 'Near Infrared'], 2),
    ],
)
def test_bands_as_they_stand(entry, names, band):
    channel = Channel.parse(entry).bound(names)
    assert channel.band == band
    assert list(channel.bands.values()) == [band]


@pytest.mark.parametrize(
    ('entry', 'said'),
    [
        ('__import__("os").system("ls")', 'is not allowed'),
        ('b1.real', "'b1.real'"),
        ('(lambda: b1)()', 'is not allowed'),
        ('db(b1, b2)', 'is not allowed'),
        ('db(*b1)', 'is not allowed'),
        ('b1[0]', 'is not allowed'),
        ('b1 if b2 else b3', 'is not allowed'),
        ('b1 and b2', 'is not allowed'),
        ('True + b1', "'True'"),
        ('1e99 * b1', 'is not allowed'),
        ('db + 1', "'db'"),
        ('1 + 2', 'has no band'),
        ('db(b1', 'is no expression'),
        ('b1 ' * 100, 'is no band'),
        ('', 'is no band'),
        (0, 'is no band'),
        (True, 'is no band'),
        (1.5, 'is no band'),
    ],
)
def test_all_else_is_refused(entry, said):
    with pytest.raises(ValueError, match='allowed') as error:
        Channel.parse(entry)
    assert said in str(error.value)
    assert '\n' not in str(error.value)


def test_a_band_that_a_file_has_not_is_named_with_those_it_has():
    with pytest.raises(ValueError, match=r"no band 'b9'; the file has b1 to b2 \(VV, VH\)"):
        Channel.parse('b1 / b9').bound(['VV', 'VH'])
    with pytest.raises(ValueError, match=r"no band 'near infrared'; the file has b1 to b2$"):
        Channel.parse('near infrared').bound([None, None])
