"""Memory that a process keeps, measured in one of its own: what ran before would leave marks."""

import subprocess
import sys
from pathlib import Path

import pytest

from samrs_mm.models.prompt_segmentors import kept_memory

SUPPORT = Path(__file__).parents[2] / 'support'
PROGRAM = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from sam_cases import loaded

def faults_of_a_tensor():  # pages that the system clears while 64 MB are filled
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(2**24).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held_mb():
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) / 1024

segmentor = loaded()
# small blocks that come to lie in its place have the first ones taken anew: six were seen
faults, full = min([faults_of_a_tensor() for _ in range(12)][-3:]), held_mb()
segmentor.unload()
print(faults, full - held_mb())
"""


@pytest.mark.skipif(kept_memory._glibc() is None, reason='the C library is not glibc')
def test_a_loaded_segmentor_s_process_comes_to_take_no_memory_for_large_tensors():
    pytest.importorskip('segment_anything', reason='segment_anything is not installed')
    command = [sys.executable, '-c', PROGRAM, str(SUPPORT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    faults, given_back = map(float, done.stdout.split())
    assert faults < 200
    assert given_back > 48


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(kept_memory.sys, 'platform', 'darwin')
    kept_memory._glibc.cache_clear()
    try:
        assert kept_memory.keep_freed_memory() is False
        kept_memory.give_back()
    finally:
        kept_memory._glibc.cache_clear()
