"""Scores of trained models, found in work dirs."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import load
from samrs_mm.core.errors import RefusedError, SamrsError

METRICS_FILE = 'metrics.json'
RUN_KEY = 'run'
"""Entry of ``metrics.json`` with what its scores are of; see ``run_entry``."""


class ResultError(SamrsError):
    """A file that should hold scores can't be used."""


@dataclass(frozen=True)
class Result:
    """Scores of one model in percent, by name, and the file where they stand.

    Args:
        config: Name of the config.
        weights: Name of the checkpoint, or the iteration of a validation.
        tta: Name of the test-time augmentation, ``'flip'`` for the default one; None for none.
        validation: It is the last validation of a training, not a test.
        options: ``--cfg-options`` of the test.
    """

    config: str
    scores: dict[str, float]
    file: Path
    weights: str
    tta: str | None = None
    validation: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, bool]:
        """Place among results of one config: the paper tests with flip, so that goes first."""
        kind = 3 if self.validation else {'flip': 0, None: 1}.get(self.tta, 2)
        return kind, bool(self.options)

    @property
    def iteration(self) -> int | None:
        """Length of the training, as far as the name of the weights says it."""
        match = re.search(r'iter(?:ation |_)(\d+)', self.weights)
        return int(match[1]) if match else None

    @property
    def origin(self) -> str:
        """What the scores are of, and where they stand, in words."""
        how = 'last validation, no TTA' if self.validation else f'TTA {self.tta or "none"}'
        changed = ''.join(f', {key}={value}' for key, value in self.options.items())
        return f'{self.weights}, {how}{changed}; {self.file}'


def run_entry(
    config: str, checkpoint: str, tta: str | bool | None, options: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what ``metrics.json`` has beside scores: of which model, and how it was tested.

    ``tta`` is the name of the test-time augmentation, True for the default one.
    """
    return dict(
        config=Path(config).stem,
        checkpoint=Path(checkpoint).name,
        tta='flip' if tta is True else tta or None,
        options={key: str(value) for key, value in (options or {}).items()},
    )


def collect(folders: Iterable[Path]) -> tuple[list[Result], list[str]]:
    """Find the results below work dirs, or folders of them.

    Taken are each ``metrics.json`` that ``tools/test.py --out`` wrote, and of each training (a
    work dir) the last validation.

    Returns:
        The results in the order of folders and paths, and a line for each file that can't be used.

    Raises:
        RefusedError: One is no folder.
    """
    results, problems = [], []
    for folder in folders:
        if not folder.is_dir():
            raise RefusedError(f'{folder}: no such folder; give work dirs of training or testing')
        tests = [(path, read_test) for path in sorted(folder.rglob(METRICS_FILE))]
        logs = sorted(folder.rglob('vis_data/scalars.json'))
        trainings = [(path, read_training) for path in dict.fromkeys(p.parents[2] for p in logs)]
        for path, read in [*tests, *trainings]:
            try:
                results.append(read(path))
            except ResultError as error:
                problems.append(str(error))
    return list(filter(None, results)), problems


def read_test(path: Path) -> Result:
    """Read a ``metrics.json``.

    Raises:
        ResultError: It can't be read, or doesn't say of which model it is.
    """
    try:
        found = load(path.read_bytes())
        about = found.pop(RUN_KEY)
        names = {key: about[key] for key in ('config', 'tta', 'options')}
        return Result(scores=_scores(found, path), file=path, weights=about['checkpoint'], **names)
    except OSError as error:
        raise ResultError(f'{path}: {error.strerror}') from error
    except ValueError as error:
        raise ResultError(f'{path}: not JSON ({error}); run tools/test.py again') from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ResultError(
            f'{path}: does not say of which model it is ({RUN_KEY!r}); run tools/test.py again'
        ) from error


def read_training(work_dir: Path) -> Result | None:
    """Read the last validation of a training, which may have been started several times.

    Raises:
        ResultError: A log is broken, or its config is not known.
    """
    for log in reversed(sorted(work_dir.glob('*/vis_data/scalars.json'))):
        validations = [line for line in _lines(log) if 'lr' not in line and 'mIoU' in line]
        if validations:
            last = validations[-1]
            scores = {key: last[key] for key in last if key not in ('step', 'time', 'data_time')}
            return Result(
                config=_dumped_config(work_dir), scores=_scores(scores, log), file=log,
                weights=f'iteration {last.get("step")}', validation=True,
            )  # fmt: skip
    return None


def best(results: Iterable[Result]) -> tuple[dict[str, Result], list[Result]]:
    """Return the result to show for each config, and the others.

    A test with flip is shown before one without, that before other augmentation, and a validation
    last; of two alike the one without changed options; of equals the first.
    """
    ordered = sorted(results, key=lambda result: result.rank)
    chosen: dict[str, Result] = {}
    for result in ordered:
        chosen.setdefault(result.config, result)
    return chosen, [result for result in ordered if chosen[result.config] is not result]


def _scores(found: dict[str, Any], path: Path) -> dict[str, float]:
    for key, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ResultError(f'{path}: {key!r} is {value!r}, not a number')
    return {key: float(value) for key, value in found.items() if math.isfinite(value)}


def _lines(log: Path) -> Iterator[dict]:
    for number, text in enumerate(log.read_text(encoding='utf-8').splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError as error:
            raise ResultError(f'{log}:{number}: not JSON ({error})') from error
        if not isinstance(line, dict):
            raise ResultError(f'{log}:{number}: {text!r} is no line of scalars')
        yield line


def _dumped_config(work_dir: Path) -> str:
    names = sorted(path.stem for path in work_dir.glob('*.py'))
    if len(names) != 1:
        raise ResultError(
            f'{work_dir}: holds {len(names)} configs ({", ".join(names) or "none"}), one says '
            'which was trained; keep one work dir for each'
        )
    return names[0]
