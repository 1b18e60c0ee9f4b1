"""Segmentation datasets from detection boxes, and pre-training on several of them at once.

``samrs_mm.load_segmentor``, ``open_annotated``, ``load_network`` and ``load_onnx`` are for
notebooks; see ``samrs_mm.api``. Importing the package loads neither torch nor mmcv nor mmseg:
``samrs_mm.api`` is imported when one of its names is asked for. `samrs_mm.core` and
`samrs_mm.formats` need no mm library at all.
"""

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

from samrs_mm.start import begin


def _why_not_imported(error: BaseException) -> str | None:
    from samrs_mm.compat import broken_library

    return broken_library(error)


begin(_why_not_imported)
# isort: split
from samrs_mm.compat import offer_stand_in, prepare_imports  # noqa: E402 (see start)
from samrs_mm.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from samrs_mm.api import (
        AnnotatedDataset,
        AnnotatedImage,
        Network,
        OnnxNetwork,
        Segmentor,
        load_network,
        load_onnx,
        load_segmentor,
        open_annotated,
    )

with contextlib.suppress(ImportError):
    from mmengine.config.utils import MODULE2PACKAGE

    # Where mmengine looks for `samrs_mm::sep/upernet_vitae.py`: the folder of this very module, for
    # it looks for a distribution's in site-packages, where an editable install has nothing.
    MODULE2PACKAGE['samrs_mm'] = 'samrs_mm.version'

offer_stand_in()
prepare_imports()

__all__ = [
    'AnnotatedDataset',
    'AnnotatedImage',
    'Network',
    'OnnxNetwork',
    'Segmentor',
    '__version__',
    'load_network',
    'load_onnx',
    'load_segmentor',
    'open_annotated',
]


def __getattr__(name: str) -> Any:
    """Import ``samrs_mm.api`` when one of its names is asked for."""
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module('samrs_mm.api'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
