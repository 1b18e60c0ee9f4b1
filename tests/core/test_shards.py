import sys
from types import SimpleNamespace

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.shards import choose_gpu, find_shard

NAMES = ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'SLURM_NTASKS')


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_alone():
    assert find_shard(None) == (0, 1)
    assert find_shard('2/3') == (2, 3)


@pytest.mark.parametrize('names', [NAMES[:2], NAMES[2:]])
def test_launchers(monkeypatch, names):
    monkeypatch.setenv(names[0], '3')
    assert find_shard(None) == (0, 1), 'one of the two says nothing'
    monkeypatch.setenv(names[1], '8')
    assert find_shard(None) == (3, 8)
    assert find_shard('0/2') == (0, 2), 'the flag wins'


def test_torchrun_inside_slurm(monkeypatch):
    for name, value in zip(NAMES, '1204', strict=True):
        monkeypatch.setenv(name, value)
    assert find_shard(None) == (1, 2)


@pytest.mark.parametrize('flag', ['', '3', '1/1', '4/3', '-1/3', '0/0', '1/2/3', 'a/b', '0/2 '])
def test_anything_else_is_refused(flag):
    with pytest.raises(RefusedError, match=r'is not I/N with I from 0 to N-1, such as 0/4'):
        find_shard(flag)


@pytest.mark.parametrize(('rank', 'gpu'), [(None, 0), ('3', 1)])
def test_a_local_rank_has_a_gpu_of_its_own(monkeypatch, rank, gpu):
    chosen = []
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 2, set_device=chosen.append
    )
    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace(cuda=cuda))
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    if rank:
        monkeypatch.setenv('LOCAL_RANK', rank)
    choose_gpu()
    assert chosen == [gpu]


def test_without_torch_there_is_no_gpu_to_choose(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    choose_gpu()
