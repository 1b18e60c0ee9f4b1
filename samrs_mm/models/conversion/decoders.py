"""The decoders that weights are converted for, and the weights of whole models."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samrs_mm.models.conversion.conversion import Shapes
from samrs_mm.models.conversion.networks import shapes_of

_UPERNET_CHANNELS_LEVEL = 1


@dataclass(frozen=True)
class Decoder:
    """A decode head.

    Args:
        mark: Regular expression of a name that it alone has.
        config: How the registry builds it, without channels and classes.
        classifier: Where its classifier is.
    """

    mark: str
    config: Mapping[str, Any]
    classifier: str = 'conv_seg'


_ATTENTION = dict(embed_dims=256, num_heads=8, dropout=0.0, batch_first=True)
_POSITIONS = dict(num_feats=128, normalize=True)
_MASK2FORMER = dict(
    type='Mask2FormerHead',
    strides=[4, 8, 16, 32],
    feat_channels=256,
    out_channels=256,
    num_queries=100,
    num_transformer_feat_level=3,
    align_corners=False,
    positional_encoding=_POSITIONS,
    pixel_decoder=dict(
        type='mmdet.MSDeformAttnPixelDecoder',
        num_outs=3,
        norm_cfg=dict(type='GN', num_groups=32),
        encoder=dict(
            num_layers=6,
            layer_cfg=dict(
                self_attn_cfg=dict(
                    embed_dims=256, num_heads=8, num_levels=3, num_points=4, batch_first=True
                ),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=1024),
            ),
        ),
        positional_encoding=_POSITIONS,
    ),
    transformer_decoder=dict(
        return_intermediate=True,
        num_layers=9,
        layer_cfg=dict(
            self_attn_cfg=_ATTENTION,
            cross_attn_cfg=_ATTENTION,
            ffn_cfg=dict(embed_dims=256, feedforward_channels=2048),
        ),
    ),
    loss_cls=dict(type='mmdet.CrossEntropyLoss', class_weight=[1.0, 1.0, 0.1]),
    loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
    loss_dice=dict(type='mmdet.DiceLoss'),
)
DECODERS = {
    'unet': Decoder(r'blocks\.0\.conv1\.0\.weight', dict(type='UNetHead')),
    'upernet': Decoder(
        r'fpn_bottleneck\.conv\.weight', dict(type='UPerHead', norm_cfg=dict(type='BN'))
    ),
    'mask2former': Decoder(r'pixel_decoder\.mask_feature\.weight', _MASK2FORMER, 'cls_embed'),
}


def whole_shapes(
    backbone: Mapping[str, Any], channels: Sequence[int], decoder: str, found: Shapes
) -> Shapes:
    """Return the names and shapes of the weights of backbone, trunk and classifiers.

    Args:
        backbone: Its config.
        channels: Of its four levels.
        decoder: Key in `DECODERS`.
        found: Shapes in the file by our names; they tell which classifiers there are, each
            ``heads.SOURCE`` or the decode head's own, and of how many classes.

    Raises:
        RefusedError: Something can't be built.
    """
    known = DECODERS[decoder]
    config = dict(known.config, in_channels=[*channels], in_index=[0, 1, 2, 3], num_classes=2)
    if decoder == 'upernet':
        config['channels'] = channels[_UPERNET_CHANNELS_LEVEL]
    trunk = dict(shapes_of(config))
    one = {part: trunk.pop(f'{known.classifier}.{part}') for part in ('weight', 'bias')}
    wanted = {f'backbone.{name}': size for name, size in shapes_of(backbone).items()}
    wanted |= {f'decode_head.{name}': size for name, size in trunk.items()}
    for name, size in found.items():
        if match := re.fullmatch(rf'(heads\.\w+|decode_head\.{known.classifier})\.\w+', name):
            for part, (_, *rest) in one.items():
                wanted[f'{match[1]}.{part}'] = (size[0], *rest)
    return wanted
