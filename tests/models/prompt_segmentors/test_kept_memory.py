import resource
from pathlib import Path

import pytest
import torch
from sam_cases import loaded

from samrs_mm.models.prompt_segmentors import kept_memory

COUNT = 2**24
"""Of the numbers of a tensor of 64 MB, which glibc takes from the system each time."""

glibc = pytest.mark.skipif(kept_memory._glibc() is None, reason='the C library is not glibc')


def faults_of_a_tensor():
    """Return how many pages the system clears while a large tensor is filled."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(COUNT).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def held_mb():
    """Return the memory of this process."""
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) / 1024


@glibc
def test_a_loaded_segmentor_s_process_takes_memory_of_large_tensors_once():
    pytest.importorskip('segment_anything', reason='segment_anything is not installed')
    segmentor = loaded()
    faults_of_a_tensor()
    assert faults_of_a_tensor() < 200
    full = held_mb()
    segmentor.unload()
    assert held_mb() < full - 48


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(kept_memory.sys, 'platform', 'darwin')
    kept_memory._glibc.cache_clear()
    try:
        assert kept_memory.keep_freed_memory() is False
        kept_memory.give_back()
    finally:
        kept_memory._glibc.cache_clear()
