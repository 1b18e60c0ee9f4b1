"""Weights as timm, Meta, SatMAE, Prithvi, the hub and mmpretrain name them, made here in small."""

import re

import pytest
import timm
import torch
from backbone_cases import perturb
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.mae_vit import MAEViT
from samrs_mm.models.conversion.conversion import DROPPED, RESIZED
from samrs_mm.models.conversion.outside import fit_bands
from samrs_mm.models.conversion.routes import convert_state

VIT = dict(embed_dim=16, depth=2, num_heads=2)
CONVNEXT = dict(depths=[1] * 4, dims=[4, 6, 8, 10])
TIMM_VIT = dict(
    type='TIMMBackbone', model_name='vit_small_patch16_dinov3', pretrained=False,
    out_indices=(0, 1), **VIT,
)  # fmt: skip
TIMM_CONVNEXT = dict(
    type='TIMMBackbone', model_name='convnext_tiny', pretrained=False, out_indices=(0, 1, 2, 3),
    **CONVNEXT,
)  # fmt: skip
SMALL = dict(embed_dims=16, depth=4, num_heads=2, mlp_ratio=2)


def network(name, **options):
    torch.manual_seed(0)
    return perturb(timm.create_model(name, pretrained=False, **options)).eval()


def converted(state, backbone, **options):
    """Convert, expect nothing but known drops, and load strictly."""
    _, conversion = convert_state(state, model=dict(backbone=backbone), **options)
    assert conversion.failures == []
    assert {row.source for row in conversion.rows if row.source} == set(state)
    register_all_modules()
    built = MODELS.build(dict(backbone)).eval()
    built.load_state_dict(conversion.state)
    return built, conversion


def meta_vit(state):
    """Meta's names of DINOv3, with what they have besides."""
    named = {}
    for name, value in state.items():
        new = name.replace('reg_token', 'storage_tokens')
        named[re.sub(r'gamma_([12])', r'ls\1.gamma', new)] = value
        if name.endswith('qkv.weight'):
            bias = torch.zeros(len(value))
            named[name.replace('weight', 'bias')] = bias
            named[name.replace('weight', 'bias_mask')] = bias + float('nan')
    return named | dict(mask_token=torch.zeros(1, 16)) | {'rope_embed.periods': torch.ones(4)}


def meta_convnext(state):
    named = {}
    for name, value in state.items():
        new = re.sub(r'^stem\.', 'downsample_layers.0.', name)
        new = re.sub(r'^stages\.(\d)\.downsample\.', r'downsample_layers.\1.', new)
        new = re.sub(r'^stages\.(\d)\.blocks\.', r'stages.\1.', new)
        new = new.replace('conv_dw', 'dwconv').replace('mlp.fc', 'pwconv')
        new = new.replace('head.norm', 'norm').replace('head.fc', 'head')
        named[new] = value
    norms = {f'norms.3.{part}': named[f'norm.{part}'] for part in ('weight', 'bias')}
    return named | norms


def assert_levels(ours, theirs):
    """Assert that a converted trunk gives the last levels that the network of its file gives."""
    pixels = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        expected = theirs.forward_intermediates(pixels, intermediates_only=True)
        found = ours(pixels)
        for level, other in zip(found, expected[-len(found) :], strict=True):
            torch.testing.assert_close(level, other)


@pytest.mark.parametrize('names', [dict, meta_vit])
def test_dinov3_vit_for_timm(names):
    theirs = network('vit_small_patch16_dinov3', num_classes=3, **VIT)
    ours, conversion = converted(names(theirs.state_dict()), TIMM_VIT)
    assert_levels(ours, theirs)
    dropped = {row.source for row in conversion.rows if row.status == DROPPED}
    assert {'head.weight', 'norm.weight'} <= dropped


def test_a_bias_that_the_model_has_not_is_not_dropped():
    state = meta_vit(network('vit_small_patch16_dinov3', num_classes=0, **VIT).state_dict())
    state['blocks.1.attn.qkv.bias'] = torch.ones(48)
    with pytest.raises(RefusedError, match=r'^blocks\.1\.attn\.qkv\.bias: is not all zeros.*_qkvb'):
        convert_state(state, model=dict(backbone=TIMM_VIT))


@pytest.mark.parametrize('names', [dict, meta_convnext])
def test_dinov3_convnext_for_timm(names):
    theirs = network('convnext_tiny', num_classes=3, **CONVNEXT)
    ours, _ = converted(names(theirs.state_dict()), TIMM_CONVNEXT)
    assert_levels(ours, theirs)


def masked_autoencoder(**options):
    torch.manual_seed(0)
    encoder = perturb(MAEViT(SMALL, **options)).state_dict()
    decoder = {
        'mask_token': torch.zeros(1, 1, 8), 'decoder_pos_embed': torch.zeros(1, 5, 8),
        'decoder_embed.weight': torch.zeros(8, 16), 'decoder_blocks.0.norm1.weight': torch.ones(8),
    }  # fmt: skip
    return encoder, decoder


def test_satmae_of_another_grid():
    encoder, decoder = masked_autoencoder(img_size=96)
    ours, conversion = converted(encoder | decoder, dict(type='MAEViT', arch=SMALL, img_size=64))
    torch.testing.assert_close(ours.blocks[1].norm2.weight, encoder['blocks.1.norm2.weight'])
    assert [row.source for row in conversion.rows if row.status == RESIZED] == ['pos_embed']
    assert {row.source for row in conversion.rows if row.status == DROPPED} == set(decoder)


def test_satmae_with_groups_of_bands_is_refused():
    state = {
        'mask_token': torch.zeros(1, 1, 8),
        'patch_embed.0.proj.weight': torch.ones(16, 3, 8, 8),
    }
    with pytest.raises(RefusedError, match=r'patch_embed\.0\.proj\.weight: SatMAE with groups'):
        convert_state(state, model=dict(backbone=dict(type='MAEViT', arch=SMALL)))


@pytest.mark.parametrize(
    ('patch', 'dates', 'prefix'), [(16, 3, ''), (16, 4, 'encoder.'), (14, 4, 'encoder.')]
)
def test_prithvi(patch, dates, prefix):
    """One date of several: of 4 x 196 positions, a square itself, the first 196."""
    backbone = dict(type='MAEViT', arch=SMALL, patch_size=patch, in_channels=6)
    encoder, decoder = masked_autoencoder(patch_size=patch, in_channels=6)
    expected = {name: value.clone() for name, value in encoder.items()}
    encoder['patch_embed.proj.weight'] = encoder['patch_embed.proj.weight'][:, :, None]
    positions = encoder['pos_embed'][:, 1:]
    later = [positions + date for date in range(1, dates)]
    encoder['pos_embed'] = torch.cat([encoder['pos_embed'], *later], 1)
    encoder['temporal_embed_enc.scale'] = torch.ones(1)
    state = {f'{prefix}{name}': value for name, value in encoder.items()}
    ours, _ = converted(state | {f'decoder.{n}': v for n, v in decoder.items()}, backbone)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def test_kernels_of_another_patch_size_are_refused():
    encoder, decoder = masked_autoencoder(patch_size=8, img_size=112)
    _, conversion = convert_state(
        encoder | decoder, model=dict(backbone=dict(type='MAEViT', arch=SMALL))
    )
    (fault,) = (row for row in conversion.failures if row.source)
    assert fault.source == 'patch_embed.proj.weight'
    assert 'patches or kernels of 8 px, the model has 16' in fault.reason


@pytest.mark.parametrize('backbone', [TIMM_VIT, TIMM_CONVNEXT, dict(type='MAEViT', arch=SMALL)])
@pytest.mark.parametrize('bands', [1, 4, 6])
def test_other_bands_give_what_equal_bands_gave(backbone, bands):
    if backbone['type'] == 'MAEViT':
        state = masked_autoencoder()[0] | dict(mask_token=torch.zeros(1, 1, 8))
    else:
        kind = backbone['model_name']
        state = network(kind, num_classes=0, **VIT if 'vit' in kind else CONVNEXT).state_dict()
    three, _ = converted(state, backbone)
    ours, conversion = converted(state, dict(backbone, in_channels=bands))
    assert [row.status for row in conversion.rows].count(RESIZED) == 1
    grey = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        found, expected = ours(grey.expand(-1, bands, -1, -1)), three(grey.expand(-1, 3, -1, -1))
    for level, other in zip(found, expected, strict=True):
        torch.testing.assert_close(level, other, rtol=1e-4, atol=1e-4)


@MODELS.register_module()
class LateStem(torch.nn.Module):
    """The image's convolution is not the first one; with ``flat`` it has none."""

    def __init__(self, in_channels=3, flat=False):
        super().__init__()
        self.bias = torch.nn.Conv2d(2 if flat else in_channels - 1, 4, 1)
        self.stem = torch.nn.Linear(64, 4) if flat else torch.nn.Conv2d(in_channels, 4, 4)

    def forward(self, image):
        return self.stem(image)


def test_bands_are_fitted_where_the_image_goes_in():
    state = LateStem().state_dict()
    state['bias.weight'] = torch.ones(4, 4, 1, 1)  # that of five bands
    ours, conversion = converted(state, dict(type='LateStem', in_channels=5))
    assert [row.target for row in conversion.rows if row.status == RESIZED] == ['stem.weight']
    assert ours.stem.weight.equal(fit_bands(state['stem.weight'], 5))
    _, chosen = converted(LateStem().state_dict(), dict(type='LateStem'), bands=[3, 2, 1])
    assert [row.target for row in chosen.rows if row.status == RESIZED] == ['stem.weight']


def test_bands_are_not_fitted_elsewhere():
    state = LateStem().state_dict()
    _, conversion = convert_state(state, model=dict(backbone=dict(type='LateStem', in_channels=4)))
    (fault,) = (row for row in conversion.failures if row.source)
    assert fault.source == 'bias.weight'
    assert fault.reason.endswith('; bands are fitted where the image goes in: stem.weight')


def test_bands_of_a_model_without_a_convolution_of_the_image_are_refused():
    backbone = dict(type='LateStem', flat=True)
    with pytest.raises(RefusedError, match='--bands: it is not known which convolution'):
        convert_state(LateStem(flat=True).state_dict(), model=dict(backbone=backbone), bands=[1])


def test_chosen_bands():
    kernel = torch.arange(12.0).view(2, 6, 1, 1)
    assert fit_bands(kernel, 4, [3, 2, 1, 4])[0].flatten().tolist() == [2, 1, 0, 3]
    assert fit_bands(kernel, 1).flatten().tolist() == [15, 51]
    assert fit_bands(kernel[:, :3], 4)[0].flatten().tolist() == [0, 0.75, 1.5, 0.75]
    assert fit_bands(kernel, 3)[0].flatten().tolist() == [0, 2, 4]
    for wrong in ([1, 2], [1, 2, 3, 7], [0, 1, 2, 3]):
        with pytest.raises(RefusedError, match='the model has 4 bands, the file 6: give one of'):
            fit_bands(kernel, 4, wrong)


def test_files_of_the_hub():
    pytest.importorskip('transformers')
    config = dict(
        model_type='dinov2', hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        image_size=56, patch_size=14,
    )  # fmt: skip
    backbone = dict(type='HuggingFaceBackbone', config=config)
    register_all_modules()
    theirs = perturb(MODELS.build(dict(backbone)))
    state = {name.removeprefix('model.'): value for name, value in theirs.state_dict().items()}
    state['classifier.weight'] = torch.zeros(3, 16)
    for prefix in ('', 'dinov2.'):
        ours, _ = converted({f'{prefix}{n}': v for n, v in state.items()}, backbone)
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, theirs.state_dict()[name], msg=name)


def test_mmpretrain():
    backbone = dict(
        type='mmpretrain.ConvNeXt', arch=dict(depths=[1] * 4, channels=[4, 6, 8, 10]),
        out_indices=[0, 1, 2, 3], gap_before_final_norm=False,
    )  # fmt: skip
    register_all_modules()
    theirs = MODELS.build(dict(backbone)).state_dict()
    state = {
        f'backbone.{name}': value
        for name, value in theirs.items()
        if not re.match(r'norm[0-2]\.', name)
    }
    state['head.fc.weight'] = torch.zeros(3, 10)
    _, conversion = convert_state(state, model=dict(backbone=backbone))
    assert conversion.failures == []
    assert len(conversion.state) == len(theirs) - 6
