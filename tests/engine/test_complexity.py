import pytest
import torch
import torch.nn.functional as F
from segmentor_cases import small_model
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.complexity import complexity


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


def test_a_forward_that_fails_is_refused():
    with pytest.raises(RefusedError, match='cannot be counted on an image of 3 x 8 x 8: '):
        complexity(nn.Conv2d(4, 8, 1), (3, 8, 8))
    assert torch.is_grad_enabled()
