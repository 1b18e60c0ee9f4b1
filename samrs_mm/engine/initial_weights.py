"""Do the files that parts of a network begin with belong to them? mmengine loads what fits."""

import inspect
from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import nn

from samrs_mm.compat import safe_load
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks.class_check_hook import network_of
from samrs_mm.engine.run_config import state_of

_LEAST = 0.1
"""Share of a part's weights below which a file isn't taken for its own."""
_PROBED = 20

Shapes = Mapping[str, tuple[int, ...]]


def check_initial_weights(model: nn.Module) -> None:
    """Refuse files of ``init_cfg`` of which next to nothing would be loaded.

    Weights of a whole network, as pre-training writes them, have the name of the part before
    theirs: without ``prefix`` none of them is found, and training begins from random ones without a
    word. Files at addresses, and parts that rename weights themselves, are left alone.

    Args:
        model: Built model, wrapped or not.

    Raises:
        RefusedError: Names the part and the prefix that fits.
    """
    for name, module in network_of(model).named_modules():
        entries = getattr(module, 'init_cfg', None) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            kind = str(entry.get('type')).rpartition('.')[2] if isinstance(entry, Mapping) else ''
            path = entry.get('checkpoint') if kind in ('Pretrained', 'PretrainedInit') else None
            if isinstance(path, str) and '://' not in path and not _renames(module):
                part = '.'.join(filter(None, ('model', name)))
                _check(module, part, path, entry.get('prefix'))


def _check(module: nn.Module, part: str, path: str, prefix: str | None) -> None:
    try:
        found = _shapes(state_of(safe_load(path, keep=True)))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    wanted = _shapes(module.state_dict())
    start = f'{prefix.rstrip(".")}.' if prefix else ''
    fitting = _count(wanted, found, start)
    if not wanted or fitting >= _LEAST * len(wanted):
        return
    others = {other: _count(wanted, found, other) for other in _prefixes(wanted, found)}
    best = max(others, key=lambda other: others[other], default=start)
    said = f'{path}: {fitting} of {len(wanted)} weights of {part} are in it'
    said += f' below {prefix!r}' if prefix else ''
    if others.get(best, 0) > fitting:
        cure = f'prefix={best!r}' if best else 'no prefix'
        raise RefusedError(f'{said}, but {others[best]} with {cure}: set it in {part}.init_cfg')
    raise RefusedError(
        f'{said}, which has {", ".join([*found][:3])}, ...: it is of another network or layout'
    )


def _shapes(state: Mapping[str, Any]) -> Shapes:
    return {name: tuple(value.shape) for name, value in state.items() if hasattr(value, 'shape')}


def _count(wanted: Shapes, found: Shapes, prefix: str) -> int:
    return sum(found.get(f'{prefix}{name}') == shape for name, shape in wanted.items())


def _prefixes(wanted: Shapes, found: Shapes) -> Counter[str]:
    """Return what stands in a file before some of the names that are looked for, or nothing."""
    probes = [name for name, shape in wanted.items() if len(shape) > 1][:_PROBED]
    ends = [(name, name[: -len(probe)]) for probe in probes for name in found
            if f'.{name}'.endswith(f'.{probe}')]  # fmt: skip
    return Counter(start for _, start in ends)


def _renames(module: nn.Module) -> bool:
    """Whether a module reads the file itself, as mmsegmentation's Swin does, names and all."""
    kind: Any = type(module)
    init = kind.init_weights
    own = not init.__module__.startswith('mmengine.')
    return own and 'load_checkpoint' in inspect.getsource(init)
