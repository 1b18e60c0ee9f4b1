"""Trading memory for time without side effects."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_block(block: nn.Module, *inputs: Any, recompute: bool) -> Any:
    """Run a block of a backbone.

    With ``recompute`` it forgets what is computed inside, and computes it again for the gradients.
    The second time leaves the running statistics of batch norms alone: an iteration counts once.
    """
    if not recompute:
        return block(*inputs)

    def contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _statistics_kept(block)

    return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


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
