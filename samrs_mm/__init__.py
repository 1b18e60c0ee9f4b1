"""Segmentation datasets from detection boxes, and pre-training on several of them at once.

Importing the package loads neither torch nor mmcv nor mmseg. `samrs_mm.core` and `samrs_mm.formats`
need no mm library at all.
"""

import contextlib

from samrs_mm.version import __version__

with contextlib.suppress(ImportError):
    from mmengine.config.utils import MODULE2PACKAGE

    # Where mmengine looks for `samrs_mm::sep/upernet_vitae.py`: the folder of this very module, for
    # it looks for a distribution's in site-packages, where an editable install has nothing.
    MODULE2PACKAGE['samrs_mm'] = 'samrs_mm.version'

__all__ = ['__version__']
