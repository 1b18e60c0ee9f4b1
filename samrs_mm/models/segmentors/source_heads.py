"""What ``model.heads`` says of each source: its classes, and what it has instead of the trunk's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from samrs_mm.core.errors import RefusedError

_NEEDED = 'needed: dict(num_classes=K)'


@dataclass(frozen=True)
class SourceHead:
    """A source's entry in ``model.heads``.

    Attributes:
        num_classes: Number of classes, at least 2.
        loss_decode: Configs of the source's own loss terms; None for the trunk's.
        loss_weight: What the source's terms are multiplied by, above 0.
        sampler: Config of mmseg's pixel sampler, which decides which pixels cross entropy is over.
    """

    num_classes: int
    loss_decode: Any = None
    loss_weight: float = 1.0
    sampler: Mapping[str, Any] | None = None


def read_heads(heads: Mapping[str, Mapping[str, Any]]) -> dict[str, SourceHead]:
    """Return the entries of ``model.heads`` by source.

    Raises:
        RefusedError: No head, a name, key or value that can't be.
    """
    if not heads:
        raise RefusedError('model.heads is empty; needed: {source: dict(num_classes=K)}')
    return {source: _read(source, head) for source, head in heads.items()}


def _read(source: str, head: Any) -> SourceHead:
    # mmengine sums up whatever has 'loss' in its name, and torch has attributes of its own.
    if not source or '.' in source or 'loss' in source or hasattr(nn.ModuleDict(), source):
        raise RefusedError(
            f'model.heads: {source!r} cannot name a source: no dots, no "loss", no name that '
            'torch modules use themselves; rename it'
        )
    key, known = f'model.heads.{source}', SourceHead.__dataclass_fields__
    if not isinstance(head, Mapping) or 'num_classes' not in head:
        raise RefusedError(f'{key}={head!r}; {_NEEDED}')
    unknown = [name for name in head if name not in known]
    if unknown:
        raise RefusedError(f'{key}.{unknown[0]}: nothing reads it; known: {", ".join(known)}')
    read = SourceHead(**head)
    if not isinstance(read.num_classes, int) or read.num_classes < 2:
        raise RefusedError(
            f'{key}.num_classes={read.num_classes!r}; needed: a whole number from 2, as '
            'pixels of no class are ignored and one class alone teaches nothing'
        )
    weight: Any = read.loss_weight
    if not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise RefusedError(
            f'{key}.loss_weight={weight!r}; needed: a number above 0; leave a source that is not '
            'to teach out of heads and data'
        )
    return read
