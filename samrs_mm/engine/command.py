"""How all tools end: errors in one line, and one meaning for each exit code."""

import signal
import sys
from collections.abc import Callable

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
    except KeyboardInterrupt:
        print(f'interrupted; {after_interrupt}', file=sys.stderr)
        return 1


def one_line(error: Exception) -> str:
    """Return the message of an error; a reading process puts its whole traceback before it."""
    return str(error).strip().splitlines()[-1].rpartition(f'{type(error).__name__}: ')[2]
