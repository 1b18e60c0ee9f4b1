"""What a checkpoint may hold: data, and no code, whoever reads it."""

import contextlib
import importlib
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from packaging.version import Version

from samrs_mm.core.errors import RefusedError

_OLDEST_TORCH = '2.7'
# torch obeys these in every process that inherits them, whatever a caller asks for.
_STRICT, _UNSAFE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
# What `safe_load` read ahead of a library within `strict_loading`, by its path.
_kept: dict[str, Any] = {}
_depth = 0


def safe_load(path: str | os.PathLike, keep: bool = False, mapped: bool = False) -> Any:
    """Load a checkpoint onto the CPU as data: tensors, containers, a few mmengine classes, no code.

    Args:
        path: The file.
        keep: Within ``strict_loading``, give what was read to later calls with ``keep``, and to the
            next ``torch.load`` of this file, which don't read it again: what was checked is used.
        mapped: Read each tensor when it is first used, where the file's format allows it.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is corrupt, no checkpoint, or asks for something off the list; says which.
        RefusedError: This torch is too old.
    """
    if keep and _place(path) in _kept:
        return _kept[_place(path)]
    content = _read(path, 'cpu', mmap=True if mapped and zipfile.is_zipfile(path) else None)
    if keep and _depth:
        _kept[_place(path)] = content
    return content


@contextlib.contextmanager
def strict_loading() -> Iterator[None]:
    """Within this context every ``torch.load``, the libraries' too, loads as ``safe_load`` does.

    It covers mmengine's loaders of files and addresses, and `torch.hub`. Some of them would run the
    code in a file: onedl-mmengine tries again without safety, and downloads are read without it.
    They raise ``RefusedError`` instead. Contexts may be nested.

    Where torch isn't imported yet, only torch's own list holds, not ours.
    """
    global _depth
    torch: Any = sys.modules.get('torch')
    before = {name: os.environ.pop(name, None) for name in (_STRICT, _UNSAFE)}
    os.environ[_STRICT] = '1'
    replaced = torch.load if torch else None
    if torch:
        torch.load = _load_for_library
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _kept.clear()
        if torch:
            torch.load = replaced
        os.environ.pop(_STRICT, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _load_for_library(f: Any, map_location: Any = None, *_: Any, **options: Any) -> Any:
    """Take the place of ``torch.load``; what would make it less strict is passed over.

    Raises:
        RefusedError: As ``safe_load`` raises ValueError.
    """
    if isinstance(f, str | os.PathLike) and _place(f) in _kept:
        return _kept.pop(_place(f))
    try:
        return _read(f, map_location, mmap=options.get('mmap'))
    except ValueError as error:
        raise RefusedError(f'checkpoint {error}') from error


def _place(path: str | os.PathLike) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _read(file: Any, map_location: Any, **options: Any) -> Any:
    import torch

    try:
        with _listed_globals():
            load = torch.serialization.load
            return load(file, map_location, weights_only=True, **options)
    except RefusedError:
        raise
    except Exception as error:
        # One without a file name comes from within the file: the reader sought beyond its end.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        is_path = isinstance(file, str | os.PathLike)
        name = os.fspath(file) if is_path else str(getattr(file, 'name', 'a file in memory'))
        raise ValueError(f'{name}: not loaded, {_reason(error, name)}') from error


# Each with what the file asks for; torch puts much advice before and after.
_FOREIGN = re.compile(
    r'(?:GLOBAL|not on the list:) ([\w.]+)|Unsupported (operand 149)|(TorchScript)|(legacy .tar)'
)
_ADVICE = re.compile(r'Weights only load failed.*WeightsUnpickler error:|Check the documentation.*')


def _reason(error: Exception, name: str) -> str:
    from torch.hub import get_dir

    text = ' '.join(str(error).split())
    foreign = _FOREIGN.search(text)
    if foreign:
        asked = foreign[foreign.lastindex or 0].replace('operand 149', "pickle's protocol 4")
        reason = (
            f'it asks for {asked}, which no checkpoint needs and which could run code: '
            'save its state_dict alone where the file comes from, or fetch it from its real source'
        )
    else:
        problem = _ADVICE.sub('', text).strip()[:120] or type(error).__name__
        reason = f'it is truncated, corrupt or no torch checkpoint ({problem})'
    if _place(name).startswith(_place(get_dir())):
        reason += '; delete it before you try again, it is kept from a download'
    return reason


@contextlib.contextmanager
def _listed_globals() -> Iterator[None]:
    """Have torch allow what our list and the user's own `add_safe_globals` name.

    torch refuses what mmengine puts beside the weights, so resuming would fail. onedl-mmengine
    allows it, the real `getattr` too, by which a file reaches every function there is.

    Raises:
        RefusedError: This torch is too old to load by such a list.
    """
    import torch

    if Version(torch.__version__) < Version(_OLDEST_TORCH):
        raise RefusedError(
            f'torch {torch.__version__} cannot load checkpoints as data alone; torch '
            f'{_OLDEST_TORCH} or newer is needed'
        )
    ours: list[Any] = [(value, name) for name, value in _checkpoint_globals().items()]
    lists = torch.serialization
    before = lists.get_safe_globals()
    lists.clear_safe_globals()
    added = [item for item in before if item not in (getattr, (getattr, 'builtins.getattr'))]
    lists.add_safe_globals([*added, *ours])
    try:
        yield
    finally:
        imported = [item for item in lists.get_safe_globals() if item not in ours]
        lists.clear_safe_globals()
        lists.add_safe_globals([*before, *imported])


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
