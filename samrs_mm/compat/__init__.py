"""Version quirks of the libraries below, each with its reason; nothing else knows of them.

Importing this package loads neither torch nor any mm library.
"""

from samrs_mm.compat.checkpoints import checkpoint_safe_globals, safe_load
from samrs_mm.compat.ground import mend_get_flops, mmrotate_boxes

__all__ = ['checkpoint_safe_globals', 'mend_get_flops', 'mmrotate_boxes', 'safe_load']
