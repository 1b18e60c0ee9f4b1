"""The networks whose weights are known, and the weights of whole models."""

import importlib
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import shipped
from samrs_mm.models.conversion.conversion import has, position_grid
from samrs_mm.models.conversion.key_maps import DECODERS, NETWORKS, VITS, Network, Shapes, State
from samrs_mm.models.layers.bands import image_convolutions

_PATCH_SIZE = 16
_REGISTERING = ('mmseg.models', 'samrs_mm.models.backbones', 'samrs_mm.models.decode_heads')


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
    if 'blocks.0.attn.qkv.weight' in names:
        raise RefusedError(
            'it is of a plain ViT, which several backbones start from: give --to '
            f'{", ".join(VITS[:-1])} or {VITS[-1]}'
        )
    raise RefusedError(
        f'it is of no network known here (it has {", ".join(names[:3])}, ...): known are '
        f'{", ".join(NETWORKS)}; for others give --config'
    )


def network_of(backbone: Mapping[str, Any]) -> tuple[str, Network]:
    """Return the key in `NETWORKS`, and its entry, of what a config builds, in whatever size.

    Of a backbone that has no entry it is its type and an entry without rules.
    """
    kind = backbone['type'], backbone.get('variant', 'plain')
    for key, network in NETWORKS.items():
        config = backbone_config(key)
        if (config['type'], config.get('variant', 'plain')) == kind:
            return key, network
    return backbone['type'], Network(config='', mark='')


def backbone_config(key: str, state: State | None = None) -> dict[str, Any]:
    """Return the config of a backbone in `NETWORKS`.

    Args:
        key: In `NETWORKS`.
        state: Weights of the backbone, by our names or the authors'; a plain ViT is built for the
            size of images that they are of.
    """
    config = _base_config('backbones', NETWORKS[key].config)['backbone'] | NETWORKS[key].options
    if key == 'vit' and state and 'pos_embed' in state:
        grid = position_grid(state['pos_embed'].shape)
        return config | dict(img_size=grid[1] * _PATCH_SIZE) if grid else config
    return config


def backbone_channels(key: str) -> list[int]:
    """Return the channels of the four levels of a backbone in `NETWORKS`."""
    return _base_config('backbones', NETWORKS[key].config)['backbone_channels']


@cache
def _base_config(axis: str, name: str) -> dict[str, Any]:
    """Return the variables of ``configs/_base_/AXIS/NAME.py``, installed or in a checkout."""
    return Config.fromfile(shipped('configs') / f'_base_/{axis}/{name}.py').to_dict()


def whole_shapes(key: str, backbone: State, decoder: str, found: Shapes) -> Shapes:
    """Return the names and shapes of the weights of backbone, trunk and classifiers.

    Args:
        key: Of the backbone, in `NETWORKS`.
        backbone: Its weights.
        decoder: Key in `DECODERS`.
        found: Shapes in the file by our names: of the classifiers, which are those of sources
            (``heads.SOURCE``) or the decode head's own, of any number of classes.

    Raises:
        RefusedError: Something can't be built.
    """
    channels, classifier = backbone_channels(key), f'decode_head.{DECODERS[decoder][2]}'
    sizes = dict(in_channels=channels, in_index=[0, 1, 2, 3], num_classes=2)
    if decoder == 'upernet':
        sizes['channels'] = channels[1]
    head = _base_config('decoders', decoder)['decode_head'] | sizes
    config = backbone_config(key, backbone)
    wanted = shapes_of(dict(type='EncoderDecoder', backbone=config, decode_head=head))
    one = {part: wanted.pop(f'{classifier}.{part}') for part in ('weight', 'bias')}
    for name, size in found.items():
        if match := re.fullmatch(rf'(heads\.\w+|{classifier})\.\w+', name):
            for part, (_, *rest) in one.items():
                wanted[f'{match[1]}.{part}'] = (size[0], *rest)
    return wanted


def shapes_of(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights of what the registry builds.

    Raises:
        RefusedError: It can't be built.
    """
    return {name: tuple(value.shape) for name, value in _built(config).state_dict().items()}


def image_weights(backbone: Mapping[str, Any]) -> list[str]:
    """Return the names of the weights of a backbone that the image meets.

    Raises:
        RefusedError: It can't be built.
    """
    return [f'{name}.weight' for name in image_convolutions(_built(backbone))]


def _built(config: Mapping[str, Any]) -> nn.Module:
    for part in _REGISTERING:
        importlib.import_module(part)
    config = ConfigDict(config)
    try:
        # Nothing is going to use the model, so its warnings don't matter.
        with (
            warnings.catch_warnings(),
            DefaultScope.overwrite_default_scope('mmseg'),
        ):
            warnings.simplefilter('ignore')
            try:
                with torch.device('meta'):
                    return MODELS.build(config)
            except (NotImplementedError, RuntimeError):
                # Some read values while they are built, as the drop-path rates of mmseg's Swin.
                return MODELS.build(config)
    except (AssertionError, ImportError, KeyError, TypeError, ValueError) as error:
        text = ' '.join(str(error).split())
        raise RefusedError(f'{config.get("type")} cannot be built: {text}') from error
