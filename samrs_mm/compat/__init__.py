"""Version quirks of the libraries below, each with its reason; nothing else knows of them.

Importing this package loads neither torch nor any mm library.
"""

from samrs_mm.compat.checkpoints import safe_load, strict_loading
from samrs_mm.compat.ground import (
    broken_library,
    check_sets,
    how_to_install,
    is_onedl,
    mend_get_flops,
    missing_library,
    mm_versions,
    mmrotate_boxes,
    prepare_imports,
    why_no_library,
)
from samrs_mm.compat.ops import has_compiled_ops, how_to_get_ops, offer_stand_in
from samrs_mm.compat.optional_packages import refuse_missing_package

__all__ = [
    'broken_library',
    'check_sets',
    'has_compiled_ops',
    'how_to_get_ops',
    'how_to_install',
    'is_onedl',
    'mend_get_flops',
    'missing_library',
    'mm_versions',
    'mmrotate_boxes',
    'offer_stand_in',
    'prepare_imports',
    'refuse_missing_package',
    'safe_load',
    'strict_loading',
    'why_no_library',
]
