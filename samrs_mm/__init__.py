"""Segmentation datasets from detection boxes, and pre-training on several of them at once.

Importing the package loads neither torch nor any mm library, and `samrs_mm.core` and
`samrs_mm.formats` need none.
"""

from samrs_mm.version import __version__

__all__ = ['__version__']
