import pytest
import torch
import torch.nn.functional as F
from segmentor_cases import small_model
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.complexity import complexity
from samrs_mm.models.backbones import InternImage, MAEViT, ViT, ViTAdapter, ViTAEv2, ViTRVSA

TRANSFORMER = dict(embed_dims=24, depth=4, num_heads=3, mlp_ratio=2)
BACKBONES = dict(
    vit=lambda: ViT(TRANSFORMER, img_size=64),
    mae=lambda: MAEViT(TRANSFORMER, img_size=64),
    rvsa=lambda: ViTRVSA(dict(TRANSFORMER, global_blocks=(3,), level_blocks=(0, 1, 2, 3))),
    adapter=lambda: ViTAdapter(
        dict(
            TRANSFORMER, depth=8, conv_dims=4, deform_heads=6, deform_ratio=0.5, ffn_ratio=0.25
        )
    ),
    vitae=lambda: ViTAEv2(),
    internimage=lambda: InternImage(
        dict(channels=16, depths=(1, 1, 1, 1), groups=(2, 4, 8, 16), mlp_ratio=4)
    ),
)  # fmt: skip


class Net(nn.Module):
    """A convolution, attention over its pixels, and a part that shares its weights."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.again = nn.Sequential(self.conv)
        self.linear = nn.Linear(8, 4).requires_grad_(False)
        self.unused = nn.Identity()

    def forward(self, x):
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        return self.linear(F.scaled_dot_product_attention(tokens, tokens, tokens)).cumsum(0)


def test_by_hand():
    found = complexity(Net(), (3, 4, 5))
    conv, attention, linear = 20 * 27 * 8, 2 * 20 * 20 * 8, 20 * 8 * 4
    parts = {part.name: part for part in found.parts}
    assert [*parts] == ['', 'conv', 'again', 'linear']
    assert parts[''].products == conv + attention + linear
    assert (parts['conv'].products, parts['linear'].products) == (conv, linear)
    assert (parts[''].weights, parts[''].trained) == (216 + 36, 216)
    assert parts['again'].weights == 216
    assert found.uncounted == {'aten::cumsum': 1}


def test_how_deep():
    model = small_model().float()
    whole = complexity(model, (3, 64, 64), 0).parts
    assert [part.name for part in whole] == ['']
    parts = complexity(model, (3, 64, 64), 1).parts
    assert {'backbone', 'decode_head', 'heads'} <= {part.name for part in parts}
    assert sum(part.products for part in parts[1:]) == pytest.approx(whole[0].products, rel=0.01)
    assert whole[0].weights == sum(weight.numel() for weight in model.parameters())


def test_twice_the_pixels_are_twice_the_products():
    convolutions = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1))
    one, two = (complexity(convolutions, (4, 8, width)).parts[0].products for width in (8, 16))
    assert 2 * one == two == 8 * 16 * (32 + 16)


@pytest.mark.parametrize('name', sorted(BACKBONES))
def test_our_backbones_are_counted_at_sizes_that_they_pad(name):
    """Where torch traces for it, sizes are tensors."""
    whole, *_ = complexity(BACKBONES[name](), (3, 50, 70), 0).parts
    assert whole.products > whole.weights


def test_a_forward_that_fails_is_refused():
    with pytest.raises(RefusedError, match='cannot be counted on an image of 3 x 8 x 8: '):
        complexity(nn.Conv2d(4, 8, 1), (3, 8, 8))
    assert torch.is_grad_enabled()


class OfOneSize(nn.Conv2d):
    def forward(self, x):
        assert x.shape[-1] == 224, "Input width doesn't match model (224)."
        return super().forward(x)


def test_a_network_that_asserts_its_size_is_refused():
    with pytest.raises(RefusedError, match=r'of 3 x 8 x 8: Input width'):
        complexity(OfOneSize(3, 8, 1), (3, 8, 8))
