"""A tool in a session of its own, ended by a signal while its own processes work."""

import contextlib
import multiprocessing
import os
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from folders import load_tool
from processes import exit_codes, started


def run_in_session(tool: str, argv: list[str], log: Path, ending: int, nth: int) -> BaseProcess:
    """Run a tool as the leader of a session, end it, and return its process.

    Args:
        tool: Name of the tool, as ``load_tool`` takes it.
        argv: Command line.
        log: File for what it prints.
        ending: Signal that it gets once one of its own processes has replaced its nth file.
        nth: Counted in each of its processes, with those files that the tool itself replaced
            before it started them.
    """
    process = started(_lead, tool, argv, log, ending, nth)
    exit_codes([process], 60)
    return process


def _lead(tool: str, argv: list[str], log: Path, ending: int, nth: int) -> None:
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # as in a new interpreter
    sys.stdout = sys.stderr = open(log, 'w', buffering=1)
    original, replaced = os.replace, []

    def replace(*args):
        original(*args)
        replaced.append(args)
        if len(replaced) == nth and os.getpid() != os.getsid(0):
            os.kill(os.getsid(0), ending)
            time.sleep(60)

    os.replace = replace
    os._exit(load_tool(tool).main(argv))


def session_lives(session: int) -> bool:
    """Whether a process of a session runs; one that only waits to be reaped does not."""
    for path in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(')')[2].split()[:4]
            if int(its_session) == session and state not in 'ZX':
                return True
    return False
