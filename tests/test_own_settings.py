"""What the tests of a file leave set in the process is set back after it."""

import multiprocessing
import os
import signal

import cv2
import torch
from own_settings import settings_kept


def found():
    return (
        os.environ.get('RANK'), os.environ.get('OMP_NUM_THREADS'), os.getcwd(),
        signal.getsignal(signal.SIGTERM), multiprocessing.get_start_method(allow_none=True),
        torch.get_num_threads(), cv2.getNumThreads(), torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic, torch.backends.cuda.matmul.allow_tf32,
        torch.get_rng_state().tolist(),
    )  # fmt: skip


def test_everything_is_set_back(tmp_path):
    before = found()
    with settings_kept():
        os.environ.update(RANK='1', OMP_NUM_THREADS='7')
        os.chdir(tmp_path)
        signal.signal(signal.SIGTERM, lambda *_: None)
        method = 'spawn' if before[4] == 'fork' else 'fork'
        multiprocessing.set_start_method(method, force=True)
        torch.set_num_threads(before[5] + 1)
        cv2.setNumThreads(before[6] + 1)
        torch.use_deterministic_algorithms(not before[7])
        torch.backends.cudnn.deterministic = not before[8]
        torch.backends.cuda.matmul.allow_tf32 = not before[9]
        torch.rand(1)
        changed = found()
    assert not [one for one, other in zip(before, changed, strict=True) if one == other]
    assert found() == before
