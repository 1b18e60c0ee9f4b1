"""How other libraries' backbones name their weights, and those whose weights they take."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.key_maps import Network, Rule, Shapes, State

_CLASSIFIER = Rule(
    r'(?:head|head_dist|fc|fc_norm|pre_logits|classifier)(?:\..+)?', reason='classifier'
)
_PRITHVI_SIDE = 224
"""Side of the images that Prithvi was pre-trained on, in pixels."""


def outside_network(backbone: Mapping[str, Any], wanted: Shapes) -> Network | None:
    """Return rules for a backbone of another library, or of MAE's kin; None for others.

    Args:
        backbone: Its config.
        wanted: Names and shapes of its weights.
    """
    kind = str(backbone.get('type')).rpartition('.')[2]
    if kind == 'TIMMBackbone':
        return Network('', '', rules=(*_timm_rules(wanted),))
    if kind == 'HuggingFaceBackbone':
        return Network('', '', rules=(*_hugging_face_rules(wanted),))
    if kind == 'MAEViT':
        return Network('', '', rules=(*_mae_rules(wanted),))
    if kind == 'ConvNeXt':
        fresh = {r'norm[0-2]\..+': 'starts as the identity: only the last map had a norm'}
        return Network('', '', rules=(_CLASSIFIER,), fresh=fresh)
    return None


def fit_bands(kernel: Tensor, bands: int, chosen: Sequence[int] | None = None) -> Tensor:
    """Make the kernel of a first convolution fit another number of bands.

    A single band gets the sum over the file's. Of several each gets the file's of its number, and
    those beyond get the mean over all; then all are multiplied by the file's number of bands over
    the model's. So equal bands give what they gave, unless the model has fewer, but several.

    Args:
        kernel: ``(C, n, ...)``.
        bands: How many.
        chosen: Which of the file's each gets, counted from 1; these stay as they are.

    Raises:
        RefusedError: Not as many chosen, or one that is not there.
    """
    count = kernel.shape[1]
    if chosen is not None:
        if len(chosen) != bands or not all(1 <= band <= count for band in chosen):
            raise RefusedError(
                f'--bands {",".join(map(str, chosen))}: the model has {bands} bands, the file '
                f"{count}: give one of 1 to {count} for each of the model's"
            )
        return kernel[:, [band - 1 for band in chosen]]
    if bands == 1:
        return kernel.sum(1, keepdim=True)
    mean = kernel.mean(1, keepdim=True).expand(-1, max(bands - count, 0), *kernel.shape[2:])
    return torch.cat([kernel[:, :bands], mean], dim=1) * (count / bands)


def _timm_rules(wanted: Shapes) -> Iterator[Rule]:
    """Yield rules from timm's names, and Meta's of DINOv3, to those inside ``TIMMBackbone``."""
    names = {_plain_timm(name): name for name in wanted}
    if 'reg_token' in names:  # DINOv3's ViT
        yield Rule(r'storage_tokens', 'reg_token')
        yield Rule(r'(blocks\.\d+)\.ls([12])\.gamma', r'\1.gamma_\2')
        yield Rule(r'mask_token', reason='of the pre-training task')
        yield Rule(r'rope_embed\..+', reason='an embedding that the model computes')
        yield Rule(r'.+\.qkv\.bias_mask', reason='says that keys have no bias')
        if 'blocks.0.attn.qkv.bias' not in names:
            yield Rule(r'.+\.qkv\.bias', reason='all zeros', change=_refuse_bias)
    if 'stem.0.weight' in names and 'stages.0.blocks.0.conv_dw.weight' in names:  # ConvNeXt
        yield Rule(r'downsample_layers\.0\.(.+)', r'stem.\1')
        yield Rule(r'downsample_layers\.(\d+)\.(.+)', r'stages.\1.downsample.\2')
        yield Rule(r'stages\.(\d+)\.(\d+)\.(.+)', r'stages.\1.blocks.\2.\3')
        yield Rule(r'(.+)\.dwconv\.(\w+)', r'\1.conv_dw.\2')
        yield Rule(r'(.+)\.pwconv([12])\.(\w+)', r'\1.mlp.fc\2.\3')
    yield _CLASSIFIER
    unused = r'(?:norm|norms\.\d+|norm_pre|local_cls_norm|cls_norm)\.\w+'
    yield Rule(rf'(?!(?:{_either(names)})$){unused}', reason='a norm that no map passes')
    yield from _exact(names)


def _plain_timm(name: str) -> str:
    """Return timm's own name: of ``FeatureListNet`` ``stages_0`` is ``stages.0`` there."""
    name = re.sub(r'^timm_model\.(?:model\.)?', '', name)
    return re.sub(r'^([a-z]+)_(\d+)\.', r'\1.\2.', name)


def _hugging_face_rules(wanted: Shapes) -> Iterator[Rule]:
    """Yield rules from the names of files of the hub to those inside ``HuggingFaceBackbone``.

    A file may have the network's own name before all others; the layout with a mask token has
    lost ``encoder.``.
    """
    names = {}
    for name in wanted:
        plain = name.removeprefix('model.')
        for short in (plain, plain.removeprefix('encoder.'), plain.removeprefix('model.')):
            names.setdefault(short, name)
    yield Rule(r'(?:dinov2|dinov3|convnext|convnextv2|backbone)\.(.+)', r'\1')
    yield _CLASSIFIER
    yield Rule(r'(?:pooler|decoder)\..+', reason='classifier, or of the pre-training task')
    unused = r'(?:layernorm|norm)\.\w+'
    yield Rule(rf'(?!(?:{_either(names)})$){unused}', reason='a norm that no map passes')
    yield from _exact(names)


def _mae_rules(wanted: Shapes) -> Iterator[Rule]:
    yield _CLASSIFIER
    yield Rule(r'dist_token', reason='the model has no token for distillation')
    yield Rule(
        r'(?:temporal|location)_embed_enc\..+', reason='of date and place, which are not given'
    )
    yield Rule(r'patch_embed\.\d+\..+|channel_embed', reason='', change=_refuse_groups)
    grid = wanted['patch_embed.proj.weight'][-1]
    yield Rule(r'(patch_embed\.proj\.weight)', r'\1', 'the kernel of one date', _one_date)

    def first_date(table: Tensor, _: str, state: State) -> Tensor:
        return _first_date(table, state, grid)

    yield Rule(r'(pos_embed)', r'\1', '', first_date)


def _either(names: Mapping[str, str]) -> str:
    return '|'.join(re.escape(name) for name in names if 'norm' in name)


def _exact(names: Mapping[str, str]) -> Iterator[Rule]:
    for plain, name in names.items():
        if plain != name:
            yield Rule(re.escape(plain), name.replace('\\', r'\\'))


def _refuse_bias(bias: Tensor, name: str, _: State) -> None:
    if bias.any():
        raise RefusedError(
            f"{name}: is not all zeros, and the model has no such bias; choose timm's model_name "
            'that ends in _qkvb'
        )


def _refuse_groups(_: Tensor, name: str, __: State) -> None:
    raise RefusedError(
        f'{name}: SatMAE with groups of bands, each of an embedding of its own, is not supported; '
        'its weights of three bands are'
    )


def _one_date(kernel: Tensor, name: str, _: State) -> Tensor:
    """Return the kernel ``(C, bands, p, p)`` of one that may have a length in time before."""
    if kernel.ndim == 5:
        if kernel.shape[2] != 1:
            raise RefusedError(f'{name}: joins {kernel.shape[2]} dates; weights of single ones fit')
        return kernel.squeeze(2)
    return kernel


def _first_date(table: Tensor, state: State, patch: int) -> Tensor:
    """Return the positions of the first date of a table of several, ``(1, 1 + N, C)``."""
    kernels = [tensor for name, tensor in state.items() if name.endswith('patch_embed.proj.weight')]
    if not kernels or kernels[0].ndim != 5:
        return table
    side = math.ceil(_PRITHVI_SIDE / patch)
    count, rest = divmod(table.shape[1] - 1, side * side)
    if rest or not count:
        raise RefusedError(
            f'pos_embed: {table.shape[1]} positions are no dates of {side}x{side} patches of '
            f'{patch} px and a class token'
        )
    return table[:, : 1 + side * side]
