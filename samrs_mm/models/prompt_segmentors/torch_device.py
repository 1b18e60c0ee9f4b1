"""Where segmentors run that torch computes, and how it rounds there."""

import threading

import numpy as np
import torch

from samrs_mm.core.errors import RefusedError


def torch_device(name: str | None) -> torch.device:
    """Return a device by its name; None gives a GPU where there is one.

    Raises:
        RefusedError: No such device, or none that this machine can compute on.
    """
    try:
        device = torch.device(name or ('cuda' if torch.cuda.is_available() else 'cpu'))
    except (RuntimeError, TypeError) as error:
        raise RefusedError(f'model.device={name!r}; allowed: cpu, cuda, cuda:1, ...') from error
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise RefusedError(f'model.device={name!r}, but torch finds no GPU; use cpu')
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # NotImplementedError of meta is a RuntimeError
        problem = str(error).partition('\n')[0]
        raise RefusedError(
            f'model.device={name!r}: torch cannot compute there ({problem}); use cpu, or a GPU by '
            'its number, such as cuda:0'
        ) from error
    return device


def to_device(array: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return an array on a device; a GPU is not waited for."""
    tensor = torch.as_tensor(array)
    if device.type == 'cuda':
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the CPU; that of a GPU is there when the GPU has come so far."""
    return tensor.to('cpu', non_blocking=tensor.is_cuda)


def fix_rounding(threads: int | None = None) -> None:
    """Fix, for the process, what decides float rounding: threads, no TF32, cuDNN's choices.

    None leaves the threads as they are.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


class _OneThread:
    """Has torch compute on one thread while any block within is at work, then as before.

    The number is the process's, so that blocks of several threads share it.
    """

    def __init__(self) -> None:
        self._lock, self._within, self._before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self._lock:
            threads = torch.get_num_threads()
            if not self._within:
                self._before = threads
            self._within += 1
            if threads != 1:
                torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within and self._before != 1:
                torch.set_num_threads(self._before)


one_thread = _OneThread()
