import mmdet.models  # noqa: F401  (registers)
import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import GenericRoIExtractor, SingleRoIExtractor
from mmdet.models.task_modules.prior_generators import MlvlPointGenerator
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from task_cases import NECK, NORM, detectors_of, instance_detector, task_config
from torch import nn

import samrs_mm.models.segmentors  # noqa: F401  (registers)
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.level_check import check_levels

BACKBONE = dict(
    type='mmseg.ResNet', depth=18, base_channels=8, norm_cfg=NORM, out_indices=(1, 2, 3)
)
LEVELS = 'level 0: stride 8, 16 channels, level 1: stride 16, 16 channels, level 2: stride 32, 16'
"""What ``NECK`` gives."""


def build(config):
    init_default_scope('mmseg')
    return MODELS.build(ConfigDict(config))


def rtmdet(backbone=BACKBONE, neck=NECK, **head):
    config = instance_detector(3)
    config.update(backbone=backbone, neck=neck, bbox_head=config['bbox_head'] | head)
    return build(config)


def test_levels_that_fit_leave_the_detector_as_it_was():
    model = rtmdet().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert check_levels(model) is None
    assert model.training
    for name, value in model.state_dict().items():
        assert value.equal(before[name]), name


def test_parts_that_choose_their_levels_are_left_alone():
    model = rtmdet()
    model.mask_head = nn.Module()  # as CondInst has it
    model.mask_head.prior_generator = MlvlPointGenerator([8])
    model.roi_head = nn.Module()  # as HTC has it
    layer = dict(type='RoIAlign', output_size=7, sampling_ratio=0)
    model.roi_head.semantic_roi_extractor = SingleRoIExtractor(layer, 16, [8])
    model.roi_head.mask_roi_extractor = GenericRoIExtractor(
        'concat', roi_layer=layer, out_channels=48, featmap_strides=[8, 16, 32]
    )
    assert check_levels(model) is None
    model.roi_head.bbox_roi_extractor = SingleRoIExtractor(layer, 16, [4, 8])
    with pytest.raises(RefusedError, match=r'^model\.roi_head\.bbox_roi_extractor is for levels'):
        check_levels(model)


def test_heads_of_other_packages_detectors_may_be_given_other_levels():
    model = rtmdet()
    model.bbox_head.prior_generator = MlvlPointGenerator([4, 8, 16, 32])
    with pytest.raises(RefusedError, match='levels of strides'):
        check_levels(model)
    model.__class__ = type('CoDETR', (type(model),), {})
    assert check_levels(model) is None


def test_a_neck_that_needs_a_larger_image_is_given_one():
    """SSD's convolves its last levels without padding; its strides are those of one size."""
    backbone = dict(BACKBONE, out_indices=(2, 3))
    neck = dict(type='mmdet.SSDNeck', in_channels=(32, 64), out_channels=(32, 64, 8, 8),
                level_strides=(2, 1), level_paddings=(1, 0), l2_norm_scale=20)  # fmt: skip
    anchors = dict(type='mmdet.SSDAnchorGenerator', scale_major=False, input_size=300,
                   basesize_ratio_range=(0.15, 0.9), strides=[16, 32, 64, 100],
                   ratios=[[2]] * 4)  # fmt: skip
    head = dict(type='mmdet.SSDHead', in_channels=(32, 64, 8, 8), num_classes=3,
                anchor_generator=anchors)  # fmt: skip
    model = build(dict(
        type='mmdet.SingleStageDetector', _scope_='mmdet', backbone=backbone, neck=neck,
        bbox_head=head, data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
    ))  # fmt: skip
    assert check_levels(model) is None


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        (
            dict(neck=dict(NECK, in_channels=[16, 32, 128])),
            r'^model\.neck: CSPNeXtPAFPN does not fit the levels of ResNet, which are level 0: '
            r'stride 8, 16 channels, .* stride 32, 64 channels: its in_channels are \[16, 32, 128]',
        ),
        (
            dict(backbone=dict(BACKBONE, out_indices=(0, 1, 2, 3))),
            r'level 3: stride 32, 64 channels: its in_channels are \[16, 32, 64]$',
        ),
        (
            dict(in_channels=32),
            rf'^model\.bbox_head is for levels of 32 channels, where CSPNeXtPAFPN gives {LEVELS}',
        ),
        (
            dict(
                backbone=dict(BACKBONE, out_indices=(0, 1, 2)),
                neck=dict(NECK, in_channels=[8, 16, 32]),
            ),
            r'^model\.bbox_head is for levels of strides \[8, 16, 32], where CSPNeXtPAFPN gives '
            r'level 0: stride 4, 16 channels, .*; choose levels of these strides, or give it',
        ),
    ],
)
def test_levels_that_do_not_fit_are_told(parts, message):
    with pytest.raises(RefusedError, match=message) as caught:
        check_levels(rtmdet(**parts))
    assert '\n' not in str(caught.value)


def mask_rcnn(strides=(4, 8, 16, 32), channels=16):
    roi = dict(
        type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
        out_channels=channels, featmap_strides=list(strides),
    )  # fmt: skip
    rpn = dict(
        type='RPNHead', in_channels=16, feat_channels=16,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]
        ),
    )  # fmt: skip
    head = dict(type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, num_classes=3)
    return build(dict(
        _scope_='mmdet', type='FasterRCNN', backbone=dict(BACKBONE, out_indices=(0, 1, 2, 3)),
        neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
        rpn_head=rpn,
        roi_head=dict(type='StandardRoIHead', bbox_roi_extractor=roi, bbox_head=head),
        train_cfg=None, test_cfg=dict(rpn=dict(), rcnn=dict()),
    ))  # fmt: skip


def test_the_levels_of_regions_are_the_first_ones():
    assert check_levels(mask_rcnn()) is None
    name = r'^model\.roi_head\.bbox_roi_extractor is for levels of '
    with pytest.raises(RefusedError, match=name + r'strides \[8, 16, 32, 64], where FPN gives'):
        check_levels(mask_rcnn(strides=(8, 16, 32, 64)))
    with pytest.raises(RefusedError, match=name + '8 channels, where FPN gives level 0: stride 4'):
        check_levels(mask_rcnn(channels=8))


@pytest.mark.parametrize(
    ('levels', 'message'),
    [
        (
            (1, 2, 9),
            r'levels=\[1, 2, 9]: there are 4 levels, counted from 0; ResNet gives level 0: '
            'stride 4, 8 channels',
        ),
        (
            (0, 1, 2),
            r'detector\.neck: CSPNeXtPAFPN does not fit the levels of ResNet \(levels=\(0, 1, 2\)\)'
            r', which are level 0: stride 4, 8 channels, .*: its in_channels are \[16, 32, 64]',
        ),
    ],
)
def test_levels_of_a_detector_beside_others(levels, message):
    tasks = dict(a=['instance'], b=['instance'])
    detectors = detectors_of(tasks)
    assert check_levels(build(task_config(detectors=detectors))) is None
    detectors['b_instance']['levels'] = levels
    with pytest.raises(RefusedError, match=rf'^model\.detectors\.b_instance\.{message}'):
        check_levels(build(task_config(detectors=detectors)))


def test_the_strides_of_mask2former_cancel_out_but_not_its_channels():
    from mmdet.models.layers import MSDeformAttnPixelDecoder

    from samrs_mm.engine.detector_levels import _check_pixel_decoder

    attention = dict(embed_dims=16, num_heads=2, num_levels=1, num_points=1)
    decoder = MSDeformAttnPixelDecoder(
        in_channels=[8, 16], strides=[2, 4], feat_channels=16, out_channels=16, num_outs=1,
        norm_cfg=NORM,
        encoder=ConfigDict(
            num_layers=1,
            layer_cfg=dict(
                self_attn_cfg=attention, ffn_cfg=dict(embed_dims=16, feedforward_channels=16)
            ),
        ),
        positional_encoding=ConfigDict(num_feats=8, normalize=True),
    )  # fmt: skip
    maps = [torch.zeros(1, 8, 16, 16), torch.zeros(1, 16, 8, 8)]
    with torch.no_grad():
        _check_pixel_decoder('model.panoptic_head', decoder, maps, 'X gives A')
        with pytest.raises(
            RefusedError, match=r'^model\.panoptic_head\.in_channels do not fit: X gives A: '
        ):
            _check_pixel_decoder('model.panoptic_head', decoder, maps[::-1], 'X gives A')
