import pytest
import torch
from backbone_cases import check_checkpointing, check_frozen, check_gradients, image, perturb
from timm.models.vision_transformer import VisionTransformer

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.mae_vit import MAEViT

SMALL = dict(embed_dims=24, depth=4, num_heads=3, mlp_ratio=2)


def small(**options):
    torch.manual_seed(0)
    return MAEViT(SMALL, **dict(img_size=64, drop_path_rate=0.0) | options)


@pytest.mark.parametrize(('patch', 'size', 'grid'), [
    (16, (64, 64), (4, 4)), (14, (100, 56), (8, 4)), (8, (33, 64), (5, 8)),
])  # fmt: skip
def test_maps_of_any_patch_and_size(patch, size, grid):
    backbone = small(patch_size=patch)
    with torch.inference_mode():
        maps = backbone.eval()(image(*size, batch=2))
    assert [tuple(level.shape) for level in maps] == [(2, 24, *grid)] * 4
    assert backbone.out_channels == (24,) * 4


def test_equals_timm_with_class_token():
    """As MAE's own fine-tuning, which is timm's with a class token that takes part."""
    backbone = perturb(small(patch_size=8, in_channels=5)).eval()
    theirs = VisionTransformer(
        64, 8, 5, num_classes=0, embed_dim=24, depth=4, num_heads=3, mlp_ratio=2,
        norm_layer=torch.nn.modules.normalization.LayerNorm, global_pool='',
    ).eval()  # fmt: skip
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.LayerNorm):
            layer.eps = 1e-6
    theirs.load_state_dict(backbone.state_dict())
    pixels = torch.randn(2, 5, 64, 64)
    with torch.inference_mode():
        expected = theirs.forward_intermediates(pixels, norm=False, intermediates_only=True)
        found = backbone(pixels)
        last = theirs.forward_features(pixels)[:, 1:].mT.unflatten(2, (8, 8))
    for level, other in zip(found[:3], expected, strict=False):
        torch.testing.assert_close(level, other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[3], last, rtol=1e-4, atol=1e-5)


def test_training():
    check_gradients(small())
    check_checkpointing(small(), small(with_cp=True))
    check_frozen(small(frozen_stages=1), ['patch_embed', 'blocks.0'], ['blocks.1'])


def test_blocks_behind_the_last_map_do_not_train():
    backbone = small(out_blocks=(1, 2))
    check_gradients(backbone)
    frozen = [name for name, weight in backbone.named_parameters() if not weight.requires_grad]
    assert {name.split('.')[1] for name in frozen} == {'2', '3'}
    with pytest.raises(RefusedError, match=r'out_blocks=\(2, 5\); give some of 1 to 4, ascending'):
        small(out_blocks=(2, 5))


def test_positions_of_another_grid_are_interpolated():
    backbone, other = small(), perturb(small(img_size=96))
    assert backbone.resizes_on_load('pos_embed', (1, 37, 24))
    assert not backbone.resizes_on_load('pos_embed', (1, 38, 24))
    backbone.load_state_dict(other.state_dict())
    torch.testing.assert_close(backbone.pos_embed[:, :1], other.pos_embed[:, :1])
    assert backbone.pos_embed.shape == (1, 17, 24)
    with torch.inference_mode():
        near = backbone.eval()(image(64, 64))[0], other.eval()(image(64, 64))[0]
    torch.testing.assert_close(*near, rtol=1e-4, atol=1e-4)


def test_a_kernel_of_another_patch_size_does_not_load():
    with pytest.raises(RuntimeError, match=r'size mismatch for patch_embed\.proj\.weight'):
        small().load_state_dict(small(patch_size=8, img_size=32).state_dict())
