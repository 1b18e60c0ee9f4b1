"""Every leaf of configs/outside builds, fits its trunk and trains; here in small versions."""

import pytest
import torch
from config_rules import leaves, load
from folders import ROOT
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from samrs_mm.engine.level_check import check_levels

LEAVES = leaves(ROOT / 'configs/outside')
LONGEST = 14
SOURCES = dict(sota=3, sior=4, fast=2)


def shrink(model):
    """Make the backbone a small one of the same kind, and the head fit it."""
    backbone, head = model.backbone, model.decode_head
    backbone.init_cfg = None
    width = 16
    if backbone.type == 'MAEViT':
        backbone.arch = dict(embed_dims=width, depth=4, num_heads=2, mlp_ratio=2)
    elif backbone.type == 'HuggingFaceBackbone':
        backbone.config.update(
            hidden_size=width, num_hidden_layers=4, num_attention_heads=2, image_size=56
        )
    elif backbone.type == 'mmpretrain.ConvNeXt':
        backbone.arch = dict(depths=[1] * 4, channels=[8, 16, 24, 32])
    elif backbone.model_name.startswith('vit'):
        backbone.update(embed_dim=width, depth=4, num_heads=2, out_indices=(0, 1, 2, 3))
    else:
        backbone.update(depths=[1] * 4, dims=[8, 16, 24, 32])
    plain = 'neck' in model and model.neck.type == 'Feature2Pyramid'
    channels = [width] * 4 if plain else [8, 16, 24, 32]
    if plain:
        model.neck.embed_dim = width
    elif 'neck' in model:
        model.neck.update(in_channels=channels, out_channels=8)
        channels = [8] * 4
    for part in head if isinstance(head, list) else [head]:
        if 'channels' in part:
            part.channels = 16
        if 'c1_in_channels' in part:
            part.update(c1_in_channels=channels[0], c1_channels=8)
        index = part.in_index
        part.in_channels = channels[index] if isinstance(index, int) else channels
    model.heads = {name: dict(num_classes=count) for name, count in SOURCES.items()}
    return model


def batch(side, bands):
    generator = torch.Generator().manual_seed(0)
    samples = []
    for source, classes in SOURCES.items():
        label = torch.randint(classes, (1, side, side), generator=generator)
        size = dict(img_shape=(side, side), ori_shape=(side, side), pad_shape=(side, side))
        sample = SegDataSample(metainfo=dict(source=source, **size))
        sample.gt_sem_seg = PixelData(data=label)
        samples.append(sample)
    images = torch.randint(256, (len(samples), bands, side, side), generator=generator)
    return dict(inputs=[*images.to(torch.uint8)], data_samples=samples)


def needs(leaf):
    """Skip a leaf whose library is not a requirement of the tests."""
    if '_hf-' in leaf.stem:
        pytest.importorskip('transformers')


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_trains_two_iterations(leaf):
    needs(leaf)
    assert len(leaf.read_text().splitlines()) <= LONGEST
    cfg = load(leaf)
    torch.manual_seed(0)
    network = MODELS.build(shrink(cfg.model))
    network.init_weights()
    assert check_levels(network) is None
    wrapper = build_optim_wrapper(network, cfg.optim_wrapper)
    data = batch(network.data_preprocessor.size_divisor * 3, len(network.data_preprocessor.mean))
    network.train()
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for _ in range(2):
        prepared = network.data_preprocessor(data, True)
        loss, logged = network.parse_losses(network(**prepared, mode='loss'))
        assert loss.isfinite()
        assert {f'acc_{source}' for source in SOURCES} <= logged.keys()
        wrapper.zero_grad()
        loss.backward()
        idle = {
            name
            for name, weight in network.named_parameters()
            if weight.requires_grad and weight.grad is None
        }
        assert not idle, 'no gradient, for which ranks would wait'
        wrapper.step()
    changed = [
        name for name, weight in network.named_parameters() if not weight.equal(before[name])
    ]
    assert {name.partition('.')[0] for name in changed} >= {'backbone', 'decode_head', 'heads'}
    with torch.no_grad():
        found = network.eval().test_step(data)
    assert [len(each.seg_logits.data) for each in found] == [*SOURCES.values()]
