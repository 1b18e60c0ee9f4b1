from torch import nn

from samrs_mm.models.layers.frozen import FrozenParts


class Backbone(FrozenParts, nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.position = nn.Parameter(nn.init.zeros_(self.stem.bias.new_empty(2)))
        self.freeze()

    def frozen_parts(self):
        return [self.norm, self.position]


def state(backbone):
    training = {name for name, module in backbone.named_modules() if module.training}
    return training, {name for name, weight in backbone.named_parameters() if weight.requires_grad}


def test_frozen_parts_neither_train_nor_count():
    backbone = Backbone()
    learning = {'stem.weight', 'stem.bias'}
    assert state(backbone) == ({'', 'stem'}, learning)
    assert backbone.eval() is backbone
    assert state(backbone) == (set(), learning)
    assert backbone.train() is backbone
    assert state(backbone) == ({'', 'stem'}, learning)
