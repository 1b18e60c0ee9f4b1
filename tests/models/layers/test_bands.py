import torch
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from torch import nn

from samrs_mm.models.layers.bands import bands_of, image_convolutions
from samrs_mm.registry import register_all


class Biased(nn.Module):
    """A convolution of positions is registered, and used, before that of the image."""

    def __init__(self, bands=5):
        super().__init__()
        self.bias = nn.Conv2d(2, 4, 1)
        self.later = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(bands)
        self.stem = nn.Conv2d(bands, 4, 4, 4)
        self.detail = nn.Conv2d(bands, 4, 3, padding=1)

    def forward(self, image):
        where = self.bias(torch.zeros(1, 2, 1, 1, device=image.device))
        image = self.norm(image)
        return self.later(self.stem(image) + where), self.detail(image)


def test_the_layers_that_see_the_image_are_not_the_first_ones():
    network = Biased().train()
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert image_convolutions(network) == ['stem', 'detail']
    assert bands_of(network) == 5
    assert network.training
    assert not network.norm.training
    for name, value in network.state_dict().items():
        assert value.equal(before[name]), name


def test_they_are_found_without_weights():
    with torch.device('meta'):
        assert image_convolutions(Biased(1)) == ['stem', 'detail']


def test_an_adapter_has_two():
    register_all_modules()
    register_all()
    with torch.device('meta'):
        network = MODELS.build(dict(type='ViTAdapter', in_channels=4))
    assert len(image_convolutions(network)) == 2


def test_none_is_known_where_no_image_goes_in():
    assert bands_of(nn.Sequential(nn.Flatten(), nn.Linear(7, 2))) is None
