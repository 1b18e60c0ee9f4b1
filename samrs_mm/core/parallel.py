"""Work on many items in several processes, and how many cores there are for it."""

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.system import most_processes, start_method

_BATCH = 64
_ROOT = Path('/')


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use, at least 1.

    That are the cores it is bound to, as far as the quotas of its cgroups go (rounded down: threads
    that are held back hold up the others), and of these its share where torchrun or Slurm started
    several processes on this machine.

    Args:
        root: The file system in which the cgroups are looked up.
    """
    bound = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):  # Linux; process_cpu_count is of Python 3.13
        bound = len(os.sched_getaffinity(0))
    return max(1, int(_share(min([float(bound), *_quotas(root)]), bound)))


def compute_threads() -> int:
    """Return how many threads should compute: ``OMP_NUM_THREADS``, else the usable cores."""
    told = re.match(r'[1-9]\d*', os.environ.get('OMP_NUM_THREADS', ''))
    if told and not (told[0] == '1' and _number('LOCAL_WORLD_SIZE') > 1):
        return int(told[0])
    return usable_cores()  # torchrun sets 1 where nobody said anything


def fit_torch_threads() -> None:
    """Take threads from torch, where it was imported, that it has beyond ``compute_threads``.

    By itself it sees no quota of a cgroup: on two cores of 64 it would start 64.
    """
    torch = sys.modules.get('torch')
    if torch and torch.get_num_threads() > compute_threads():
        torch.set_num_threads(compute_threads())


def reading_processes(most: int = 4) -> int:
    """Return how many processes read ahead where nothing is said: one a core, so many at most."""
    return min(most, usable_cores())


def _quotas(root: Path) -> Iterator[float]:
    """Yield how many cores each cgroup of this process allows; version 1 and 2."""
    mount = root / 'sys/fs/cgroup'
    try:
        lines = (root / 'proc/self/cgroup').read_text(encoding='utf-8').splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(':')
        controllers, _, path = rest.partition(':')
        if number == '0':
            yield from _walk(mount, path, 'cpu.max')
        elif 'cpu' in controllers.split(','):
            for name in {controllers, 'cpu'}:
                yield from _walk(mount / name, path, 'cpu.cfs_quota_us', 'cpu.cfs_period_us')


def _walk(mount: Path, path: str, *names: str) -> Iterator[float]:
    """Yield the quota of a cgroup and of those above it.

    In a container the path may be the host's, and only the mount itself can be seen.
    """
    folder = mount / os.path.normpath(f'/{path}').lstrip('/')
    while True:
        try:
            words = ' '.join((folder / name).read_text(encoding='utf-8') for name in names).split()
            if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:  # not max, not -1
                yield int(words[0]) / int(words[1])
        except (OSError, ValueError):
            pass
        if folder == mount:
            return
        folder = folder.parent


def _share(cores: float, bound: int) -> float:
    """Return this process's share of the cores, of those that torchrun or Slurm started here.

    Slurm may bind its tasks to cores of their own; these are not shared.
    """
    wanted = _number('SLURM_CPUS_PER_TASK')
    cores = min(cores, wanted or cores)
    if ranks := _number('LOCAL_WORLD_SIZE'):
        return cores / ranks
    in_task = 'SLURM_PROCID' in os.environ and _number('SLURM_NTASKS')
    if in_task and not wanted and bound >= _number('SLURM_CPUS_ON_NODE'):
        return cores / max(1, _slurm_tasks())
    return cores


def _slurm_tasks() -> int:
    """Return how many tasks Slurm runs on this node."""
    for name in ('SLURM_STEP_TASKS_PER_NODE', 'SLURM_TASKS_PER_NODE'):
        counts = [  # such as 4(x2),1
            int(tasks)
            for tasks, nodes in re.findall(r'(\d+)(?:\(x(\d+)\))?', os.environ.get(name, ''))
            for _ in range(int(nodes or 1))
        ]
        node = _number('SLURM_NODEID')
        if node < len(counts):
            return counts[node]
    return _number('SLURM_NTASKS_PER_NODE')


def _number(name: str) -> int:
    """Return a whole number of the environment; 0 where there is none."""
    text = os.environ.get(name, '')
    return int(text) if text.isdigit() else 0


def ordered_map(work: Callable, items: Sequence, workers: int) -> Generator:
    """Yield ``work(item)`` for each item, in order, holding results of a few items only.

    Args:
        work: Picklable; must not raise for a single bad item: that would end all.
        items: Picklable; their results too.
        workers: Processes; 0 works in this one.

    Raises:
        SamrsError: A process died.
    """
    if not workers:
        yield from map(work, items)
        return
    with _pool(work, workers) as pool:
        for start in range(0, len(items), _BATCH * workers):
            batch = items[start : start + _BATCH * workers]
            yield from pool.map(_call, batch, chunksize=4)


def unordered_map(work: Callable, items: Sequence, workers: int) -> Generator:
    """Yield ``work(item)`` as it is done, else as ``ordered_map``; items start in their order."""
    if not workers:
        yield from map(work, items)
        return
    with _pool(work, workers) as pool:
        for future in as_completed([pool.submit(_call, item) for item in items]):
            yield future.result()


@contextlib.contextmanager
def threaded(work: Callable, items: Sequence, threads: int) -> Iterator[Iterator]:
    """Have ``work(item)`` of each item, in order; none is started after the end of the block."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _pool(work: Callable, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Make processes, and end them at once where their results are no longer wanted."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context(start_method())
    with ProcessPoolExecutor(most_processes(workers), context, _start, (work,)) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise SamrsError(
                'a working process died, perhaps out of memory; run the same command with fewer '
                '--workers'
            ) from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


_work: Callable


def _start(work: Callable) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)
    if torch := sys.modules.get('torch'):  # what never imported it has no threads of it
        torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _call(item: Any) -> Any:
    return _work(item)
