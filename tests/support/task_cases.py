"""A small network of several tasks, and batches of drawn objects for it."""

import mmdet.models  # noqa: F401  (registers)
import mmseg.models  # noqa: F401  (registers)
import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import samrs_mm.models.segmentors  # noqa: F401  (registers)
from samrs_mm.compat import mmrotate_boxes

CLASSES = dict(a=3, b=4)
COLOURS = np.array([(2, 0, 0), (0, 2, 0), (0, 0, 2), (2, 2, 0)], np.float32)
NORM = dict(type='GN', num_groups=4, requires_grad=True)
ACT = dict(type='SiLU', inplace=True)
HEAD = dict(
    in_channels=16, feat_channels=16, stacked_convs=1, share_conv=False, pred_kernel_size=1,
    act_cfg=ACT, norm_cfg=NORM,
    anchor_generator=dict(type='mmdet.MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
    loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
)  # fmt: skip
ASSIGNER = dict(type='mmdet.DynamicSoftLabelAssigner', topk=13)
TESTING = dict(nms_pre=100, min_bbox_size=0, score_thr=0.05, max_per_img=20)
NECK = dict(
    type='mmdet.CSPNeXtPAFPN', in_channels=[16, 32, 64], out_channels=16, num_csp_blocks=1,
    expand_ratio=0.5, norm_cfg=NORM, act_cfg=ACT,
)  # fmt: skip


def instance_detector(classes):
    """Return the config of a small RTMDet-Ins."""
    return dict(
        _scope_='mmdet', type='RTMDet', neck=NECK,
        bbox_head=dict(
            type='RTMDetInsSepBNHead', num_classes=classes,
            bbox_coder=dict(type='DistancePointBBoxCoder'),
            loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
            loss_mask=dict(type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'), **HEAD,
        ),
        train_cfg=dict(assigner=ASSIGNER, allowed_border=-1, pos_weight=-1),
        test_cfg=dict(TESTING, nms=dict(type='nms', iou_threshold=0.6), mask_thr_binary=0.5),
    )  # fmt: skip


def oriented_detector(classes):
    """Return the config of a small RTMDet-R; its losses need compiled ops."""
    return dict(
        _scope_='mmrotate', type='mmdet.RTMDet', neck=NECK,
        bbox_head=dict(
            type='RotatedRTMDetSepBNHead', num_classes=classes, angle_version='le90',
            exp_on_reg=True, with_objectness=False, use_hbbox_loss=False, scale_angle=False,
            bbox_coder=dict(type='DistanceAnglePointCoder', angle_version='le90'),
            loss_bbox=dict(type='RotatedIoULoss', mode='linear', loss_weight=2.0),
            loss_angle=None, **HEAD,
        ),
        train_cfg=dict(assigner=dict(ASSIGNER, iou_calculator=dict(type='RBboxOverlaps2D')),
                       allowed_border=-1, pos_weight=-1),
        test_cfg=dict(TESTING, nms=dict(type='nms_rotated', iou_threshold=0.1)),
    )  # fmt: skip


def detectors_of(tasks):
    """Return ``detectors`` of tasks by source."""
    kinds = dict(instance=instance_detector, oriented=oriented_detector)
    return {
        f'{source}_{task}': dict(
            source=source, task=task, levels=[1, 2, 3], detector=kinds[task](CLASSES[source])
        )
        for source, names in tasks.items()
        for task in names
    }


INSTANCES = dict(a=['instance'], b=['instance'])
ALL = dict(a=['instance', 'oriented'], b=['oriented'])


def task_config(tasks=None, **changes):
    """Return the config of a network, channels 8 to 64, group norm, no dropout."""
    return dict(
        type='MultiTaskPretrainer',
        backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=NORM),
        decode_head=dict(
            type='UPerHead', in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=16,
            dropout_ratio=0.0, norm_cfg=NORM,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        ),
        heads={source: dict(num_classes=count) for source, count in CLASSES.items()},
        detectors=detectors_of(tasks or INSTANCES),
        test_cfg=dict(mode='whole'),
    ) | changes  # fmt: skip


def task_model(tasks=None, seed=0, **changes):
    """Build it, with the weights that training begins with."""
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(task_config(tasks, **changes)))
    model.init_weights()
    return model.train()


def task_sample(source, rng, size=64, count=3, oriented=True):
    """Return an image (3, size, size) and its sample: upright rectangles of known classes."""
    image = rng.normal(0, 0.3, (3, size, size)).astype(np.float32)
    label, bitmaps, labels, boxes = np.full((size, size), 255), [], [], []
    for _ in range(count):
        x, y = rng.integers(0, size - 24, 2)
        width, height = rng.integers(10, 24, 2)
        kind = int(rng.integers(CLASSES[source]))
        mask = np.zeros((size, size), np.uint8)
        mask[y : y + height, x : x + width] = 1
        image[:, mask == 1] += COLOURS[kind][:, None]
        label[mask == 1] = kind
        bitmaps.append(mask)
        labels.append(kind)
        boxes.append((x, y, x + width, y + height))
    sample = SegDataSample(metainfo=dict(
        source=source, ori_shape=(size, size), img_shape=(size, size), pad_shape=(size, size),
        img_id=int(rng.integers(2**31)),
    ))  # fmt: skip
    sample.gt_sem_seg = PixelData(data=torch.from_numpy(label[None]))
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    found = InstanceData(labels=torch.tensor(labels, dtype=torch.long), bboxes=corners)
    found.masks = BitmapMasks(np.array(bitmaps).reshape(-1, size, size), size, size)
    if oriented:
        sides = corners[:, 2:] - corners[:, :2]
        middle = (corners[:, 2:] + corners[:, :2]) / 2
        upright = torch.cat([middle, sides, torch.zeros(len(boxes), 1)], 1)
        found.rboxes = mmrotate_boxes().RotatedBoxes(upright)
    sample.gt_instances, sample.ignored_instances = found, found[:0]
    return torch.from_numpy(image), sample


def task_batch(sources, seed=0, **options):
    """Return images (N, 3, H, W) and samples, of these sources."""
    rng = np.random.default_rng(seed)
    pairs = [task_sample(source, rng, **options) for source in sources]
    return torch.stack([image for image, _ in pairs]), [sample for _, sample in pairs]
