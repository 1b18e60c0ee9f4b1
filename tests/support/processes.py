"""Processes forked from one server that has the imports done, and their end."""

import json
import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

PRELOAD = [
    'training_runs', 'samrs_mm.annotate.job', 'samrs_mm.datasets.segmentation.samrs',
    'mmseg.datasets', 'mmseg.engine', 'mmseg.evaluation', 'mmseg.models', 'mmseg.visualization',
    'torch._dynamo',
]  # fmt: skip
"""What the one fork server has imported: the first list that it is given is the one that counts."""


def fork_server() -> ForkServerContext:
    """Return the context of the server: forked from a test process, whose libraries have threads, a
    child could wait for ever for a lock that one of those held."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)
    return context


def started(target: Callable, *args: object) -> BaseProcess:
    """Start a child of the server, which takes a fraction of a new interpreter's time."""
    process = fork_server().Process(target=target, args=args)
    process.start()
    return process


def exit_codes(processes: list[BaseProcess], seconds: float = 600) -> list[int]:
    """Wait for the end of processes; kill each that hangs for so long, and fail."""
    hung = []
    for process in processes:
        process.join(seconds)
        if process.is_alive():
            hung.append(process.name)
            process.kill()
            process.join()
    assert not hung, f'killed after {seconds} s'
    return [process.exitcode for process in processes]


def on_two_ranks(target: Callable[[str, int, str], None], folder: Path) -> list[dict]:
    """Call ``target(init, rank, folder)`` on two ranks; return what they left in ``rank*.json``."""
    group = f'file://{folder}/group'
    ranks = [started(target, group, rank, str(folder)) for rank in range(2)]
    assert exit_codes(ranks) == [0, 0]
    return [json.loads((folder / f'rank{rank}.json').read_text()) for rank in range(2)]
