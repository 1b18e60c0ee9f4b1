"""What operating systems do differently: locks, new processes, paths that stand in files."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

_MOST_ON_WINDOWS = 61
"""Processes that one can wait for there."""


def start_method() -> str | None:
    """Return how processes start: as this one was told, else forked where that is safe.

    Forked, no process imports torch anew, and the labels of a COCO file are shared. None is the
    system's own way, which on macOS and Windows is a new interpreter.
    """
    told = multiprocessing.get_start_method(allow_none=True)
    return 'fork' if told is None and sys.platform == 'linux' else told


def most_processes(wanted: int) -> int:
    """Return how many processes a pool can have here, of those wanted."""
    return min(wanted, _MOST_ON_WINDOWS) if sys.platform == 'win32' else wanted


def peak_memory() -> tuple[int, int] | None:
    """Return the most memory in bytes that this process, and that any ended child, has had so far.

    None where the system does not tell.
    """
    if resource is None:
        return None
    unit = 1 if sys.platform == 'darwin' else 1024
    whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    own, child = (resource.getrusage(each).ru_maxrss * unit for each in whose)
    return own, child


def lock_file(file: IO | int) -> None:
    """Hold an open file, or folder, against other processes until it is closed.

    Where the system or the file system has no locks, nothing is held.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder within the block; see ``lock_file``."""
    if fcntl is None:  # nor can a folder be opened there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock_file(handle)
        yield
    finally:
        os.close(handle)


def hold_file(file: IO | int) -> bool:
    """Hold an open file, or folder, as ``lock_file`` does, but without waiting.

    Returns:
        Whether nobody else holds it so; True where there are no locks.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        pass
    return True


@contextlib.contextmanager
def held_alone(folder: Path) -> Iterator[bool]:
    """Hold a folder within the block, and say whether nobody else holds it so.

    It does not wait, and keeps nobody from ``locked_folder`` of another folder. Where there are no
    locks, the answer is True.
    """
    if fcntl is None:  # nor can a folder be opened there
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield hold_file(handle)
    finally:
        os.close(handle)


def relative_path(path: str | os.PathLike, start: str | os.PathLike) -> str:
    """Return a path as seen from a folder, with forward slashes; absolute on another drive.

    The way up starts where the folder really lies: of a folder that is reached by a symbolic link,
    ``..`` is the parent of what the link leads to. Links on the way down are kept where they can.
    """
    try:
        way = os.path.relpath(path, start)
        if (Path(start).resolve() / way).resolve() != Path(path).resolve():
            way = os.path.relpath(Path(path).resolve(), Path(start).resolve())
    except ValueError:  # Windows: there is no way from one drive to another
        way = os.path.abspath(path)
    return Path(way).as_posix()


def follow(way: str, start: str | os.PathLike) -> Path:
    """Return where a ``relative_path`` leads from a folder.

    Where that is no folder, the way is followed by name alone: from a link's own parent.
    """
    by_name = Path(os.path.normpath(Path(start, way)))
    real = (Path(start).resolve() / way).resolve()
    return by_name if by_name.resolve() == real or not real.is_dir() else real
