"""What all tools share: flags, configs, progress, one-line errors, exit codes, shards."""

import argparse
import difflib
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn

from tqdm import tqdm

from samrs_mm.compat import broken_library, check_sets, strict_loading
from samrs_mm.core import label_fit
from samrs_mm.core.errors import RefusedError, SamrsError, StoppedAtOnce, StoppedError
from samrs_mm.core.installed import spoken
from samrs_mm.core.ranks import leave_message, lost_another
from samrs_mm.core.wording import FewOfEach, one_line, plural
from samrs_mm.formats.boxes.found_format import SOURCES

GO_ON = 'the same command goes on from here'
STOPPED = 75
"""Exit code of work that was asked to stop and has saved all: the same command is to be given again
(EX_TEMPFAIL of sysexits.h)."""


class ToolParser(argparse.ArgumentParser):
    """Reads a tool's command line; its help names tools as this user can call them.

    Args:
        description: What the tool does, its module's docstring.
        epilog: Shown below the flags as it is written.
    """

    def __init__(self, description: str | None, epilog: str | None = None):
        super().__init__(
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def format_help(self) -> str:
        """Return the text of ``--help``."""
        return spoken(super().format_help())

    def error(self, message: str) -> NoReturn:
        """End with one line, which names the flag that is nearest to a mistyped one."""
        _, found, words = message.partition('unrecognized arguments: ')
        word = next((each for each in words.split() if each.startswith('-')), '')
        flag = word.partition('=')[0]
        known = [name for name in self._option_string_actions if name.startswith('--')]
        near = difflib.get_close_matches(flag, known, n=1)
        if found and near:
            message = f'unknown flag {flag!r}; did you mean {near[0]!r}?'
        elif found and word:
            message = f'unknown flag {flag!r}; --help lists the flags'
        elif found:
            message = f'{words.split()[0]!r} is one argument too many; --help shows what is taken'
        self.exit(2, spoken(f'{self.prog}: error: {message}\n'))


def run_command(work: Callable[[], int | None], after_interrupt: str = GO_ON) -> int:
    """Run a tool's work and return its exit code: what ``work`` returns, or 0 for None.

    Errors that a user can cause are printed in one line (of several ranks that ``run_ranks`` has
    started, it prints it) and give 2 if the work was refused before it began, ``STOPPED`` if it was
    asked to stop and has saved all, else 1, as does Ctrl-C or SIGTERM, after which
    ``after_interrupt`` says what to do. So are packages that can't be imported (see
    ``compat.broken``). Any other error keeps its traceback. No code in a checkpoint is run (see
    ``strict_loading``).
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == 'strict':
            stream.reconfigure(errors='backslashreplace')  # a name that a console can't show
    try:
        check_sets()
        with strict_loading():
            return work() or 0
    except (Exception, KeyboardInterrupt) as error:
        told = _told(error, after_interrupt)
        if told is None:
            raise
        code, line = told
        echo = isinstance(error, RuntimeError) and lost_another(error)
    if code == STOPPED:  # all is saved, and a launcher may end ranks that are slow to leave
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    line = spoken(line)
    if not leave_message(line, echo):
        print(line, file=sys.stderr)
    return code


def _told(error: BaseException, after_interrupt: str) -> tuple[int, str] | None:
    """Return the exit code and the line of an error; None where it keeps its traceback."""
    if isinstance(error, StoppedAtOnce):
        return STOPPED, str(error)
    if _interrupted(error):
        return 1, f'interrupted; {after_interrupt}'
    if isinstance(error, StoppedError):
        return STOPPED, one_line(error)
    if isinstance(error, SamrsError):
        return 2 if isinstance(error, RefusedError) else 1, f'error: {one_line(error)}'
    if isinstance(error, OSError):
        return (1, f'error: {error.filename}: {error.strerror}') if error.filename else None
    if line := broken_library(error):
        return 2, f'error: {line}'
    if isinstance(error, RuntimeError) and 'DataLoader worker' in str(error):
        line = _of_dead_worker(error, after_interrupt)
        return 1, f'{line}; give it fewer workers if memory ran out'
    if isinstance(error, RuntimeError) and lost_another(error):
        return 1, f'error: another rank has ended, and says why; {after_interrupt}'
    return None


def _interrupted(error: BaseException) -> bool:
    """Whether it is an interrupt, or what a second one made of it in a wait of ``threading``.

    That one comes while the lock is taken again, whose release then says that nobody holds it.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    within = isinstance(error, RuntimeError) and str(error) == 'release unlocked lock'
    return within and isinstance(error.__context__, KeyboardInterrupt)


def _of_dead_worker(error: RuntimeError, cure: str) -> str:
    """Return the message on a reading process that died; any other error goes on."""
    if 'DataLoader worker' not in str(error):
        raise error
    return f'error: a reading process died: {one_line(error)} {cure}'


def run_images(work: Callable[..., Any], *args: Any) -> Any | None:
    """Return what a pass over images came to (see ``RunResult``), its failures printed.

    None if the pass had to stop, with the reason printed.
    """
    try:
        result = work(*args)
    except SamrsError as error:
        print(spoken(f'error: {one_line(error)}'), file=sys.stderr)
        return None
    except RuntimeError as error:
        print(_of_dead_worker(error, 'use fewer --workers'), file=sys.stderr)
        return None
    tell_failures(result.failures)
    if result.skipped:
        print(f'{result.skipped} {plural(result.skipped, "image was", "images were")} done before')
    return result


def tell_failures(lines: Iterable[str]) -> None:
    """Print what failed; of many lines of one kind the first few, and how many more there are."""
    few = FewOfEach(lambda line: print(spoken(f'failed: {line}'), file=sys.stderr))
    for line in lines:
        few.add(line)
    few.close()


def progress(what: str) -> partial:
    """Return a progress bar for ``what``; quick passes show nothing."""
    return partial(tqdm, desc=what, delay=2, mininterval=0.5, leave=False)


_LAUNCHERS = dict(pytorch=('RANK', 'WORLD_SIZE'), slurm=('SLURM_PROCID', 'SLURM_NTASKS'))
_STARTED_BY = dict(pytorch='torchrun', slurm='srun')


def find_shard(flag: str | None, launcher: str | None = None) -> tuple[int, int]:
    """Return ``(shard, number of shards)``, the shard from 0, of ``--shard I/N``.

    Without the flag it is what torchrun or Slurm's srun set in the environment: which of them the
    ``launcher`` says; None takes the one that did, ``'none'`` and ``'ray'`` take neither.

    Raises:
        RefusedError: Not of the form, I not in 0..N-1, or the launcher did not start this process.
    """
    if flag is None:
        for name, (rank, world) in _LAUNCHERS.items():
            if rank in os.environ and world in os.environ and launcher in (None, name):
                flag = f'{os.environ[rank]}/{os.environ[world]}'
                break
        else:
            if launcher in _LAUNCHERS:
                raise RefusedError(
                    f'--launcher {launcher}: {" and ".join(_LAUNCHERS[launcher])} are not set in '
                    f'the environment; start it with {_STARTED_BY[launcher]}'
                )
            return 0, 1
    match = re.fullmatch(r'(\d+)/(\d+)', flag)
    if not match or int(match[1]) >= int(match[2]):
        raise RefusedError(f'shard {flag!r} is not I/N with I from 0 to N-1, such as 0/4')
    return int(match[1]), int(match[2])


def choose_gpu() -> None:
    """Make the GPU of this local rank the current one, where torch has been imported."""
    torch = sys.modules.get('torch')
    if torch and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count())


def add_fit_flags(add: Callable[..., Any]) -> None:
    """Add the flags of labels that are for a picture of another size or turn."""
    add('--label-size', choices=label_fit.SIZES,
        help='boxes whose labels are for a picture of another size: named, with exit code 1 '
        '(check, the default), scaled to the picture if it has the same shape (rescale) or any '
        '(stretch), or taken as they stand (ignore)')  # fmt: skip
    add('--exif', choices=label_fit.TURNS,
        help='boxes of pictures that EXIF turns: taken in stored pixels, and named with exit code '
        '1 where they fit only turned (check, the default); all made on the stored pixels; or all '
        'made on the turned picture')  # fmt: skip


def fit_flags(args: argparse.Namespace) -> dict[str, str | None]:
    """Return what the flags of ``add_fit_flags`` say, by config key."""
    return {'label_fit.size': args.label_size, 'label_fit.exif': args.exif}


def add_source_flag(add: Callable[..., Any]) -> None:
    """Add the flag that names the format of the labels."""
    add('--from', dest='source', choices=SOURCES, metavar='FORMAT',
        help="the labels are of this format, whatever the config's dataset: "
        f'{", ".join(SOURCES)}; auto finds it out and says by which files (default: as the '
        "config says)")  # fmt: skip


def add_embeddings_flags(add: Callable[..., Any]) -> None:
    """Add the flags of a store of embeddings."""
    add('--embeddings', metavar='DIR',
        help='take what the image encoder made of an image from DIR, or store it there: later runs '
        'with other prompts encode nothing (SAM and its family; 2 to 21 MB an image)')  # fmt: skip
    add('--embeddings-dtype', choices=('fp16', 'fp32'), default='fp32',
        help='fp32 (default) changes no mask; fp16 takes half the space, changes about 5 pixels in '
        '100,000, and takes what another machine has stored')  # fmt: skip


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
