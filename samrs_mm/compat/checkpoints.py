"""What a checkpoint may hold: data, and no code."""

import contextlib
import importlib
import os
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

from packaging.version import Version

from samrs_mm.core.errors import RefusedError

_OLDEST_TORCH = '2.7'


def safe_load(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Load a checkpoint as data: tensors, plain containers, a few mmengine classes, never code.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is corrupt, no checkpoint, or asks for something off the list; says which.
        RefusedError: This torch is too old.
    """
    import torch

    try:
        with checkpoint_safe_globals():
            return torch.load(path, map_location=map_location, weights_only=True)
    except RefusedError:
        raise
    except Exception as error:
        # One without a file name comes from within the file: the reader sought beyond its end.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(f'{os.fspath(path)}: not loaded, {_reason(error)}') from error


def _reason(error: Exception) -> str:
    text = ' '.join(str(error).split())
    foreign = re.search(r'(?:GLOBAL|not on the list:) ([\w.]+)', text)
    if foreign:
        return (
            f'it asks for {foreign[1]}, which no checkpoint needs and which could run code: '
            'save its state_dict alone where the file comes from, or fetch it from its real source'
        )
    return f'it is truncated, corrupt or no torch checkpoint ({text[:120] or type(error).__name__})'


@contextlib.contextmanager
def checkpoint_safe_globals() -> Iterator[None]:
    """Within this context `torch.load`, mmengine's calls too, loads mmengine checkpoints safely.

    torch refuses what mmengine 0.10 puts beside the weights, so resuming would fail; here it loads
    a short list of classes more, and nothing else.

    Raises:
        RefusedError: This torch is too old to load by such a list.
    """
    import torch

    if Version(torch.__version__) < Version(_OLDEST_TORCH):
        raise RefusedError(
            f'torch {torch.__version__} cannot load checkpoints as data alone; torch '
            f'{_OLDEST_TORCH} or newer is needed'
        )
    allowed: list[Any] = [(value, name) for name, value in _checkpoint_globals().items()]
    with torch.serialization.safe_globals(allowed):
        yield


def _checkpoint_globals() -> dict[str, Any]:
    """What an mmengine checkpoint holds beside tensors, by the name in its pickle; all needed."""
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    allowed = {
        # message_hub.log_scalars: the smoothed values of the log, and their arrays
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'builtins.getattr': _history_statistic,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
        'numpy.dtypes.Int64DType': type(np.dtype('int64')),
        # and the np.float64 that IterTimerHook leaves in message_hub.runtime_info
        'numpy.dtypes.Float64DType': type(np.dtype('float64')),
        # a history of losses, as the SAMRS authors' checkpoints hold one
        'numpy.dtypes.Float32DType': type(np.dtype('float32')),
    }
    # numpy 2 moved numpy.core to numpy._core, and a file may come from either side of that.
    here = importlib.import_module('numpy._core' if hasattr(np, '_core') else 'numpy.core')
    for module in ('numpy._core.multiarray', 'numpy.core.multiarray'):
        allowed[f'{module}._reconstruct'] = here.multiarray._reconstruct
        allowed[f'{module}.scalar'] = here.multiarray.scalar
    return allowed


def _history_statistic(owner: Any, name: str) -> Callable:
    """The `getattr` by which HistoryBuffer pickles its methods; the real one reaches anything."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return getattr(owner, name)
    raise pickle.UnpicklingError(f'not on the list: builtins.getattr({owner!r}, {name!r})')
