"""The backbones that weights are converted for: how to know them, and what they lack or drop."""

import importlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import Fresh, Rule, Shapes, State, position_grid
from samrs_mm.models.conversion.key_maps import swin, vit

_REGISTERING = ('mmseg.models', 'samrs_mm.models.backbones', 'samrs_mm.models.decode_heads')
_PATCH_SIZE = 16
_CLASSIFIER = 'ImageNet classifier'
_DEAD = "never used by the authors' model, which has it"


@dataclass(frozen=True)
class Network:
    """A backbone.

    Args:
        config: How the registry builds it.
        channels: Of its four levels.
        mark: Regular expression of a name that it alone has.
        rules: From the authors' and the usual names to ours.
        to_authors: Back, where names differ.
        fresh: What files of pre-trained backbones lack by their nature.
        dead: ``(pattern, names)``: where a weight of ours matches, the authors have these beside
            it, as templates, which nothing uses.
        any_image_size: Whether it loads position embeddings of any grid; ``img_size`` sets its own.
    """

    config: Mapping[str, Any]
    channels: tuple[int, int, int, int]
    mark: str
    rules: tuple[Rule, ...] = ()
    to_authors: tuple[Rule, ...] = ()
    fresh: tuple[Fresh, ...] = ()
    dead: tuple[tuple[str, tuple[str, ...]], ...] = ()
    any_image_size: bool = False


_WINDOWED = r'(layers\.[01]\.(?:RC\.attn\.attn|NC\.\d+\.attn))'
NETWORKS = {
    'resnet50': Network(
        dict(type='ResNet', depth=50, norm_cfg=dict(type='BN')),
        (256, 512, 1024, 2048),
        mark=r'layer1\.0\.conv1\.weight',
        rules=(Rule(r'fc\.\w+', reason=_CLASSIFIER),),
        fresh=(Fresh(r'.+\.num_batches_tracked', 'starts at 0; torchvision had none until 2018'),),
    ),
    'swin': Network(
        dict(type='SwinTransformer', embed_dims=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24)),
        (96, 192, 384, 768),
        mark=r'(layers|stages)\.0\.blocks\.0\.attn\.(w_msa\.)?qkv\.weight',
        rules=swin.TO_OURS,
        to_authors=swin.TO_AUTHORS,
        fresh=swin.FRESH,
    ),
    'vitae': Network(
        dict(type='ViTAEv2'),
        (64, 128, 256, 512),
        mark=r'layers\.0\.RC\.PCM\.0\.weight',
        rules=(
            Rule(r'head\.\w+', reason=_CLASSIFIER),
            Rule(r'norm\.\w+', reason=_CLASSIFIER),
            Rule(r'norm[0-3]\.\w+', reason=_DEAD),
            Rule(r'layers\..+\.relative_position_(?:bias_table|index)', reason=_DEAD),
            Rule(r'layers\..+\.attn_mask', reason=_DEAD),
        ),
        dead=(
            (
                rf'{_WINDOWED}\.qkv\.weight',
                (r'\1.relative_position_bias_table', r'\1.relative_position_index'),
            ),
            (
                r'layers\.([0-3])\.RC\.PCM\.0\.weight',
                (r'norm\1.weight', r'norm\1.bias'),
            ),
        ),
    ),
    'internimage': Network(
        dict(type='InternImage'),
        (64, 128, 256, 512),
        mark=r'levels\.0\.blocks\.0\.dcn\.offset\.weight',
        rules=(Rule(r'(?:conv_head|head)\..+', reason=_CLASSIFIER),),
    ),
    'vit-adapter': Network(
        dict(type='ViTAdapter'),
        (768,) * 4,
        mark=r'spm\.stem\.0\.weight',
        rules=vit.ADAPTER,
        fresh=vit.ADAPTER_FRESH,
    ),
    'vit-rvsa': Network(
        dict(type='ViTRVSA'),
        (768,) * 4,
        mark=r'blocks\.0\.attn\.sampling_offsets\.2\.weight',
        rules=vit.RVSA,
        fresh=vit.RVSA_FRESH,
        dead=(
            (
                r'(blocks\.\d+\.attn)\.relative_position_bias_table',
                (r'\1.relative_position_index',),
            ),
            (r'patch_embed\.proj\.weight', ('norm.weight', 'norm.bias')),
        ),
    ),
    'vit-beit': Network(
        dict(type='ViT', variant='beit'),
        (768,) * 4,
        mark=r'blocks\.0\.attn\.relative_position_bias_table',
        rules=vit.BEIT,
        fresh=vit.BEIT_FRESH,
    ),
    'vit': Network(
        dict(type='ViT'),
        (768,) * 4,
        mark=r'fpn1\.0\.weight',
        rules=vit.PLAIN,
        fresh=vit.PLAIN_FRESH,
        any_image_size=True,
    ),
}
VITS = ('vit', 'vit-adapter', 'vit-rvsa', 'vit-beit')
_VIT_FAMILY = r'blocks\.0\.attn\.qkv\.weight'


def find_network(names: Iterable[str]) -> str:
    """Return the key in `NETWORKS` of the backbone that weights are of.

    Args:
        names: Names as the authors or we have them, without any prefix.

    Raises:
        RefusedError: No known one, or one of several that have the same names.
    """
    names = [*names]
    for key, network in NETWORKS.items():
        if has(network.mark, names):
            return key
    if has(_VIT_FAMILY, names):
        *family, last = VITS
        raise RefusedError(
            'it is of a plain ViT, which several backbones start from: give --to '
            f'{", ".join(family)} or {last}'
        )
    raise RefusedError(
        f'it is of no network known here (it has {", ".join(names[:3])}, ...): known are '
        f'{", ".join(NETWORKS)}; for others give --config'
    )


def network_of(backbone: Mapping[str, Any]) -> tuple[str, Network | None]:
    """Return the key in `NETWORKS`, and its entry, of what a config builds, in whatever size.

    Args:
        backbone: Config.

    Returns:
        The type's name and None where there is no such entry.
    """
    variant = backbone.get('variant', 'plain')
    for key, network in NETWORKS.items():
        if (network.config['type'], network.config.get('variant', 'plain')) == (
            backbone['type'],
            variant,
        ):
            return key, network
    return backbone['type'], None


def has(pattern: str, names: Iterable[str]) -> bool:
    """Return whether a name matches as a whole."""
    return any(re.fullmatch(pattern, name) for name in names)


def backbone_config(key: str, state: State) -> dict[str, Any]:
    """Return the config of a backbone in `NETWORKS`, for the image size that weights are of.

    Args:
        key: In `NETWORKS`.
        state: Weights of the backbone, by our names or the authors'.
    """
    network = NETWORKS[key]
    grid = position_grid(state['pos_embed'].shape) if 'pos_embed' in state else None
    if not network.any_image_size or grid is None:
        return dict(network.config)
    return dict(network.config, img_size=grid[1] * _PATCH_SIZE)


def shapes_of(config: Mapping[str, Any]) -> Shapes:
    """Return the names and shapes of the weights of what the registry builds.

    Raises:
        RefusedError: It can't be built.
    """
    try:
        # Nothing is going to use the model, so its warnings are none.
        with (
            warnings.catch_warnings(action='ignore'),
            DefaultScope.overwrite_default_scope('mmseg'),
        ):
            model = _build_without_memory(ConfigDict(config))
    except (AssertionError, ImportError, KeyError, TypeError, ValueError) as error:
        text = ' '.join(str(error).split())
        raise RefusedError(f'{config.get("type")} cannot be built: {text}') from error
    return module_shapes(model)


def _build_without_memory(config: ConfigDict) -> nn.Module:
    for part in _REGISTERING:
        importlib.import_module(part)
    try:
        with torch.device('meta'):
            return MODELS.build(config)
    except (NotImplementedError, RuntimeError):
        # Some read values while they are built, as the drop-path rates of mmseg's Swin.
        return MODELS.build(config)


def module_shapes(model: nn.Module) -> Shapes:
    """Return the names and shapes of a model's weights."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}
