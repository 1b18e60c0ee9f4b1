"""A small Mask2Former head, label maps for it, and points that don't depend on the random state."""

import mmseg.models  # noqa: F401  (registers)
import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import samrs_mm.models.decode_heads  # noqa: F401  (registers)

IN_CHANNELS = [8, 16, 32, 64]
QUERIES = 6


def head_config(**options):
    """16 channels, one layer in the pixel decoder, three after it, 6 queries, 48 points."""
    attention = dict(
        embed_dims=16,
        num_heads=2,
        attn_drop=0.0,
        proj_drop=0.0,
        dropout_layer=None,
        batch_first=True,
    )
    cross_entropy = dict(type='mmdet.CrossEntropyLoss', reduction='mean')
    return dict(
        type='PartialLabelMask2FormerHead',
        in_channels=IN_CHANNELS,
        strides=[4, 8, 16, 32],
        feat_channels=16,
        out_channels=16,
        num_queries=QUERIES,
        pixel_decoder=dict(
            type='mmdet.MSDeformAttnPixelDecoder',
            num_outs=3,
            norm_cfg=dict(type='GN', num_groups=4),
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(
                    self_attn_cfg=dict(
                        embed_dims=16, num_heads=2, num_levels=3, num_points=2, dropout=0.0,
                        batch_first=True,
                    ),
                    ffn_cfg=dict(embed_dims=16, feedforward_channels=16, ffn_drop=0.0),
                ),
            ),
            positional_encoding=dict(num_feats=8, normalize=True),
        ),
        positional_encoding=dict(num_feats=8, normalize=True),
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=dict(
                    embed_dims=16, feedforward_channels=16, ffn_drop=0.0, dropout_layer=None,
                    add_identity=True,
                ),
            ),
            init_cfg=None,
        ),
        loss_cls=dict(cross_entropy, use_sigmoid=False, loss_weight=2.0),
        loss_mask=dict(cross_entropy, use_sigmoid=True, loss_weight=5.0),
        loss_dice=dict(
            type='mmdet.DiceLoss', use_sigmoid=True, activate=True, reduction='mean',
            naive_dice=True, eps=1.0, loss_weight=5.0,
        ),
        train_cfg=dict(
            num_points=48,
            oversample_ratio=3.0,
            importance_sample_ratio=0.75,
            assigner=dict(
                type='mmdet.HungarianAssigner',
                match_costs=[
                    dict(type='mmdet.ClassificationCost', weight=2.0),
                    dict(type='mmdet.CrossEntropyLossCost', weight=5.0, use_sigmoid=True),
                    dict(type='mmdet.DiceCost', weight=5.0, pred_act=True, eps=1.0),
                ],
            ),
            sampler=dict(type='mmdet.MaskPseudoSampler'),
        ),
    ) | options  # fmt: skip


def as_upstream(config):
    """The same for mmsegmentation's own head."""
    config = dict(config, type='Mask2FormerHead')
    weights = [1.0] * config['num_classes'] + [0.1]
    config['loss_cls'] = dict(config['loss_cls'], class_weight=weights)
    return config


def build(config, seed=0):
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    return MODELS.build(ConfigDict(config))


def blocks(classes, seed=0, size=64, unlabelled=0.0):
    """A label map ``(H, W)`` of 16 px blocks of few classes, some of them 255."""
    rng = np.random.default_rng(seed)
    some = rng.choice(classes, min(classes, 3), replace=False)
    label = rng.choice(some, (size // 16, size // 16))
    label[rng.random(label.shape) < unlabelled] = 255
    return torch.from_numpy(label.repeat(16, 0).repeat(16, 1))


def sample_of(label, **meta):
    size = tuple(label.shape)
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size, **meta))
    sample.gt_sem_seg = PixelData(data=label[None])
    return sample


def levels_of(batch=2, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, channels, size // stride, size // stride, generator=generator)
        for channels, stride in zip(IN_CHANNELS, (4, 8, 16, 32), strict=True)
    ]


def same_points_everywhere(monkeypatch):
    """Let every image and every mask get the same random points, whatever the order."""

    def rand(*shape, device=None):
        first, *rest = shape[0] if isinstance(shape[0], tuple) else shape
        points = np.random.default_rng(rest[0]).random(rest)
        return torch.from_numpy(points).float().expand(first, *rest).clone()

    monkeypatch.setattr(torch, 'rand', rand)
