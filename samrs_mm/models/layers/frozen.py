"""What of a backbone doesn't train."""

from collections.abc import Iterable
from typing import Self

from torch import nn


class FrozenParts:
    """Mixin for backbones with ``frozen_stages``; stands before ``BaseModule`` among the bases.

    Call ``freeze`` at the end of the constructor.
    """

    def frozen_parts(self) -> Iterable[nn.Module | nn.Parameter]:
        """Return the parts that keep their weights, and statistics, in training."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Take gradients from the frozen parts, and put them into evaluation mode."""
        for part in self.frozen_parts():
            part.requires_grad_(False)
            if isinstance(part, nn.Module):
                part.eval()

    def train(self, mode: bool = True) -> Self:
        """Switch to training, except the frozen parts, or to evaluation; return the backbone."""
        super().train(mode)
        self.freeze()
        return self
