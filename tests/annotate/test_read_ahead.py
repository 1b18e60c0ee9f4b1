import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from samrs_mm.annotate.read_ahead import read_ahead
from samrs_mm.models.prompt_segmentors import kept_memory


class Stream:
    groups = ([0],)

    def __iter__(self):
        yield from self.groups[0]


def held_of_a_freed_scene(_):
    """Return the MB that a process holds more after pixels of 64 MB were there."""
    before = held_mb()
    np.full(2**26, 1, np.uint8)
    return held_mb() - before


def held_mb():
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) / 1024


@pytest.mark.skipif(kept_memory._glibc() is None, reason='the C library is not glibc')
@pytest.mark.skipif(multiprocessing.get_start_method() != 'fork', reason='nothing is inherited')
def test_a_worker_keeps_no_scene_though_the_segmentor_s_process_does():
    kept_memory.keep_freed_memory()
    try:
        (held,) = read_ahead(Stream(), 1, held_of_a_freed_scene)
        assert held < 16
    finally:
        kept_memory.free_as_usual()
