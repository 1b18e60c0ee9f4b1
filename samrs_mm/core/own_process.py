"""Work done by a Python of its own, so that none of it waits for the lock of this one."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import spawn
from typing import Any

import cv2

from samrs_mm.core.errors import SamrsError, describe

_NO_MORE = ...
"""Sent after the last item. The end of the pipe would not do: a process that this one forks
meanwhile, such as one that reads ahead, holds its other end as well."""


class DiedError(SamrsError):
    """A process ended before its work was done, or gave what can't be read and was ended."""


class OwnProcess:
    """A process that does one kind of work, item by item; a thread of this one waits for it.

    It is a new interpreter, not a fork: it has nothing of a GPU and no lock that a thread held.
    Unlike a spawned one of ``multiprocessing`` it does not import the program that was started,
    only what the work needs. Ctrl-C does not reach it; it ends when this process does, and what
    that has forked, after the item at hand.

    Args:
        work: Picklable; it must not raise for a single bad item, which would end the process.

    Raises:
        SamrsError: There is no interpreter to start, or the system starts no more.
    """

    def __init__(self, work: Callable[[Any], Any]):
        path = [each for each in sys.path if isinstance(each, str)]  # import passes over others
        code = f'import sys; sys.path[:] = {path!r}; import {__name__} as own; own.serve()'
        packed, python = _packed(work), _interpreter()
        try:
            self._process = subprocess.Popen(
                [python, '-c', code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SamrsError(
                f'{python}: could not be started for another process: {error.strerror}'
            ) from error
        with contextlib.suppress(OSError):  # the first item is told that it is gone
            self._send(packed)

    def __call__(self, item: Any) -> Any:
        """Return ``work(item)``; both are picklable.

        Raises:
            DiedError: The process is gone.
        """
        data = _packed(item)
        try:
            self._send(data)
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]  # it is a pipe
        except Exception as error:  # whatever it was, the rest of the answer may be in the pipe
            self.close()
            raise DiedError(f'its process {self._fate(error)}') from error

    def _fate(self, error: Exception) -> str:
        """Return how the process ended that gave no answer but this error."""
        code = self._process.returncode
        if code < 0:
            killed = code == -getattr(signal, 'SIGKILL', 0)
            return f'was ended by signal {-code}' + ', perhaps out of memory' * killed
        if code or isinstance(error, OSError | EOFError):
            return f'ended with exit code {code}'
        return f'gave an answer that cannot be read: {describe(error)}'

    @property
    def ended(self) -> bool:
        """Whether it died, or was closed."""
        return self._process.returncode is not None

    def close(self) -> None:
        """Let the process end, and wait for it."""
        with contextlib.suppress(OSError, ValueError):  # it has died, or was closed before
            self._send(_packed(_NO_MORE))
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        self._process.wait()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()


def _interpreter() -> str:
    """Return the Python that ``multiprocessing`` starts, too; who embeds one may set it."""
    python = os.fsdecode(spawn.get_executable() or b'')
    if not python:
        why = 'does not know its own program (sys.executable is empty, as where another embeds it)'
    elif getattr(sys, 'frozen', False) and python == sys.executable:
        why = f'is part of a frozen program, {python}, which would only start itself again,'
    else:
        return python
    raise SamrsError(
        f'this Python {why} and can start no other process; name a Python by '
        'multiprocessing.set_executable'
    )


def _packed(item: Any) -> bytes:
    return pickle.dumps(item, pickle.HIGHEST_PROTOCOL)


def serve() -> None:
    """Do the work that comes by the standard input, until no more does; prints go to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm tells all processes; the parent decides
    cv2.setNumThreads(0)
    taken, given = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        work = pickle.load(taken)
        while (item := pickle.load(taken)) is not _NO_MORE:
            pickle.dump(work(item), given, pickle.HIGHEST_PROTOCOL)
            given.flush()
