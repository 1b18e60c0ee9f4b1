"""Work on many items in parts that are halved when memory runs out."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.wording import counted


def in_parts(
    work: Callable[[slice], Any], total: int, size: int, notes: list[str] | None = None
) -> Iterator[tuple[slice, Any]]:
    """Yield each part of ``range(total)`` with its result; on out of memory the parts are halved.

    Parts have ``size`` items at first; ``notes`` gets a line for each halving.

    Raises:
        SegmentorError: Out of memory with a single item.
    """
    start = 0
    while start < total:
        part = slice(start, min(start + size, total))
        count = part.stop - start
        try:
            result = work(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if count == 1:
                raise SegmentorError(
                    'out of memory with a single prompt; cut tiles, or use model.device=cpu'
                ) from error
            result = None
        if result is None:
            # Only here, past the except block, has the traceback let go of its tensors.
            torch.cuda.empty_cache()
            size = count // 2
            if notes is not None:
                notes.append(
                    f'out of memory with {counted(count, "prompt")} at once: went on with {size}'
                )
            continue
        yield part, result
        start = part.stop


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that there is no memory left, on the GPU or the CPU."""
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or any(
        sign in str(error) for sign in ('DefaultCPUAllocator', 'CUBLAS_STATUS_ALLOC_FAILED')
    )
