"""Version quirks of the libraries below, each with its reason; nothing else knows of them.

Importing this package loads neither torch nor any mm library.
"""

from samrs_mm.compat.checkpoints import safe_load, strict_loading
from samrs_mm.compat.ground import mend_get_flops, mmrotate_boxes

__all__ = ['mend_get_flops', 'mmrotate_boxes', 'safe_load', 'strict_loading']
