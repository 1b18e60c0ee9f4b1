"""What our backbones share: sizes by name, parts that don't train, and checkpointing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mmengine.model import BaseModule
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.checkpointing import run_block
from samrs_mm.models.layers.sizes import LEVELS

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on


class Backbone(BaseModule):
    """Base of backbones; their constructors end with ``freeze``.

    Args:
        with_cp: Whether ``run_block`` recomputes blocks in the backward pass to save memory.
        frozen_stages: What doesn't train, as ``frozen_parts`` reads it; -1 is nothing.
        init_cfg: As for ``BaseModule``.
        out_indices: Which of the four levels it returns, ascending. Weights that serve no other
            level don't train, as ``idle_parts`` names them.

    Raises:
        RefusedError: No such levels.
    """

    arch_settings: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Sizes by name, all with the same keys."""

    def __init__(
        self,
        with_cp: bool,
        frozen_stages: int,
        init_cfg: Any = None,
        out_indices: Sequence[int] = LEVELS,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp, self.frozen_stages = with_cp, frozen_stages
        self.out_indices = tuple(out_indices)
        if not self.out_indices or list(self.out_indices) != sorted(
            {*self.out_indices} & {*LEVELS}
        ):
            raise RefusedError(
                f'{type(self).__name__}: out_indices={out_indices!r}; give some of {LEVELS}, '
                'ascending: levels of the strides 4, 8, 16, 32'
            )

    @classmethod
    def sizes_of(cls, arch: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the sizes that a name, or a mapping with the same keys, stands for.

        Raises:
            RefusedError: No such name, or other keys.
        """
        known, name = cls.arch_settings, cls.__name__
        if isinstance(arch, str):
            if arch not in known:
                raise RefusedError(
                    f'{name}: arch={arch!r}; choose from {", ".join(known)}, or give a mapping of '
                    'sizes'
                )
            return known[arch]
        keys = next(iter(known.values())).keys()
        if arch.keys() != keys:
            raise RefusedError(
                f'{name}: arch has the keys {", ".join(arch)}; give {", ".join(keys)}'
            )
        return arch

    def run_block(self, block: nn.Module, *inputs: Any) -> Any:
        """Run a block; in training its activations are not kept if ``with_cp``."""
        return run_block(block, *inputs, recompute=self.with_cp and self.training)

    def frozen_parts(self) -> Iterable[nn.Module | nn.Parameter]:
        """Return the parts that keep their weights, and statistics, in training."""
        raise NotImplementedError

    def idle_parts(self) -> Iterable[nn.Module]:
        """Return the parts that only serve levels which aren't returned."""
        return ()

    def freeze(self) -> None:
        """Take gradients from the frozen and idle parts, and put them into evaluation mode."""
        for part in (*self.frozen_parts(), *self.idle_parts()):
            part.requires_grad_(False)
            if isinstance(part, nn.Module):
                part.eval()

    def train(self, mode: bool = True) -> 'Self':
        """Switch to training, except the frozen parts, or to evaluation; return the backbone."""
        super().train(mode)
        self.freeze()
        return self
