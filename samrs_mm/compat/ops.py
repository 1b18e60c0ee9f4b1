"""A stand-in for mmcv's compiled ops: only a call of one fails, not the import of a library.

`mmseg.models` and `mmdet.models` import `mmcv.ops`, which asks for `mmcv._ext`; next to nothing of
what they hold calls one of its ops. Of these, suppression of upright boxes is torchvision's there.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from samrs_mm.compat.ground import is_onedl
from samrs_mm.compat.stand_in import StandIn
from samrs_mm.core.errors import SamrsError

_COMPILED = 'mmcv._ext'
# `mmcv.utils.collect_env` asks; it says the same itself where it can't import `mmcv.ops`.
_BUILT_BY = dict.fromkeys(('get_compiler_version', 'get_compiling_cuda_version'), 'n/a')


class MissingOpError(SamrsError, RuntimeError):
    """A compiled op was called, and this mmcv was built without them."""


def has_compiled_ops() -> bool:
    """Return whether the installed mmcv has compiled ops; imports nothing."""
    mmcv = importlib.util.find_spec('mmcv')
    return bool(mmcv and PathFinder.find_spec(_COMPILED, mmcv.submodule_search_locations))


def how_to_get_ops() -> str:
    """Return what installs an mmcv with compiled ops."""
    name = 'onedl-mmcv' if is_onedl() else 'mmcv==2.1.0'
    return (
        'run `make env OPS=1`, or beside torch, ninja and a C++ compiler `pip install --no-deps '
        f'--no-build-isolation --no-cache-dir --force-reinstall {name}`'
    )


class _LastFinder:
    """Offers a stand-in for ``mmcv._ext``; being the last, it is asked where no file was found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Return a spec for that one name."""
        made = StandIn(_missing, _BUILT_BY, dict(nms=_nms))
        return made.spec(name) if name == _COMPILED else None


def _nms(boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
    """Return which boxes ``(N, 4)`` to keep, best first; with an offset they end with a pixel."""
    from torchvision.ops import nms

    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return nms(boxes, scores, iou_threshold)


def _missing(op: str) -> MissingOpError:
    return MissingOpError(
        f'{op} is a compiled op, and this mmcv was built without them: {how_to_get_ops()}'
    )


_LAST: Any = _LastFinder()


def offer_stand_in() -> None:
    """Let ``mmcv.ops`` import where mmcv has no compiled ops; a compiled ``mmcv._ext`` goes first.

    To be called before anything imports ``mmseg.models`` or ``mmdet.models``.
    """
    if _LAST not in sys.meta_path:
        sys.meta_path.append(_LAST)
