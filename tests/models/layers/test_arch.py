import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones import ViT, ViTRVSA
from samrs_mm.models.layers.arch import sizes_of


def test_sizes_by_name_and_in_full():
    sizes = dict(ViT.arch_settings['b'], depth=3)
    assert sizes_of(ViT, 'b') == ViT.arch_settings['b']
    assert sizes_of(ViT, sizes) is sizes


@pytest.mark.parametrize('backbone', [ViT, ViTRVSA])
def test_other_names_and_keys_are_refused_before_anything_is_built(backbone):
    name = backbone.__name__
    with pytest.raises(RefusedError, match=f"{name}: arch='l'; choose from b, or give a mapping"):
        backbone(arch='l')
    with pytest.raises(RefusedError, match=f'{name}: arch has the keys depth; give embed_dims, de'):
        backbone(arch=dict(depth=3))
