"""Configs of mmengine's Runner: loaded, changed by flags, checked before anything is built."""

import argparse
import difflib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

from samrs_mm.compat import how_to_install, safe_load
from samrs_mm.config_files import OptionsAction, check_option, read_config, set_option
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import config_names, spoken
from samrs_mm.core.parallel import fit_torch_threads
from samrs_mm.core.wording import one_line
from samrs_mm.engine.config_keys import check_keys
from samrs_mm.engine.config_values import check_values, without_idle_workers
from samrs_mm.engine.config_variables import made_of
from samrs_mm.engine.cpu_dist import rank_of
from samrs_mm.engine.detector_check import check_ops, check_packages, check_pipelines
from samrs_mm.registry import register_all

# top-level keys that the Runner and the tools read beside the Runner's arguments
_OPTIONAL_KEYS = (
    'activation_checkpointing', 'check_data', 'compile', 'efficient_conv_bn_eval',
    'find_unused_parameters', 'model_wrapper_cfg', 'precision', 'pretrain_source', 'runner_type',
    'sync_bn', 'tta_model', 'tta_pipeline',
)  # fmt: skip
_CONVERTER = 'tools/model_converters/convert_checkpoint.py'
_OWN_WEIGHTS = (('pretrain', 'sep'), ('pretrain', 'mtp'))
"""Folders of what configs of pre-training write, each to a file of the config's name."""


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that training and testing share, as in OpenMMLab's tools."""
    add = parser.add_argument
    add('--work-dir', metavar='DIR', help='logs and checkpoints (default work_dirs/CONFIG)')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys, such as train_cfg.max_iters=1000')  # fmt: skip
    add('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
        help='what started the ranks')  # fmt: skip
    add('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def load_run_config(
    path: str,
    options: dict[str, Any] | None,
    work_dir: str | None,
    launcher: str,
    parts: Iterable[str] | None = None,
    scope: str = 'mmengine',
) -> Config:
    """Return the config of a run with the flags of ``tools/train.py`` and ``test.py`` applied.

    All of samrs_mm is registered, then what the config imports. Logs and checkpoints go to
    ``work_dir``, by default that of the config, else ``work_dirs/{config}``. Keys and values of
    ``parts``, its top-level keys that the tool runs, are checked, by default of all. An option of a
    variable changes all that was made of it (``config_variables``). Names are
    looked up in ``scope`` where the config has no ``default_scope``. Rank 0 tells on stderr of a
    top-level variable that nothing reads, and whose name is nearly that of one that is read.

    Raises:
        RefusedError: No such file, not a config, an option that fits nothing in it or would be
            without effect, a ``default_scope`` that isn't installed, or what ``check_keys`` and
            ``check_values`` refuse.
    """
    register_all()
    config = read_config(path)
    views = [key for key in config if key.endswith('tta_pipeline')]
    read = {*views, *_OPTIONAL_KEYS, *inspect.signature(Runner).parameters}
    for line in _misspelt(config, path, read) if rank_of(launcher) == 0 else ():
        print(spoken(line), file=sys.stderr)
    _set_options(config, options or {}, read)
    scope = config.get('default_scope') or scope
    try:
        importlib.import_module(scope)  # mmengine would only miss the first of its names
    except (ImportError, AssertionError) as error:
        raise RefusedError(
            f'config {path}: default_scope {scope!r} cannot be imported ({error}); install it: '
            f'{how_to_install(everything=True)}'
        ) from error
    without_idle_workers(config)
    check_packages(config, path)
    check_keys(config, path, scope, parts)
    check_values(config, path)
    check_ops(config, path)
    check_pipelines(config, path)
    config.launcher = launcher
    config.work_dir = (
        work_dir or config.get('work_dir') or f'work_dirs/{Path(config.filename).stem}'
    )
    return config


def _set_options(config: Config, options: dict[str, Any], read: Collection[str]) -> None:
    """Set options of the keys that are read, and of variables in all that was made of them."""
    variables = {key.partition('.')[0] for key in options} - {*read}
    made = {name: made_of(config, name, [*config.keys() & read]) for name in variables}
    for key, value in options.items():
        check_option(key, {*config, *read}, config)
        top, _, rest = key.partition('.')
        if top in read:
            set_option(config, key, value)
            continue
        if not rest or not made[top]:
            raise RefusedError(
                f'--cfg-options: {key} would change nothing: {top!r} served its purpose when the '
                'file was read, other keys were made of it; set those, or edit a copy of the file'
            )
        for place in (top, *made[top]):
            set_option(config, f'{place}.{rest}', value)


def _misspelt(config: Config, path: str, read: Iterable[str]) -> Iterator[str]:
    """Yield a warning on each variable that is named nearly as a key that is read.

    A config may have variables of any name to make its keys of, and most call some of them
    ``*_pipeline``, so that a name near to ``tta_pipeline`` says nothing.
    """
    known = {*read, 'custom_imports'}
    meant = [key for key in known if not key.endswith('_pipeline')]
    for key in config:
        near = [] if key in known else difflib.get_close_matches(key, meant, n=1, cutoff=0.88)
        if near:
            yield f'warning: config {path}: nothing reads {key!r}; did you mean {near[0]!r}?'


@contextmanager
def building(path: str) -> Iterator[None]:
    """Refuse, in one line, what can't be built of a config, with the place in the code.

    Of a name that no registry has the line says so.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:
        text = str(error.args[0]) if error.args else ''
        if isinstance(error, KeyError) and 'registry' in text:
            raise RefusedError(f'config {path}: {_unregistered(text)}') from error
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise RefusedError(
            f'config {path}: the model cannot be built: {type(error).__name__}: {one_line(error)} '
            f'({frame.filename}:{frame.lineno})'
        ) from error


def _unregistered(text: str) -> str:
    sentence = text.partition('. ')[0]
    return f'{sentence}; correct the name, or import what registers it by custom_imports'


def build_runner(config: Config, path: str) -> Runner:
    """Build the runner of a config, and with it the model; refuse as ``building`` does."""
    fit_torch_threads()
    with building(path):
        runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    _check_class_weights(runner.model)
    return runner


def _check_class_weights(model: Any) -> None:
    """Refuse losses of a head whose class weights are not as many as its classes."""
    from samrs_mm.models.segmentors.source_losses import check_length

    for name, head in model.named_modules():
        classes = getattr(head, 'num_classes', None)
        losses = getattr(head, 'loss_decode', None)
        if losses is None or classes is None or head.out_channels == 1:
            continue
        if hasattr(model, 'source_classes'):
            return  # its heads are checked when it is built
        several = hasattr(losses, '__iter__')
        for number, term in enumerate(losses if several else [losses]):
            key = f'model.{name.removeprefix("module.")}.loss_decode' + f'.{number}' * several
            check_length(term, classes, key, 'the head')


def need(config: Config, path: str, *keys: str) -> None:
    """Refuse a config that lacks what a tool runs."""
    for key in keys:
        if config.get(key) is None:
            raise RefusedError(f'config {path}: has no {key!r}, which this tool runs')


def batch_note(config: Config, ranks: int) -> str | None:
    """Return a warning if the batch isn't the one that the learning rate is for, else None."""
    scale = config.get('auto_scale_lr') or {}
    each = config.train_dataloader.get('batch_size')
    steps = config.optim_wrapper.get('accumulative_counts', 1)
    meant = scale.get('base_batch_size')
    if scale.get('enable') or None in (meant, each) or meant == each * ranks * steps:
        return None
    words = f'{each} x {ranks} ranks' + f' x {steps} steps' * (steps != 1)
    return (
        f'The batch is {words} = {each * ranks * steps}, the learning rate is for {meant}: '
        'set train_dataloader.batch_size, or auto_scale_lr.enable=True'
    )


def accumulation_note(config: Config) -> str | None:
    """Say what ``optim_wrapper.accumulative_counts`` makes of batch and length, if it is set."""
    steps = config.optim_wrapper.get('accumulative_counts', 1)
    length = config.train_cfg.get('max_iters')
    if steps == 1 or not isinstance(length, int):
        return None
    return (
        f'optim_wrapper.accumulative_counts={steps}: {steps} batches add up to one, and {length} '
        f'iterations are {length // steps} updates of the weights; train_cfg.accumulate={steps} '
        'instead keeps batch, iterations and schedule, and takes less memory'
    )


def check_batch(config: Config, ranks: int) -> None:
    """Refuse a batch of one image where UPerNet's batch norm sees a single pixel."""
    head = config.model.get('decode_head') or {}
    head = head if isinstance(head, dict) else head[0]
    normed = 'BN' in (head.get('norm_cfg') or {}).get('type', '')
    together = 1 if get_device() == 'cpu' else ranks  # CPU ranks have batch norms of their own
    parts = (config.get('train_cfg') or {}).get('accumulate', 1)
    parts = parts if isinstance(parts, int) and parts > 0 else 1  # the loop refuses others
    each = (config.train_dataloader.get('batch_size') or 0) // parts
    if head.get('type') == 'UPerHead' and normed and each * together == 1:
        raise RefusedError(
            f'train_dataloader.batch_size={each * parts} on {ranks} ranks'
            + f' with train_cfg.accumulate={parts}' * (parts > 1)
            + ': UPerHead pools an image to one pixel, of which batch norm needs two; give '
            f'batch_size={2 * parts} or more'
        )


def check_pretrained(config: Config) -> None:
    """Refuse pretrained weights that are missing or not what the config expects.

    A config says in ``pretrain_source`` where a file comes from: ``dict(path=..., url=...,
    keys=[some names of weights that are in it])``. Without that only its presence is checked. Where
    the released file has to be converted, ``file`` is its name and ``options`` holds the
    converter's flags, if it needs any. Within ``strict_loading`` a file isn't read again when its
    weights are loaded.

    Raises:
        RefusedError: Says where to get the file and where to put it.
    """
    source = config.get('pretrain_source') or {}
    for key, path in _pretrained_files(config.model, 'model'):
        about = source if source.get('path') == path else {}
        where = _where_from(about)
        if not os.path.isfile(path):
            raise RefusedError(
                f'{path}: no such file ({key}){where or sep_cure(path)}; to start from random '
                f'weights give --cfg-options {key.removesuffix(".checkpoint")}=None'
            )
        try:
            weights = state_of(safe_load(path, keep=True))
        except ValueError as error:
            raise RefusedError(f'{error}{where}') from error
        absent = [name for name in about.get('keys', ()) if name not in weights]
        if absent:
            raise RefusedError(
                f'{path}: has no weight {absent[0]!r}, so it is of another network or layout (it '
                f'has {", ".join([*weights][:3])}, ...){where}'
            )


def sep_cure(path: str) -> str:
    """Say how to come by a file of pre-training, as the end of a message; '' of any other."""
    folder, name = Path(path).parent, Path(path).stem
    if folder.parts[-2:] not in _OWN_WEIGHTS:
        return ''
    found = next((each for each in config_names() if Path(each).stem == name), None)
    config = f'configs/{found}' if found else f'CONFIG, of a config that is called {name}.py,'
    convert = (
        f', or convert a released model: python {_CONVERTER} RELEASED.pth {path}'
        if folder.name == 'sep' and not str(found).startswith('examples/')
        else ''
    )
    return f'; python tools/train.py {config} writes it{convert}'


def _where_from(about: dict[str, Any]) -> str:
    """Say how to come by a file, as the end of a message."""
    if 'url' not in about:
        return ''
    if 'file' not in about:
        return f'; get it from {about["url"]} and put it there'
    released = os.path.join(os.path.dirname(about['path']), about['file'])
    words = [_CONVERTER, released, about['path'], *about.get('options', '').split()]
    return f'; get {about["file"]} from {about["url"]} and run: python {" ".join(words)}'


def _pretrained_files(part: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield ``(key, path)`` of local files; mmengine fetches addresses itself."""
    if isinstance(part, dict):
        kind = str(part.get('type')).rpartition('.')[2]  # of whichever scope
        named = 'checkpoint' if kind in ('Pretrained', 'PretrainedInit') else 'pretrained'
        path = part.get(named)
        if isinstance(path, str) and '://' not in path:
            yield f'{key}.{named}', path
        for name, item in part.items():
            yield from _pretrained_files(item, f'{key}.{name}')
    elif isinstance(part, list | tuple):
        for number, item in enumerate(part):
            yield from _pretrained_files(item, f'{key}.{number}')


def state_of(checkpoint: Any) -> dict[str, Any]:
    """Return the weights by name, from where mmengine looks for them."""
    if not isinstance(checkpoint, dict):
        return {}
    return checkpoint.get('state_dict', checkpoint)
