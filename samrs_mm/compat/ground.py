"""The mm libraries as they are installed: what differs, and what has to be gone round."""

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

from packaging.version import Version


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
def _reading_at_most(module: Any, newest: str) -> Iterator[None]:
    real = module.__version__
    if Version(real) > Version(newest):
        module.__version__ = newest
    try:
        yield
    finally:
        module.__version__ = real


def mend_get_flops() -> None:
    """Mend mmsegmentation 1.2's ``get_flops.py``, if it is the script that runs.

    It gives mmengine both ``input_shape`` and ``inputs``, which mmengine 0.10 refuses.
    """
    script: Any = sys.modules['__main__']
    measure = getattr(script, 'get_model_complexity_info', None)
    if measure and os.path.basename(getattr(script, '__file__', '')) == 'get_flops.py':
        script.get_model_complexity_info = lambda model, _, **options: measure(model, **options)
