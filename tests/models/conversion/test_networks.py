import pytest
import torch

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.key_maps import NETWORKS
from samrs_mm.models.conversion.networks import (
    backbone_channels,
    backbone_config,
    find_network,
    network_of,
    shapes_of,
)


@pytest.mark.parametrize('key', NETWORKS)
def test_a_backbone_is_the_one_of_the_configs(key):
    config = backbone_config(key)
    assert network_of(config) == (key, NETWORKS[key])
    assert network_of(dict(config, drop_path_rate=0.5))[0] == key
    shapes = shapes_of(config)
    assert find_network(shapes) == key
    sizes = {size for shape in shapes.values() for size in shape}
    assert set(backbone_channels(key)) <= sizes


def test_a_vit_is_built_for_the_images_of_its_weights():
    for positions, side in ((197, 224), (1024, 512)):
        state = dict(pos_embed=torch.empty(1, positions, 768))
        assert backbone_config('vit', state)['img_size'] == side
        assert 'img_size' not in backbone_config('vit-adapter', state)
    assert 'img_size' not in backbone_config('vit', dict(pos_embed=torch.empty(1, 12 * 15, 768)))


def test_a_backbone_without_an_entry_has_no_rules():
    name, network = network_of(dict(type='MobileNetV2'))
    assert (name, network.rules) == ('MobileNetV2', ())


def test_what_cannot_be_built_is_refused():
    with pytest.raises(RefusedError, match=r'NoSuchNet cannot be built: .*NoSuchNet is not in'):
        shapes_of(dict(type='NoSuchNet'))
