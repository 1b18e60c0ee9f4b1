"""mmrotate's box structures, which our box geometry is compared with."""

import contextlib
import importlib
import types
from collections.abc import Iterator

from packaging.version import Version


def mmrotate_boxes() -> types.ModuleType:
    """Import `mmrotate.structures.bbox` (QuadriBoxes, RotatedBoxes) past a version assertion.

    mmrotate 1.0.0rc1, the newest, asserts mmdet <= 3.1.0 at import, and mmdet <= 3.1.0 refuses
    mmcv 2.1: no set of versions satisfies both, though the box structures work unchanged. So mmdet
    reads as 3.1.0 while mmrotate is imported. `mmrotate.models` stays out of reach: it needs
    `collections.Sequence`, gone since Python 3.10.
    """
    mmdet = importlib.import_module('mmdet')
    with _reading_at_most(mmdet, '3.1.0'):
        return importlib.import_module('mmrotate.structures.bbox')


@contextlib.contextmanager
def _reading_at_most(module: types.ModuleType, newest: str) -> Iterator[None]:
    real = module.__version__
    if Version(real) > Version(newest):
        module.__version__ = newest
    try:
        yield
    finally:
        module.__version__ = real
