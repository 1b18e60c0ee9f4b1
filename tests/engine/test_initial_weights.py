import pytest
import torch
from mmengine.model import BaseModel
from mmseg.models.backbones import ResNet, SwinTransformer
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.initial_weights import check_initial_weights


class Network(BaseModel):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(2, 2)

    def forward(self, inputs):
        """Nothing is computed here."""


def resnet(path, **more):
    return ResNet(18, base_channels=4, init_cfg=dict(type='Pretrained', checkpoint=path, **more))


@pytest.fixture
def written(tmp_path):
    """Return paths of a backbone's weights, alone and as those of a whole network."""
    state = ResNet(18, base_channels=4).state_dict()
    paths = {}
    for name, prefix in (('alone', ''), ('whole', 'backbone.'), ('nested', 'model.encoder.')):
        paths[name] = str(tmp_path / f'{name}.pth')
        content = {f'{prefix}{key}': value for key, value in state.items()}
        torch.save(dict(state_dict=content | {'heads.a.weight': torch.zeros(3, 3)}), paths[name])
    return paths


def test_weights_that_fit_are_taken(written):
    check_initial_weights(Network(resnet(written['alone'])))
    for prefix in ('backbone', 'backbone.'):
        check_initial_weights(Network(resnet(written['whole'], prefix=prefix)))
    check_initial_weights(Network(resnet('https://nowhere/x.pth')))
    check_initial_weights(Network(ResNet(18, base_channels=4)))


@pytest.mark.parametrize(
    ('file', 'given', 'says'),
    [
        ('whole', {}, r"0 of {n} weights of model.backbone are in it, but {n} with prefix='bac"),
        ('nested', {}, r"but {n} with prefix='model.encoder.': set it in model.backbone.init_cfg"),
        ('nested', dict(prefix='backbone'), r"below 'backbone', but {n} with prefix='model.enc"),
        ('alone', dict(prefix='backbone.'), r"are in it below 'backbone.', but {n} with no prefix"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_would_be_loaded_is_refused(written, file, given, says):
    count = len(ResNet(18, base_channels=4).state_dict())
    with pytest.raises(RefusedError, match=says.format(n=count)) as error:
        check_initial_weights(Network(resnet(written[file], **given)))
    assert '\n' not in str(error.value)


def test_a_file_of_another_network_is_refused(tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save({'blocks.0.weight': torch.zeros(2, 2)}, path)
    with pytest.raises(RefusedError, match=r'0 of \d+ .* has blocks.0.weight, ...: it is of anoth'):
        check_initial_weights(Network(resnet(path)))


def test_swin_renames_the_weights_itself(written):
    init_cfg = dict(type='Pretrained', checkpoint=written['whole'])
    sizes = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), pretrain_img_size=64)
    check_initial_weights(Network(SwinTransformer(**sizes, init_cfg=init_cfg)))
