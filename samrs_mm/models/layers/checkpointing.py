"""Trading memory for time without side effects."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the block such that what it computes inside is forgotten and computed again.

    The second time leaves the running statistics of batch norms alone: an iteration counts once.
    """

    def contexts():
        return nullcontext(), _statistics_kept(block)

    return lambda inputs: checkpoint(block, inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Let batch norms write into copies of their statistics."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    kept = [(norm, name, own) for norm in norms for name, own in norm.named_buffers()]
    for norm, name, own in kept:
        setattr(norm, name, own.clone())
    try:
        yield
    finally:
        for norm, name, own in kept:
            setattr(norm, name, own)
