"""Numbers of a run's config that can't be, refused before anything is built."""

import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from samrs_mm.core.errors import RefusedError

_COUNT = re.compile(
    r'train_cfg\.(max_iters|max_epochs|val_interval)|\w+_dataloader\.batch_size'
    r'|optim_wrapper\.accumulative_counts|param_scheduler\.(\d+\.)?(T_max|end)'
    r'|default_hooks\.logger\.interval|auto_scale_lr\.base_batch_size|model\.\w+\.num_classes'
)
_WHOLE = re.compile(r'\w+_dataloader\.num_workers|param_scheduler\.(\d+\.)?begin|randomness\.seed')
_NUMBER = re.compile(
    r'optim_wrapper\.optimizer\.(lr|weight_decay|eps|momentum)|param_scheduler\.(\d+\.)?eta_min'
    r'|optim_wrapper\.clip_grad\.max_norm'
)
_SWITCH = re.compile(
    r'\w+_dataloader\.(persistent_workers|pin_memory|drop_last)|randomness\.deterministic'
    r'|auto_scale_lr\.enable|env_cfg\.cudnn_benchmark'
)
_BY_NAME = re.compile(r'(.*\.)?Multi(Head|Task)\w+')
"""Segmentors whose heads and detectors have names."""
_RULES = (
    (_COUNT, lambda value: _is_whole(value) and value >= 1, 'a whole number from 1'),
    (_WHOLE, lambda value: _is_whole(value) and value >= 0, 'a whole number from 0'),
    (_NUMBER, lambda value: _is_number(value) and value >= 0, 'a number from 0, such as 1e-3'),
    (_SWITCH, lambda value: isinstance(value, bool), 'True or False'),
)


def check_values(config: Config, path: str) -> None:
    """Refuse numbers and switches that can't be; those that are None keep mmengine's meaning.

    Raises:
        RefusedError: Names the key, the value and what is allowed.
    """
    for top in ('train_cfg', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'randomness',
                'optim_wrapper', 'param_scheduler', 'default_hooks', 'auto_scale_lr', 'env_cfg',
                'model'):  # fmt: skip
        for key, value in _leaves(config.get(top), top):
            for pattern, allowed, words in _RULES:
                if value is not None and pattern.fullmatch(key) and not allowed(value):
                    raise RefusedError(f'config {path}: {key}={value!r}: needed: {words}')
    model = config.get('model') or {}
    for name in ('heads', 'detectors') if _BY_NAME.fullmatch(str(model.get('type'))) else ():
        value = model.get(name)
        if not isinstance(value, dict | None):
            raise RefusedError(
                f'config {path}: model.{name}={value!r}: needed: an entry for each; --cfg-options '
                f'takes them one by one, as model.{name}.NAME.KEY=VALUE'
            )


def without_idle_workers(config: Config) -> None:
    """Leave out what only reading processes can have, where a loader has none."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name)
        if isinstance(loader, dict) and loader.get('num_workers', 0) == 0:
            for key in ('persistent_workers', 'prefetch_factor'):
                loader.pop(key, None)


def _leaves(value: Any, key: str, depth: int = 3) -> Iterator[tuple[str, Any]]:
    if depth and isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            yield from _leaves(item, f'{key}.{name}', depth - 1)
    else:
        yield key, value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
