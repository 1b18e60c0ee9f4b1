import pytest
import torch
import torch.nn.functional as F
from backbone_cases import perturb
from internimage_reference import dcnv3
from torch.func import functional_call

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.dcnv3 import DCNv3


def maps_of(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def wandering(channels, groups, reach):
    """A layer whose offsets are of about `reach` pixels, each point's another."""
    layer = perturb(DCNv3(channels, groups), std=0.3)
    with torch.no_grad():
        layer.offset.bias.copy_(reach * maps_of(len(layer.offset.bias), seed=7))
    return layer.eval()


@pytest.mark.parametrize('reach', [0, 0.7, 8])
@pytest.mark.parametrize(('height', 'width'), [(5, 7), (6, 3), (1, 1)])
def test_equals_the_loop(height, width, reach):
    layer, maps = wandering(8, 2, reach), maps_of(2, height, width, 8)
    with torch.inference_mode():
        result = layer(maps)
    torch.testing.assert_close(result, dcnv3(layer.state_dict(), maps, 2), rtol=1e-4, atol=1e-5)


def test_begins_as_the_mean_of_the_neighbourhood():
    layer, maps = DCNv3(8, 4), maps_of(2, 6, 5, 8)
    for projection in (layer.input_proj, layer.output_proj):
        torch.nn.init.eye_(projection.weight)
    expected = F.avg_pool2d(maps.permute(0, 3, 1, 2), 3, stride=1, padding=1)
    torch.testing.assert_close(layer(maps).permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize(
    ('point', 'step'), [(0, (-1, -1)), (1, (-1, 0)), (3, (0, -1)), (5, (0, 1))]
)
def test_points_go_down_columns_first(point, step):
    layer, maps = DCNv3(4, 1), maps_of(1, 5, 6, 4)
    for projection in (layer.input_proj, layer.output_proj):
        torch.nn.init.eye_(projection.weight)
    with torch.no_grad():
        layer.mask.bias[point] = 50  # after the softmax, that point only
    dx, dy = step
    torch.testing.assert_close(
        layer(maps)[0, 1:-1, 1:-1], maps[0, 1 + dy : 4 + dy, 1 + dx : 5 + dx]
    )


@pytest.mark.parametrize('channel', [0, 1])
def test_offsets_are_in_pixels(channel):
    """The first moves to the right, the second down."""
    layer, maps = DCNv3(4, 1), maps_of(1, 5, 9, 4)
    still = layer(maps)
    with torch.no_grad():
        layer.offset.bias.view(9, 2)[:, channel] = 1
    moved = layer(maps)
    if channel == 0:
        torch.testing.assert_close(moved[:, :, :-1], still[:, :, 1:])
    else:
        torch.testing.assert_close(moved[:, :-1], still[:, 1:])


def test_gradients_are_those_of_differences():
    layer = wandering(4, 2, 0.6).double()
    names, weights = zip(*layer.named_parameters(), strict=True)
    maps = maps_of(1, 3, 4, 4, dtype=torch.float64).requires_grad_()

    def forward(maps, *weights):
        return functional_call(layer, dict(zip(names, weights, strict=True)), (maps,))

    assert torch.autograd.gradcheck(forward, (maps, *weights), fast_mode=True)


def test_bfloat16_keeps_its_place_on_wide_maps():
    """Next to column 300, bfloat16 numbers are two pixels apart."""
    layer, maps = wandering(8, 2, 0.7), maps_of(1, 3, 301, 8)
    with torch.inference_mode():
        exact = layer(maps)
        with torch.autocast('cpu', torch.bfloat16):
            rounded = layer(maps)
    error = (rounded.float() - exact)[0].norm(dim=(0, 2)) / exact[0].norm(dim=(0, 2))
    assert error[-32:].mean() < 1.3 * error[:32].mean()
    assert error.mean() < 0.03


def test_refuses_groups_that_do_not_divide():
    with pytest.raises(RefusedError, match='groups=3 of channels=8; choose groups that divide'):
        DCNv3(8, 3)
