"""Memory that a process keeps for its next tensors, where the C library would give it back.

glibc takes each block above 32 MB anew from the system, which clears it page by page as it is
written to: of SAM's ViT-B that is a third of the CPU time. No number changes.
"""

import ctypes
import functools
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Of ``mallopt``; see malloc.h."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, so that its memory stays at the peak; if glibc's.

    Returns:
        Whether it does.
    """
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, -1))


def free_as_usual() -> None:
    """Let this process give back large blocks that it frees, as glibc comes to do by itself."""
    libc = _glibc()
    if libc is not None:
        for option, value in (
            (_MMAP_MAX, 2**16), (_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**26),
        ):  # fmt: skip
            libc.mallopt(option, value)


def give_back() -> None:
    """Return to the system what this process has kept and does not use."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any | None:
    """Return the C library with ``mallopt`` and ``malloc_trim``; None of other systems."""
    if sys.platform != 'linux':
        return None
    libc = ctypes.CDLL(None)
    able = all(hasattr(libc, name) for name in ('mallopt', 'malloc_trim', 'gnu_get_libc_version'))
    return libc if able else None
