import pytest
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones import ViT, ViTRVSA
from samrs_mm.models.layers.backbone import Backbone


class Small(Backbone):
    def __init__(self):
        super().__init__(with_cp=False, frozen_stages=1)
        self.stem, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.position = nn.Parameter(nn.init.zeros_(self.stem.bias.new_empty(2)))
        self.freeze()

    def frozen_parts(self):
        return [self.norm, self.position]


def state(backbone):
    training = {name for name, module in backbone.named_modules() if module.training}
    return training, {name for name, weight in backbone.named_parameters() if weight.requires_grad}


def test_frozen_parts_neither_train_nor_count():
    backbone = Small()
    learning = {'stem.weight', 'stem.bias'}
    assert state(backbone) == ({'', 'stem'}, learning)
    assert backbone.eval() is backbone
    assert state(backbone) == (set(), learning)
    assert backbone.train() is backbone
    assert state(backbone) == ({'', 'stem'}, learning)


def test_sizes_by_name_and_in_full():
    sizes = dict(ViT.arch_settings['b'], depth=3)
    assert ViT.sizes_of('b') == ViT.arch_settings['b']
    assert ViT.sizes_of(sizes) is sizes


@pytest.mark.parametrize('backbone', [ViT, ViTRVSA])
def test_other_names_and_keys_are_refused_before_anything_is_built(backbone):
    name = backbone.__name__
    with pytest.raises(RefusedError, match=f"{name}: arch='l'; choose from b, or give a mapping"):
        backbone(arch='l')
    with pytest.raises(RefusedError, match=f'{name}: arch has the keys depth; give embed_dims, de'):
        backbone(arch=dict(depth=3))
