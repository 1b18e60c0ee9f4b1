"""Does a checkpoint belong to a model? mmengine loads what fits and passes over the rest."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from samrs_mm.annotation.errors import RefusedError
from samrs_mm.compat import safe_load
from samrs_mm.engine.run_config import state_of

_SHOWN = 3


Shapes = dict[str, tuple[int, ...]]


def weight_shapes(path: str) -> Shapes:
    """Return the shapes of a checkpoint's weights by name.

    Raises:
        RefusedError: No such file, or not a checkpoint.
    """
    try:
        return _shapes(state_of(safe_load(path)))
    except OSError as error:
        raise RefusedError(f'checkpoint {path}: {error.strerror}') from error
    except ValueError as error:
        raise RefusedError(f'checkpoint {error}') from error


def check_match(model: nn.Module, found: Shapes, path: str, whole: bool) -> str:
    """Compare a checkpoint with a model by the names and shapes of weights.

    Args:
        model: Built model, wrapped or not.
        found: The checkpoint's ``weight_shapes``.
        path: The checkpoint, for the message.
        whole: Every weight must be there and fit, as to test or to resume; otherwise half of the
            model's must, as to start from another model's weights.

    Returns:
        A line on what matched and what didn't.

    Raises:
        RefusedError: It is of another architecture.
    """
    wanted = _shapes(model.state_dict())
    parts = {
        'missing': [name for name in wanted if name not in found],
        'of another shape': [
            f'{name} {found[name]} instead of {shape}'
            for name, shape in wanted.items()
            if found.get(name, shape) != shape
        ],
        'not of this model': [name for name in found if name not in wanted],
    }
    matched = len(wanted) - len(parts['missing']) - len(parts['of another shape'])
    lists = [f'{len(names)} {what} ({_some(names)})' for what, names in parts.items() if names]
    line = '; '.join([f'{path}: {matched} of {len(wanted)} weights match', *lists])
    if (whole and lists) or 2 * matched < len(wanted):
        raise RefusedError(f'checkpoint {line}; it is of another architecture than the config')
    return line


def _shapes(state: Mapping[str, Any]) -> Shapes:
    # Wrappers of distributed runs and of test-time augmentation put `module.` before every name.
    return {
        name.removeprefix('module.'): tuple(value.shape)
        for name, value in state.items()
        if hasattr(value, 'shape')
    }


def _some(names: list[str]) -> str:
    return ', '.join(names[:_SHOWN]) + (', ...' if len(names) > _SHOWN else '')
