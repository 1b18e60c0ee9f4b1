"""Several ranks of a tool on this machine, and what they have to say when one of them fails."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = 'SAMRS_MM_RANK_MESSAGES'
"""Environment variable: where each rank leaves its last line for the process that started it."""
GRACE = 20.0
"""Seconds in which ranks end by themselves when one has ended badly, before they are told to."""

_PASSED_ON = ('SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1')
_LOST = re.compile(
    r'connection (was )?(likely )?(closed|reset|refused)|remote process exited|broken pipe'
    r'|(read|write) error|socket timeout|timed out .*waiting|nccl (communicator|error)',
    re.I,
)


@dataclass(frozen=True)
class Message:
    """The last line of a rank.

    Args:
        line: As it would have been printed.
        echo: It only says that another rank is gone.
    """

    line: str
    echo: bool = False


def is_one_of_several() -> bool:
    """Return whether this process is a rank of several."""
    worlds = (os.environ.get(name, '') for name in ('WORLD_SIZE', 'SLURM_NTASKS'))
    return any(world.isdigit() and int(world) > 1 for world in worlds)


def lost_another(error: BaseException) -> bool:
    """Return whether an error of torch's says that another rank is gone."""
    return is_one_of_several() and _LOST.search(str(error)) is not None


def leave_message(line: str, echo: bool = False) -> bool:
    """Leave the last line of this rank to the process that started it; False if there is none."""
    folder, rank = os.environ.get(FOLDER), os.environ.get('RANK')
    if not folder or not rank:
        return False
    try:
        Path(folder, f'{rank}.json').write_bytes(json.dumps([line, echo]).encode())
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Place:
    """Which ranks run here.

    Args:
        ranks: How many on this machine.
        nodes: Machines, each with as many.
        node: Which of them this is, from 0.
        address: Host of rank 0.
        port: Port of rank 0; None for a free one, on one machine.
    """

    ranks: int
    nodes: int = 1
    node: int = 0
    address: str = '127.0.0.1'
    port: int | None = None

    def environments(self) -> Iterator[dict[str, str]]:
        """Yield the environment of each rank here, by the names that torchrun uses."""
        port = self.port or _free_port()
        for local in range(self.ranks):
            names = dict(
                RANK=self.node * self.ranks + local,
                LOCAL_RANK=local,
                WORLD_SIZE=self.nodes * self.ranks,
                LOCAL_WORLD_SIZE=self.ranks,
                MASTER_ADDR=self.address,
                MASTER_PORT=port,
            )
            threads = dict(OMP_NUM_THREADS='1') if self.ranks > 1 else {}  # as torchrun does
            yield threads | os.environ | {key: str(value) for key, value in names.items()}


def run_ranks(command: Sequence[str], place: Place, grace: float = GRACE) -> int:
    """Run a command once for each rank, and return the exit code of the first that failed, or 0.

    Signals are passed on to all ranks, which have all the time they need to end. Where one ends
    badly the others have ``grace`` seconds, then they are terminated, at last killed. The last
    lines of the ranks, each once, come at the end of all output.
    """
    with tempfile.TemporaryDirectory() as folder:
        ranks: list[subprocess.Popen] = []
        with _passed_on(ranks):  # from before the first is started: none may be left behind
            for env in place.environments():
                env |= {FOLDER: folder}
                ranks.append(subprocess.Popen(command, env=env, start_new_session=True))
            order, ended = _wait(ranks, grace)
        failed = [number for number in order if ranks[number].returncode]
        first = place.node * place.ranks
        messages = {number: _message(Path(folder, f'{first + number}.json')) for number in failed}
    echoes = {number for number, message in messages.items() if message and message.echo}
    own = [number for number in failed if number not in echoes | ended]
    for line in _lines([(first + n, ranks[n].returncode, messages[n]) for n in own or failed]):
        print(line, file=sys.stderr)
    if not failed:
        return 0
    code = ranks[(own or failed)[0]].returncode
    return code if code > 0 else 128 - code


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _passed_on(ranks: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Pass signals on to the ranks within the block."""

    def tell(number: int, frame: object) -> None:
        for rank in ranks:
            rank.send_signal(number)  # nothing, where it has ended

    known = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    before = {number: signal.signal(number, tell) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(ranks: Sequence[subprocess.Popen], grace: float) -> tuple[list[int], set[int]]:
    """Wait for all ranks.

    Returns:
        Their numbers in the order in which they ended, and those that had to be told to.
    """
    order: list[int] = []
    told: set[int] = set()
    ends = None
    while len(order) < len(ranks):
        for number, rank in enumerate(ranks):
            if number not in order and rank.poll() is not None:
                order.append(number)
                if rank.returncode and ends is None:
                    ends = [(time.monotonic() + grace, 'terminate')]
                    ends += [(time.monotonic() + 2 * grace, 'kill')]
        while ends and time.monotonic() > ends[0][0]:
            _, how = ends.pop(0)
            told |= {*range(len(ranks))} - {*order}
            for rank in ranks:
                getattr(rank, how)()
        time.sleep(0.05)
    return order, told


def _message(path: Path) -> Message | None:
    try:
        return Message(*json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _lines(failed: Sequence[tuple[int, int, Message | None]]) -> Iterator[str]:
    """Yield what ranks left, each line once with the ranks it is of; the first to end first."""
    said: dict[str, list[int]] = {}
    for rank, code, message in failed:
        said.setdefault(message.line if message else _of_code(code), []).append(rank)
    for line, ranks in said.items():
        which = ', '.join(map(str, sorted(ranks)))
        kind, colon, rest = line.partition(': ')
        one = f'rank {which}' if len(ranks) == 1 else f'ranks {which}'
        yield f'{kind}: {one}: {rest}' if colon else f'{one}: {line}'


def _of_code(code: int) -> str:
    if code >= 0:
        return f'error: ended with exit code {code}, for a reason that stands above'
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f'signal {-code}'
    return f'error: ended by {name}' + '; memory may have run out' * (name == 'SIGKILL')
