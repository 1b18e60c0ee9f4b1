"""Pickles as the release has them, and as nobody should have to trust them."""

import io
import os
import pickle

import numpy as np
import pytest

from samrs_mm.formats.released import ReleasedError, load_released

# the counts of a file of the release, a vehicle of 159 pixels
COUNTS = 'cRYf07fo04M3M2O2O01O1N2O0O3M2LbmZ9'
MASK = {'size': [1024, 1024], 'counts': COUNTS}
H_BOX = {
    'mask': MASK, 'bbox': np.array([714.0, 76, 726, 95]), 'category': 'small-vehicle',
    'size': np.uint32(159), 'label': 9,
}  # fmt: skip
R_BOX = {
    'mask': MASK, 'rbox': np.array([[714, 76], [726, 76], [726, 95], [714, 95]], np.float32),
    'rhbox': np.array([714, 76, 726, 95]), 'category': 'A220', 'label': 0, 'size': 159,
}  # fmt: skip


@pytest.fixture
def load(tmp_path):
    """Write a value as a pickle, or bytes as they are, and load it."""

    def run(value, protocol: int = 4):
        path = tmp_path / 'P0000_0003.pkl'
        raw = isinstance(value, bytes)
        path.write_bytes(value if raw else pickle.dumps(value, protocol))
        return load_released(path)

    return run


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_the_same(load, protocol):
    first, second = load([H_BOX, R_BOX], protocol)
    assert first['mask'] == second['mask'] == MASK
    assert (first['label'], first['category'], first['size']) == (9, 'small-vehicle', 159)
    assert type(first['size']) is int
    assert first['bbox'].tolist() == [714, 76, 726, 95]
    assert second['rbox'].tolist() == [[714, 76], [726, 76], [726, 95], [714, 95]]
    assert second['rhbox'].dtype == np.float64
    assert 'rbox' not in first
    assert 'bbox' not in second


@pytest.mark.parametrize('module', [b'numpy.core', b'numpy._core'])
def test_pickles_of_old_and_new_numpy(load, module):
    data = pickle.dumps([H_BOX], 2)
    here = np.array(0).__reduce__()[0].__module__.rpartition('.')[0].encode()
    assert load(data.replace(here, module))[0]['bbox'].tolist() == [714, 76, 726, 95]


def test_the_defects_of_the_release(load):
    early = {'mask': MASK | {'counts': COUNTS.encode()}, 'bbox': H_BOX['bbox'], 'category': 9}
    empty = {'mask': {'size': (8, 8), 'counts': 'P2'}, 'label': 3, 'category': 'A330', 'size': 0}
    first, second = load([early, empty])
    assert (first['label'], first['category'], first['size']) == (9, None, None)
    assert first['mask'] == MASK
    assert (second['size'], second['label'], second['mask']['size']) == (0, 3, [8, 8])


@pytest.mark.parametrize(
    'array',
    [
        np.arange(8, dtype='>f4').reshape(4, 2),
        np.asfortranarray(np.arange(8.0).reshape(4, 2)),
        np.arange(16)[::2].reshape(4, 2),
        np.arange(8, dtype=np.int16).reshape(4, 2),
    ],
    ids=['big-endian', 'fortran', 'strided', 'int16'],
)
@pytest.mark.parametrize('protocol', [2, 5])
def test_arrays_of_any_order(load, array, protocol):
    assert load([R_BOX | {'rbox': array}], protocol)[0]['rbox'].tolist() == array.tolist()


def test_an_empty_list(load):
    assert load([]) == []


class Calls:
    """A pickle that calls a function."""

    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize('hide', [lambda bad: bad, lambda bad: [H_BOX | {'size': bad}]])
@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_code_is_not_run(load, tmp_path, hide, protocol):
    trace = tmp_path / 'ran'
    value = hide(Calls(os.mkdir, str(trace)))
    with pytest.raises(ReleasedError, match=r'P0000_0003.pkl: asks for \w+.mkdir, .*real source'):
        load(value, protocol)
    assert not trace.exists()


@pytest.mark.parametrize(
    'value',
    [
        Calls(eval, '1'),
        Calls(getattr, 'text', 'upper'),
        Calls(np.load, 'file.npy'),
        Calls(np.frombuffer, b'1'),
        Calls(io.BytesIO, b''),
        os.getcwd,
        np.array([Calls(print, 'x')], object),
        np.zeros(3, [('x', 'f4')]),
        np.array(['text']),
    ],
    ids=['eval', 'getattr', 'np.load', 'frombuffer', 'BytesIO', 'name', 'object', 'struct', 'text'],
)
def test_nothing_but_data_is_made(load, value):
    with pytest.raises(ReleasedError, match='asks for'):
        load([H_BOX | {'extra': value}])


def test_an_array_can_not_claim_more_than_its_bytes(load):
    data = pickle.dumps([H_BOX], 2)
    assert b'K\x04\x85' in data  # shape (4,)
    with pytest.raises(ReleasedError, match='bytes do not fill its shape'):
        load(data.replace(b'K\x04\x85', b'J\xff\xff\xff\x7f\x85'))


def test_a_few_bytes_can_not_claim_gigabytes(load):
    with pytest.raises(ReleasedError, match='damaged'):
        load(b'\x80\x04]r\x00\x00\x00\x10.')


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'mask': MASK}, 'instance 0: label None is not in 0..254'),
        (H_BOX | {'label': 255}, 'label 255'),
        (H_BOX | {'label': True}, 'label True'),
        (H_BOX | {'label': -1}, 'label -1'),
        (H_BOX | {'size': -1}, 'size -1'),
        (H_BOX | {'bbox': np.zeros(3)}, r'bbox has shape \(3,\), not \(4,\)'),
        (H_BOX | {'mask': {'size': [0, 5], 'counts': '0'}}, 'mask size'),
        (H_BOX | {'mask': {'size': [5], 'counts': '0'}}, 'mask size'),
        (H_BOX | {'mask': {'size': [5, 5], 'counts': [25]}}, 'counts are a list'),
        (H_BOX | {'mask': {'size': [5, 5]}}, "no 'counts'"),
        (H_BOX | {'mask': {'size': [50, 50], 'counts': MASK['counts']}}, 'do not add up'),
        ({'label': 1}, "no 'mask'"),
        (7, 'instance 0 is a int, not a dict'),
    ],
)
def test_what_is_not_an_instance_is_named(load, entry, message):
    with pytest.raises(ReleasedError, match=message) as caught:
        load([entry])
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('cut', [0, 1, 60, 200])
def test_a_truncated_file(load, cut):
    with pytest.raises(ReleasedError, match=r'P0000_0003\.pkl'):
        load(pickle.dumps([H_BOX] * 3)[:cut])


def test_damage_anywhere_is_an_error_of_this_file(load):
    data = pickle.dumps([H_BOX, R_BOX], 4)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(len(data))] = rng.integers(256)
        try:
            load(bytes(broken))
        except ReleasedError:
            refused += 1
    assert refused > 50


def test_other_files(load, tmp_path):
    with pytest.raises(ReleasedError, match='holds a dict, not a list'):
        load({'mask': MASK})
    with pytest.raises(ReleasedError, match='No such file'):
        load_released(tmp_path / 'missing.pkl')
