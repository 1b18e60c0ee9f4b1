import json
import sys

import pytest
import torch

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.backbones.huggingface import HuggingFaceBackbone
from samrs_mm.models.layers.bands import bands_of

PLAIN = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2)
KINDS = {
    'dinov2': (dict(PLAIN, image_size=56, patch_size=14), [(16, 4)] * 4, 56),
    'dinov3_vit': (dict(PLAIN, intermediate_size=32, num_register_tokens=4), [(16, 4)] * 4, 64),
    'swin': (
        dict(embed_dim=8, depths=[1] * 4, num_heads=[1] * 4),
        [(8, 16), (16, 8), (32, 4), (64, 2)],
        64,
    ),
    'convnextv2': (
        dict(hidden_sizes=[8, 16, 24, 32], depths=[1] * 4),
        [(8, 16), (16, 8), (24, 4), (32, 2)],
        64,
    ),
}


@pytest.mark.parametrize('kind', KINDS)
def test_maps_and_gradients(kind):
    pytest.importorskip('transformers')
    config, expected, side = KINDS[kind]
    backbone = HuggingFaceBackbone(dict(config, model_type=kind), in_channels=5).train()
    backbone.init_weights()
    maps = backbone(torch.randn(2, 5, side, side))
    assert isinstance(maps, tuple)
    assert [tuple(level.shape) for level in maps] == [(2, c, n, n) for c, n in expected]
    assert backbone.out_channels == tuple(channels for channels, _ in expected)
    sum((level * torch.randn_like(level)).sum() for level in maps).backward()
    trained = [weight for weight in backbone.parameters() if weight.requires_grad]
    assert all(weight.grad is not None for weight in trained)


def test_config_of_a_file_or_folder(tmp_path):
    """The hub's files say a number of bands."""
    pytest.importorskip('transformers')
    about = dict(model_type='dinov2', architectures=['Dinov2Model'], num_channels=3)
    config = dict(KINDS['dinov2'][0], **about)
    (tmp_path / 'config.json').write_text(json.dumps(config))
    for path in (tmp_path, tmp_path / 'config.json'):
        assert HuggingFaceBackbone(str(path)).out_channels == (16,) * 4
        assert bands_of(HuggingFaceBackbone(str(path), in_channels=5)) == 5
    with pytest.raises(RefusedError, match=r'other\.json.*give a config.json'):
        HuggingFaceBackbone(str(tmp_path / 'other.json'))


@pytest.mark.parametrize('kind', ['bert', 'nothing', None])
def test_a_type_without_a_backbone_is_refused(kind):
    pytest.importorskip('transformers')
    with pytest.raises(RefusedError, match=f'config.model_type={kind!r}.* such as dinov2'):
        HuggingFaceBackbone(dict(model_type=kind))


def test_missing_transformers_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(RefusedError, match=r'needs transformers, .*: pip install "transformers'):
        HuggingFaceBackbone(dict(model_type='dinov2'))
