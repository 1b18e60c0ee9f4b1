"""The only module that knows of version quirks.

It owns the tried versions, mmrotate's import guard and the list of what a checkpoint may hold, on
two stacks: that of `constraints.txt` (torch 2.11, tried) and the classic one (torch 2.1 with
OpenMMLab's prebuilt mmcv, not tested here). Importing it loads neither torch nor any mm library.
"""

import contextlib
import functools
import importlib
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from packaging.version import Version

# library: (lowest version meant to work, first version not known to, version tried)
VERSION_WINDOW = {
    'torch': ('2.1', '2.12', '2.11.0'),
    'mmengine': ('0.10.0', '0.11.0rc0', '0.10.7'),
    'mmcv': ('2.1.0', '2.2.0', '2.1.0'),
    'mmsegmentation': ('1.2.0', '2.0.0', '1.2.2'),
    'mmdet': ('3.2.0', '3.4.0', '3.3.0'),
    'segment-anything': ('1.0', '2.0', '1.0'),
}


def check_versions() -> list[str]:
    """Compare the installed libraries with the versions this package was tried with.

    It reads package metadata only, so it is cheap and loads nothing. `mmcv-lite` counts as mmcv.

    Returns:
        A line for each library that is missing or outside its window; none when all is as tried.
    """
    complaints = []
    for library, (lowest, first_unknown, tried) in VERSION_WINDOW.items():
        found = _installed(library) or (_installed('mmcv-lite') if library == 'mmcv' else None)
        if found is None:
            complaints.append(f'{library} is not installed (tried: {tried})')
        elif not Version(lowest) <= Version(found) < Version(first_unknown):
            window = f'[{lowest}, {first_unknown})'
            complaints.append(f'{library} {found} is not in {window} (tried: {tried})')
    return complaints


def _installed(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def mmrotate_boxes() -> types.ModuleType:
    """Import `mmrotate.structures.bbox` (QuadriBoxes, RotatedBoxes) past a version assertion.

    mmrotate 1.0.0rc1, the newest, asserts mmdet <= 3.1.0 at import, and mmdet <= 3.1.0 refuses
    mmcv 2.1: no set of versions satisfies both, though the box structures work unchanged. So mmdet
    reads as 3.1.0 while mmrotate is imported. `mmrotate.models` stays out of reach: it needs
    `collections.Sequence`, gone since Python 3.10.

    Raises:
        ImportError: mmrotate, mmdet or mmcv's compiled ops are missing or refuse each other.
    """
    try:
        mmdet = importlib.import_module('mmdet')
        with _reading_at_most(mmdet, '3.1.0'):
            return importlib.import_module('mmrotate.structures.bbox')
    except (ImportError, AssertionError) as error:
        raise ImportError(
            f'rotated boxes need mmrotate, mmdet and mmcv with its compiled ops ({error}): run '
            '`make env`, or `pip install mmrotate==1.0.0rc1 mmdet==3.3.0` beside a full mmcv 2.1.0'
        ) from error


@contextlib.contextmanager
def _reading_at_most(module: types.ModuleType, newest: str) -> Iterator[None]:
    real = module.__version__
    if Version(real) > Version(newest):
        module.__version__ = newest
    try:
        yield
    finally:
        module.__version__ = real


def safe_load(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Load a checkpoint as data: tensors, plain containers, a few mmengine classes, never code.

    Args:
        path: A `.pth` file as written by torch or mmengine.
        map_location: As in `torch.load`.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is corrupt, no checkpoint, or asks for something off the list; says which.
    """
    import torch

    try:
        with checkpoint_safe_globals():
            return torch.load(path, map_location=map_location, weights_only=True)
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

    From 2.6 on, torch refuses what mmengine 0.10 puts beside the weights, so resuming fails; before
    that it obeys any pickle. Here every version loads the same short list and nothing else.
    """
    import torch

    allowed = _checkpoint_globals()
    if Version(torch.__version__) >= Version('2.7'):
        with torch.serialization.safe_globals([(value, name) for name, value in allowed.items()]):
            yield
        return
    # Before 2.7 torch's safe loader knows no (object, name) pairs, before 2.4 it is not extensible.
    torch_load = torch.load
    torch.load = functools.partial(_restricted_load, torch_load, allowed)
    try:
        yield
    finally:
        torch.load = torch_load


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


def _restricted_load(torch_load: Callable, allowed: dict, *args: Any, **kwargs: Any) -> Any:
    """`torch.load`, the list enforced by the unpickler itself, which any torch version accepts."""
    from torch._weights_only_unpickler import _get_allowed_globals

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            full_name = f'{module}.{name}'.replace('__builtin__.', 'builtins.')
            if full_name in allowed:
                return allowed[full_name]
            if full_name in _get_allowed_globals():
                return _get_allowed_globals()[full_name]
            raise pickle.UnpicklingError(f'not on the list: {full_name}')

    restricted = types.ModuleType('restricted_pickle')
    restricted.Unpickler = Unpickler
    restricted.load = lambda file, **options: Unpickler(file, **options).load()
    return torch_load(*args, **{**kwargs, 'pickle_module': restricted, 'weights_only': False})


def mend_get_flops() -> None:
    """Mend mmsegmentation 1.2's ``get_flops.py``, if it is the script that runs.

    It gives mmengine both ``input_shape`` and ``inputs``, which mmengine 0.10 refuses.
    """
    script = sys.modules['__main__']
    measure = getattr(script, 'get_model_complexity_info', None)
    if measure and os.path.basename(getattr(script, '__file__', '')) == 'get_flops.py':
        script.get_model_complexity_info = lambda model, _, **options: measure(model, **options)
