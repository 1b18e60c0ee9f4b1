"""What all tools share: flags, progress, errors in one line, one meaning for each exit code."""

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tqdm import tqdm

from samrs_mm.annotation.errors import RefusedError, SamrsError

GO_ON = 'the same command goes on from here'


def run_command(work: Callable[[], int | None], after_interrupt: str = GO_ON) -> int:
    """Run a tool's work and return its exit code.

    Errors that a user can cause are told in one line; any other keeps its traceback.

    Args:
        work: Returns an exit code, or None for 0.
        after_interrupt: What to do after Ctrl-C or SIGTERM.

    Returns:
        What ``work`` returns; 1 if something failed or the run was interrupted; 2 if it was
        refused before work began.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work() or 0
    except SamrsError as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        return 2 if isinstance(error, RefusedError) else 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f'error: {error.filename}: {error.strerror}', file=sys.stderr)
        return 1
    except RuntimeError as error:
        if 'DataLoader worker' not in str(error):
            raise
        print(f'error: a reading process died: {one_line(error)} {after_interrupt}; give it fewer '
              'workers if memory ran out', file=sys.stderr)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        print(f'interrupted; {after_interrupt}', file=sys.stderr)
        return 1


def run_images(work: Callable[..., Any], *args: Any) -> Any | None:
    """Return what a pass over images came to (see ``RunResult``), its failures printed.

    Args:
        work: Returns the result.
        *args: Its arguments.

    Returns:
        The result; None if the pass had to stop, with the reason printed.
    """
    try:
        result = work(*args)
    except SamrsError as error:
        print(f'error: {error}', file=sys.stderr)
        return None
    except RuntimeError as error:
        if 'DataLoader worker' not in str(error):
            raise
        print(f'error: a reading process died: {error}; use fewer --workers', file=sys.stderr)
        return None
    for line in result.failures:
        print(f'failed: {line}', file=sys.stderr)
    if result.skipped:
        print(f'{result.skipped} images were done before')
    return result


def progress(what: str) -> partial:
    """Return a progress bar for ``what``; quick passes show nothing."""
    return partial(tqdm, desc=what, delay=2, mininterval=0.5, leave=False)


def positive(text: str) -> int:
    """Read a flag's whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


def whole_number(text: str) -> int:
    """Read a flag's whole number of at least 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number')
    return int(text)


def one_line(error: Exception) -> str:
    """Return the message of an error; a reading process puts its whole traceback before it."""
    return str(error).strip().splitlines()[-1].rpartition(f'{type(error).__name__}: ')[2]
