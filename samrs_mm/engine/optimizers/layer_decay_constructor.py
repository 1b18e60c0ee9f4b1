"""Learning rates that fall towards the input of a backbone.

Source: Bao et al. 2022, arXiv:2106.08254.
"""

from collections.abc import Sequence
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from samrs_mm.core.errors import RefusedError

_BACKBONE = 'backbone.'
_EMBEDDINGS = ('patch_embed.', 'pos_embed', 'cls_token')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiplies learning rates by ``layer_decay`` once per layer above a weight.

    The embedding of patches and positions is layer 0, block n of a backbone with d blocks,
    counted from 1, is layer n, and all else, other parts of the backbone and the heads, is layer
    d + 1 and keeps its learning rate. It is for ``ViT``, ``ViTAdapter``, ``ViTRVSA`` (``blocks``)
    and ``InternImage`` (``levels`` of ``blocks``; a level's norm and downsampling go with its last
    block).

    Weight decay and learning rates of certain weights are said by mmengine's own
    ``paramwise_cfg``, as without layer decay. The configs of the models use no layer decay, for in
    the authors' runs it had no effect. To use it::

        optim_wrapper = dict(
            constructor='LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay=0.9),
        )

    The authors meant 0.9 for ``ViT`` and ``ViTRVSA``, 0.95 for ``ViTAdapter`` and 1 for
    ``InternImage``.

    Args:
        optim_wrapper_cfg: As for ``DefaultOptimWrapperConstructor``, with an ``lr``.
        paramwise_cfg: The same, and ``layer_decay`` in (0, 1].

    Raises:
        RefusedError: ``layer_decay`` is missing or out of range; when called, the backbone has no
            such blocks.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        decay = self.paramwise_cfg.get('layer_decay')
        if not isinstance(decay, int | float) or not 0 < decay <= 1:
            raise RefusedError(
                f'optim_wrapper.paramwise_cfg.layer_decay={decay}; give a number above 0, at most 1'
            )

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Add a group per weight of a module and its children.

        Args:
            params: Groups, extended in place.
            module: The model, or a module of it.
            prefix: Name of ``module`` in the model; empty for the model itself.
            **kwargs: As for ``DefaultOptimWrapperConstructor``.
        """
        super().add_params(params, module, prefix, **kwargs)
        if prefix:  # a child, called from the line above
            return
        depths = _depths(getattr(module, 'backbone', None))
        names = {weight: name for name, weight in module.named_parameters()}
        for group in params:
            above = sum(depths) + 1 - layer_of(names[group['params'][0]], depths)
            scale = self.paramwise_cfg['layer_decay'] ** above
            group['lr'] = group.get('lr', self.base_lr) * scale


def layer_of(name: str, depths: Sequence[int]) -> int:
    """Return the layer that a weight of a model belongs to.

    Args:
        name: Name of the weight, such as ``backbone.blocks.3.attn.qkv.weight``.
        depths: Blocks of each level of the backbone; one number if it has no levels.

    Returns:
        From 0, the embedding, to ``sum(depths) + 1``, what is no layer of the backbone.
    """
    local = name.removeprefix(_BACKBONE)
    parts = local.split('.')
    if local == name:
        return sum(depths) + 1
    if local.startswith(_EMBEDDINGS):
        return 0
    if parts[0] == 'blocks':
        return int(parts[1]) + 1
    if parts[0] == 'levels':
        level = int(parts[1])
        inside = int(parts[3]) + 1 if parts[2] == 'blocks' else depths[level]
        return sum(depths[:level]) + inside
    return sum(depths) + 1


def _depths(backbone: nn.Module) -> list[int]:
    if hasattr(backbone, 'blocks'):
        return [len(backbone.blocks)]
    if hasattr(backbone, 'levels'):
        return [len(level.blocks) for level in backbone.levels]
    raise RefusedError(
        f'LayerDecayOptimWrapperConstructor: {type(backbone).__name__} has no `blocks` or `levels` '
        'to count; leave optim_wrapper.constructor out'
    )
