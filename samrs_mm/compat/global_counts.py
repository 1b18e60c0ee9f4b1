"""RTMDet's losses on several ranks: divided by the sum over ranks."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn


@contextlib.contextmanager
def divided_by_sums(head: nn.Module | None) -> Iterator[int]:
    """Have a head of RTMDet divide its losses by counts of all ranks; yield what makes up for it.

    Heads of RTMDet divide by ``reduce_mean(count).clamp(min=1)``. Where all ranks together count
    less than there are ranks, as early in training and for few objects, the floor of 1 makes the
    loss smaller than one process with the whole batch has it. Divided by the sum over ranks (at
    least 1) and multiplied by their number, the mean over ranks is what that process has. Heads of
    other kinds divide some losses by counts of their own rank, and are left as they are.

    Args:
        head: Of a detector; None if it has none of this name.

    Yields:
        What the losses are to be multiplied by.
    """
    kinds = type(head).__mro__
    if not any(kind.__name__ == 'RTMDetHead' for kind in kinds):
        yield 1
        return
    modules: dict[Any, Any] = {
        module: module.reduce_mean
        for module in {sys.modules[kind.__module__] for kind in kinds}
        if hasattr(module, 'reduce_mean')
    }
    try:
        for module in modules:
            module.reduce_mean = _reduce_sum
        yield get_world_size()
    finally:
        for module, mean in modules.items():
            module.reduce_mean = mean


def _reduce_sum(count: Tensor) -> Tensor:
    total = count.clone()
    all_reduce(total)
    return total
