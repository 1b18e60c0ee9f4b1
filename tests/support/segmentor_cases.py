"""Small networks with heads of 3, 5 and 2 classes, and batches for them."""

import mmseg.models  # noqa: F401  (registers)
import numpy as np
import torch
from backbone_cases import perturb
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import samrs_mm.models.decode_heads  # noqa: F401  (registers)
from samrs_mm.models.segmentors import multi_head_encoder_decoder, source_losses

CLASSES = dict(sota=3, sior=5, fast=2)
NORM = dict(type='BN', requires_grad=True)
LOSS = dict(type='CrossEntropyLoss', avg_non_ignore=True)

# Of ResNet-18 with 8 channels; AUXILIARY is of the first level, CASCADE of levels of one stride
AUXILIARY = dict(
    type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1, concat_input=False,
    dropout_ratio=0.0, norm_cfg=NORM, loss_decode=dict(LOSS, loss_weight=0.4),
)  # fmt: skip
CASCADE = dict(
    type='MultiHeadCascadeEncoderDecoder',
    num_stages=2,
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, norm_cfg=NORM, strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
    ),
    decode_head=[
        dict(AUXILIARY, in_channels=32, in_index=2),
        dict(
            type='OCRHead', in_channels=64, in_index=3, channels=16, ocr_channels=8,
            dropout_ratio=0.0, norm_cfg=NORM, loss_decode=LOSS,
        ),
    ],
    auxiliary_head=[AUXILIARY, dict(AUXILIARY, in_channels=16, in_index=1)],
)  # fmt: skip


def small_model(head='UPerHead', seed=0, **overrides):
    """Build in float64, without dropout; channels 8 to 64."""
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    decode_head = dict(
        type=head,
        in_channels=[8, 16, 32, 64],
        in_index=[0, 1, 2, 3],
        dropout_ratio=0.0,
        loss_decode=LOSS,
    ) | (
        dict(channels=16, norm_cfg=NORM)
        if head == 'UPerHead'
        else dict(decoder_channels=(32, 16, 8, 8))
    )
    cfg = dict(
        type='MultiHeadEncoderDecoder',
        backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=NORM),
        decode_head=decode_head,
        heads={source: dict(num_classes=classes) for source, classes in CLASSES.items()},
        test_cfg=dict(mode='whole'),
    )
    model = MODELS.build(ConfigDict(cfg | overrides)).double()
    perturb(model, std=0.1)
    for name, value in model.named_buffers():
        if name.endswith('running_mean'):
            torch.nn.init.normal_(value, std=0.1)
        elif name.endswith('running_var'):
            torch.nn.init.uniform_(value, 0.5, 1.5)
    return model


def sample_of(source, label=None, size=(64, 64)):
    metainfo = dict(ori_shape=size, img_shape=size, pad_shape=size)
    sample = SegDataSample(metainfo=metainfo | (dict(source=source) if source else {}))
    if label is not None:
        sample.gt_sem_seg = PixelData(data=torch.as_tensor(label)[None])
    return sample


def batch_of(sources, seed=0, size=(64, 64), valid=0.5):
    """Random images float64 and labels with 255 beside the classes of the source."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.normal(size=(len(sources), 3, *size)))
    samples = []
    for source in sources:
        label = rng.integers(0, CLASSES.get(source, 2), size)
        label[rng.random(size) > valid] = 255
        samples.append(sample_of(source, label, size))
    return images, samples


def freeze_batch_norm(model):
    """Train mode with batch norm in eval mode, so that it doesn't mix samples."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


def gradients(model, images, samples):
    """Return the losses and the gradients of their sum, by name."""
    model.zero_grad()
    losses = model.loss(images, samples)
    model.parse_losses(losses)[0].backward()
    return losses, {name: weight.grad.clone() for name, weight in model.named_parameters()}


def labels_by_source(samples):
    found = {}
    for sample in samples:
        found.setdefault(sample.source, []).append(sample.gt_sem_seg.data)
    return {source: torch.cat(labels) for source, labels in found.items()}


def share_totals(monkeypatch, model, parts):
    """Have each of two simulated ranks add up both ranks' totals."""
    own = [
        model._output.losses.totals(labels_by_source(samples), torch.device('cpu'))
        for _, samples in parts
    ]
    lone = [
        torch.stack(
            [
                totals[source] if source in labels_by_source(samples) else 0 * totals[source]
                for source in CLASSES
            ]
        )
        for totals, (_, samples) in zip(own, parts, strict=True)
    ]
    monkeypatch.setattr(source_losses, 'all_reduce', lambda totals: totals.copy_(sum(lone)))
    for module in (source_losses, multi_head_encoder_decoder):
        monkeypatch.setattr(module, 'get_world_size', lambda: 2)
    monkeypatch.setattr(multi_head_encoder_decoder, 'all_reduce', lambda values, op: None)
