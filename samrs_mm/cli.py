"""What all tools share: flags, configs, progress, one-line errors, exit codes, shards."""

import argparse
import difflib
import importlib
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from mmengine.config import Config, DictAction
from tqdm import tqdm

from samrs_mm.compat import broken_library, check_sets, strict_loading, why_no_library
from samrs_mm.core import label_fit
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.installed import MIM, find_config, spoken
from samrs_mm.core.wording import FewOfEach, plural
from samrs_mm.formats.boxes.found_format import SOURCES

GO_ON = 'the same command goes on from here'


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

    Errors that a user can cause are printed in one line and give 2 if the work was refused before
    it began, else 1, as does Ctrl-C or SIGTERM, after which ``after_interrupt`` says what to do.
    So are packages that can't be imported (see ``compat.broken``). Any other error keeps its
    traceback. No code in a checkpoint is run (see ``strict_loading``).
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == 'strict':
            stream.reconfigure(errors='backslashreplace')  # a name that a console can't show
    try:
        check_sets()
        with strict_loading():
            return work() or 0
    except SamrsError as error:
        message = f'error: {one_line(error)}'
        refused = isinstance(error, RefusedError)
    except OSError as error:
        if error.filename is None:
            raise
        message, refused = f'error: {error.filename}: {error.strerror}', False
    except Exception as error:
        if line := broken_library(error):
            message, refused = f'error: {line}', True
        elif isinstance(error, RuntimeError):
            message, refused = _of_dead_worker(error, after_interrupt), False
            message += '; give it fewer workers if memory ran out'
        else:
            raise
    except KeyboardInterrupt:
        message, refused = f'interrupted; {after_interrupt}', False
    print(spoken(message), file=sys.stderr)
    return 2 if refused else 1


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


def one_line(error: Exception) -> str:
    """Return an error's message as one line, without the traceback of a reading process."""
    text = str(error)
    if text.startswith('Caught ') and 'Traceback' in text:
        text = re.split(rf'^[\w.]*{type(error).__name__}: ', text, flags=re.MULTILINE)[-1]
    return ' '.join(text.split()) or type(error).__name__


ANNOTATE_KEYS = (
    'model', 'dataset', 'data_root', 'out', 'prompt', 'tile', 'overlap_policy',
    'prompt_style', 'grid', 'image', 'filters', 'label_fit', 'fidelity', 'default_scope',
    'custom_imports',
)  # fmt: skip
REQUIRED_KEYS = ANNOTATE_KEYS[:7]
OPTIONAL_DICTS = ('tile', 'grid', 'image', 'filters', 'label_fit', 'fidelity')


class OptionsAction(DictAction):
    """``--cfg-options`` of OpenMMLab's tools, with a line instead of a traceback."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Parse ``key=value`` words into a dict."""
        for word in values:
            key, separator, value = word.partition('=')
            if not separator or not key:
                parser.error(f'--cfg-options: {word!r} is not of the form key=value')
            if value.startswith('dict('):
                parser.error(
                    f'--cfg-options: {word!r}: write the entries one by one, such as '
                    f'{key}.size=600 {key}.overlap=150'
                )
        try:
            super().__call__(parser, namespace, values, option_string)
        except RecursionError:
            parser.error('--cfg-options: brackets are nested too deeply')


def read_config(path: str) -> Config:
    """Return a config as it is written, the modules of its ``custom_imports`` imported.

    The config is a file, or one of the package's by its name (see ``core.installed``). The
    modules are found as Python finds them, and beside the config. Modules of this package need no
    import: ``samrs_mm.registry`` knows them.

    Raises:
        RefusedError: No such file, not a config, or a module that can't be imported.
    """
    file = find_config(path)
    try:
        config = Config.fromfile(file, import_custom_modules=False)
    except Exception as error:
        reason = f'{type(error).__name__}: {one_line(error)}'
        if os.path.join('samrs_mm', '.mim') in reason and not MIM.is_dir():
            reason = (
                f"a base 'samrs_mm::...' is looked for in {MIM}, which the installation makes; run "
                '`make env` or `mim install .` once'
            )
        raise RefusedError(f'config {path}: {reason}') from error
    wanted = config.get('custom_imports') or {}
    names = wanted.get('imports') or [] if isinstance(wanted, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise RefusedError(
            f"config {path}: custom_imports={wanted!r}: expected dict(imports=['my_module'])"
        )
    plugins = [name for name in names if not f'{name}.'.startswith('samrs_mm.')]
    folder = str(file.absolute().parent)
    if plugins and folder not in sys.path:
        sys.path.append(folder)
    for name in plugins:
        try:
            importlib.import_module(name)
        except Exception as error:
            if not (isinstance(error, ImportError) and wanted.get('allow_failed_imports')):
                reason = _why_not_imported(name, error)
                raise RefusedError(f'config {path}: custom_imports: {name}: {reason}') from error
    return config


def _drop_scope(part: Any) -> None:
    """Drop the mark that mmengine puts on what comes of a base such as ``samrs_mm::annotate/...``.

    A folder's settings must not depend on how the base of its config was named.
    """
    if isinstance(part, dict | Config):
        if part.get('_scope_') == 'samrs_mm':
            part.pop('_scope_')
        part = part.values()
    elif not isinstance(part, list | tuple):
        return
    for item in part:
        _drop_scope(item)


def _why_not_imported(name: str, error: Exception) -> str:
    if line := why_no_library(name, error):
        return line
    if isinstance(error, ModuleNotFoundError) and f'{name}.'.startswith(f'{error.name}.'):
        return "no such module beside the config or on Python's path; PYTHONPATH=DIR adds a folder"
    if isinstance(error, SyntaxError):
        place = f'{error.filename}:{error.lineno}'
    else:
        stack = traceback.extract_tb(error.__traceback__)
        frame = [frame for frame in stack if 'importlib' not in frame.filename][-1]
        place = f'{frame.filename}:{frame.lineno}'
    return f'{place}: {type(error).__name__}: {one_line(error)}'


def check_option(key: str, known: Collection[str], listed: Iterable[str]) -> None:
    """Refuse an option whose first part is not ``known``; mmengine would add it.

    The message names the key that may be meant or, where none is near, those ``listed``.
    """
    top = key.split('.')[0]
    if top not in known:
        near = difflib.get_close_matches(top, known, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'keys: {", ".join(listed)}'
        raise RefusedError(f'--cfg-options: unknown key {top!r}; {hint}')


def set_option(config: Config, key: str, value: Any) -> None:
    """Set one dotted key.

    Raises:
        RefusedError: What holds the key is neither a dict nor a list long enough.
    """
    try:
        config.merge_from_dict({key: value})
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        parent = key.rpartition('.')[0]
        raise RefusedError(
            f'{key}={value}: {parent!r} is not a dict in this config, so it has no entries to set; '
            'write a small config that inherits this one instead'
        ) from error


def load_config(path: str, options: dict[str, Any] | None, flags: dict[str, Any]) -> Config:
    """Return an annotate config with ``--cfg-options`` and the tool's own flags applied.

    ``flags`` holds the values of the real flags by dotted key; None means not given. They are taken
    literally (``--cfg-options`` would turn ``1e3`` into a number and a comma into a list).

    Raises:
        RefusedError: No such file, not a config, an unknown or a missing key.
    """
    config = read_config(path)
    _drop_scope(config)
    for key in options or {}:
        check_option(key, ANNOTATE_KEYS, REQUIRED_KEYS)
    given = {key: value for key, value in flags.items() if value is not None}
    if 'dataset.source' in given:
        classes = config.get('dataset', {}).get('classes')
        config['dataset'] = dict(type='AutoBoxDataset', classes=classes)
    for key, value in ((options or {}) | given).items():
        top = key.partition('.')[0]
        if top != key and top in OPTIONAL_DICTS and config.get(top) is None:
            config[top] = {}
        set_option(config, key, value)
    tile = config.get('tile')
    if 'tile.size' in (options or {}) and 'tile.overlap' not in (options or {}) and tile:
        print(
            f'tile.size={tile["size"]}: the overlap stays {tile.get("overlap", 200)} px; '
            'tile.overlap=N changes it',
            file=sys.stderr,
        )
    for key in REQUIRED_KEYS:
        if key not in config:
            raise RefusedError(f'config {path}: has no {key!r}; it is not an annotate config')
    return config
