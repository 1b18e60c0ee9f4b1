"""What a run starts from: nothing, weights, or a checkpoint of an earlier run of its work dir."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.checkpoint_match import Checkpoint, read_checkpoint

LAST = 'last_checkpoint'  # mmengine's file with the path of the newest
_NUMBERED = re.compile(r'(?:iter|epoch)_(\d+)\.pth')
_OTHER = re.compile(r'(best|export)_.*\.pth')
_RESUMED = ('optimizer', 'message_hub')  # what mmengine goes on with, beside the weights


@dataclass
class Start:
    """What a run starts from.

    Args:
        path: The checkpoint; None for none.
        checkpoint: What is in it.
        resume: The run goes on where that one stopped, instead of beginning with its weights.
        notes: Lines to warn of.
    """

    path: str | None = None
    checkpoint: Checkpoint | None = None
    resume: bool = False
    notes: list[str] = field(default_factory=list)


def find_start(config: Config, resume: str | None, restart: bool = False) -> Start:
    """Find what a run starts from, and set its config's ``resume`` and ``load_from``.

    Args:
        config: The run's config.
        resume: A checkpoint to go on from; ``'auto'`` for the newest in the work dir or, as long
            as there is none, what the config itself starts from; or None.
        restart: Start over in a work dir that holds checkpoints; see ``put_aside``.

    Raises:
        RefusedError: The work dir holds checkpoints and neither ``resume`` nor ``restart`` says
            what is meant, a checkpoint that can't be read or resumed, or nothing is left to train.
    """
    work_dir = Path(config.work_dir)
    if resume is None and config.get('resume'):
        resume = config.get('load_from') or 'auto'
    if resume is None:
        if not restart:
            _refuse_used(work_dir)
        path = config.get('load_from')
        return Start(path, _read(path) if path else None)
    start = _newest(work_dir) if resume == 'auto' else Start(resume, _read(resume), True)
    if start.path is None:
        path = config.get('load_from')
        start = Start(path, _read(path) if path else None)
    config.resume, config.load_from = start.resume, start.path
    if start.resume:
        _check_resumed(config, start)
        start.notes += _notes_of_later(work_dir, start)
    return start


def put_aside(config: Config, checkpoints: bool = True) -> str | None:
    """Move what an earlier run left in the work dir into a folder of its own; return its path.

    None if there is nothing. Weights that training writes as ``{config}.safetensors`` are moved in
    any case: they could be taken for those of the new run. Logs stay: each run has a folder.
    """
    folder = Path(config.work_dir)
    weights = folder / f'{Path(config.filename or "").stem}.safetensors'
    found = [path for path in (*(_files(folder) if checkpoints else ()), weights) if path.exists()]
    if not found:
        return None
    number = 1
    while (target := folder / f'earlier_{number}').exists():
        number += 1
    target.mkdir()
    for path in found:
        path.rename(target / path.name)
    return str(target)


def clear_halves(config: Config) -> None:
    """Remove what a run that was killed while it wrote a checkpoint, or weights, has left.

    Such files never had their final name, and each may be as large as a checkpoint.
    """
    for suffix in ('pth', 'safetensors'):
        for path in Path(config.work_dir).glob(f'.*.{suffix}.tmp'):
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints in a work dir, the newest first, and what points to the last."""
    found = [(path, _NUMBERED.fullmatch(path.name)) for path in folder.glob('*.pth')]
    numbered = sorted(((int(m[1]), path) for path, m in found if m), reverse=True)
    yield from (path for _, path in numbered)
    yield from sorted(path for path, _ in found if _OTHER.fullmatch(path.name))
    yield folder / LAST


def _refuse_used(folder: Path) -> None:
    found = [path.name for path in _files(folder) if path.exists()]
    found = [name for name in found if not name.startswith('export_')]
    if found:
        raise RefusedError(
            f'work dir {folder}: holds {found[0]} of an earlier run; give --resume to go on from '
            'there, --restart to start over (the old checkpoints are moved into a folder beside), '
            'or another --work-dir'
        )


def _newest(folder: Path) -> Start:
    """Return the newest checkpoint that can be read, with a note on each that can't."""
    candidates = [path for path in _files(folder) if _NUMBERED.fullmatch(path.name)]
    pointed = _pointed_to(folder)
    if pointed:
        candidates = [pointed, *(path for path in candidates if path != pointed)]
    failures: list[RefusedError] = []
    for path in candidates:
        try:
            start = Start(str(path), read_checkpoint(str(path)), True)
        except RefusedError as error:
            failures.append(error)
            continue
        start.notes = [f'{error}; going on from {path} instead' for error in failures]
        return start
    if failures:
        raise failures[0]
    return Start()


def _pointed_to(folder: Path) -> Path | None:
    """Return what ``last_checkpoint`` names, in this folder where the work dir was moved."""
    try:
        named = Path((folder / LAST).read_text(encoding='utf-8').strip())
    except (OSError, ValueError):
        return None
    if not named.name:
        return None
    moved = folder / named.name
    return moved if moved.exists() else named if named.exists() else None


def _read(path: str) -> Checkpoint:
    if '://' in path:
        raise RefusedError(
            f'load_from={path}: weights are checked before the run; fetch the file first, and give '
            'load_from=FILE'
        )
    return read_checkpoint(path)


def _check_resumed(config: Config, start: Start) -> None:
    found = start.checkpoint
    assert found is not None
    missing = [part for part in _RESUMED if part not in found.parts]
    if missing or 'iter' not in found.meta:
        raise RefusedError(
            f'checkpoint {start.path}: has no {missing[0] if missing else "meta.iter"}, so it '
            'cannot be resumed; --resume takes iter_N.pth of the work dir. To begin with its '
            f'weights: --cfg-options load_from={start.path}'
        )
    for unit in ('iter', 'epoch'):
        key = f'max_{unit}s'
        done, wanted = found.meta.get(unit), config.train_cfg.get(key)
        if not isinstance(wanted, int) or done is None:
            continue
        if done > wanted:
            raise RefusedError(
                f'checkpoint {start.path} is of {unit} {done}, train_cfg.{key}={wanted}: nothing '
                f'is left to train; raise train_cfg.{key}, or resume from an earlier checkpoint'
            )
        if done == wanted:
            start.notes.append(
                f'{start.path} is of {unit} {done} of {wanted}: nothing is left to train'
            )


def _notes_of_later(folder: Path, start: Start) -> list[str]:
    """Warn of checkpoints in the work dir that are newer than the one resumed."""
    assert start.checkpoint is not None
    done = start.checkpoint.meta['iter']
    later = [
        path.name
        for path in _files(folder)
        if (match := _NUMBERED.fullmatch(path.name))
        and path.name.startswith('iter_')
        and int(match[1]) > done
        and not any(path.name in note for note in start.notes)  # a broken one
    ]
    if not later:
        return []
    return [
        f'Going on from iteration {done}, although {folder} holds {later[0]}: it will be replaced, '
        f'and {LAST} moves back'
    ]


def schedule_note(config: Config) -> str | None:
    """Return a warning if the learning rate isn't planned for the length of the run, else None."""
    length = config.train_cfg.get('max_iters')
    schedulers: Any = config.get('param_scheduler') or []
    schedulers = [schedulers] if isinstance(schedulers, dict) else schedulers
    if any(each.get('by_epoch', True) or each.get('end') is None for each in schedulers):
        return None  # counted otherwise, or without an end
    ends = [scheduler['end'] for scheduler in schedulers]
    if not ends or not length:
        return None
    planned = [(scheduler.get('begin', 0), scheduler['end']) for scheduler in schedulers]
    spans = _refitted(planned, length)
    cures = [
        cure
        for number, (scheduler, old, new) in enumerate(zip(schedulers, planned, spans, strict=True))
        for cure in _cures(f'param_scheduler.{number}', scheduler, old, new)
    ]
    if not cures:
        return None
    return (
        f'The learning rate is planned for {max(ends)} iterations, train_cfg.max_iters={length}: '
        f'for a schedule of this length add {" ".join(cures)}'
    )


def _refitted(planned: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return begin and end of schedulers in a run of another length.

    The last one ends with the run; one that would begin after that is shrunk with all others.
    """
    longest, begin = max(end for _, end in planned), planned[-1][0]
    if longest == length:
        return planned
    if begin < length:
        return [*planned[:-1], (begin, length)]
    shrunk = [
        [max(place * length // longest, int(place > 0)) for place in span] for span in planned
    ]
    return [(first, max(last, first + 1)) for first, last in shrunk]


def _cures(
    key: str, scheduler: dict[str, Any], old: tuple[int, int], new: tuple[int, int]
) -> Iterator[str]:
    """Yield the options that give a scheduler another begin and end, and the period of a cosine."""
    span = new[1] - new[0]
    if scheduler.get('T_max', span) != span:
        yield f'{key}.T_max={span}'
    if old[0] != new[0]:
        yield f'{key}.begin={new[0]}'
    if old[1] != new[1]:
        yield f'{key}.end={new[1]}'
