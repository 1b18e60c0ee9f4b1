import pytest
import torch

from samrs_mm.models.boxnet.inputs import CHANNELS
from samrs_mm.models.boxnet.network import BoxNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    return BoxNet((8, 16, 24))


def crops(count=2, side=32, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(CHANNELS), side, side, generator=generator)


@pytest.mark.parametrize('side', [16, 32, 64])
def test_shapes(network, side):
    logits, iou = network(crops(3, side))
    assert logits.shape == (3, side, side)
    assert iou.shape == (3,)
    assert side % network.multiple == 0


def test_the_default_has_about_a_million_parameters():
    count = sum(each.numel() for each in BoxNet().parameters())
    assert count == 972_421
    assert BoxNet().multiple == 16


def test_every_parameter_learns_of_mask_and_iou(network):
    logits, iou = network(crops())
    (logits.square().mean() + iou.square().mean()).backward()
    assert all(each.grad.abs().sum() > 0 for each in network.parameters())


def test_the_iou_teaches_nothing_but_its_own_head(network):
    network(crops())[1].sum().backward()
    learnt = {name for name, each in network.named_parameters() if each.grad is not None}
    assert learnt == {f'iou.{name}' for name, _ in network.iou.named_parameters()}


def test_every_channel_changes_the_mask(network):
    with torch.inference_mode():
        before, _ = network(crops())
        for channel in range(len(CHANNELS)):
            changed = crops()
            changed[:, channel] += 1
            assert not torch.equal(network(changed)[0], before)


def test_crops_do_not_see_each_other(network):
    with torch.inference_mode():
        both, _ = network(crops(2))
        alone, _ = network(crops(2)[:1])
    torch.testing.assert_close(both[:1], alone)
