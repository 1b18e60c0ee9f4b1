"""Every leaf of the folders of fine-tuning keeps the rules."""

import pytest
import torch
from config_rules import check_finetune_leaf, leaves, load, read_entry
from folders import ROOT
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules

DATA = ('potsdam', 'isaid', 'loveda', 'vaihingen', 'deepglobe')
LEAVES = leaves(*(ROOT / 'configs' / data for data in DATA))


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_keeps_the_rules(leaf, tmp_path):
    check_finetune_leaf(leaf, tmp_path)


@pytest.mark.parametrize('data', ['loveda', 'vaihingen', 'deepglobe'])
def test_every_backbone_of_the_papers_is_there(data):
    paper = {path.stem.split('_')[1] for path in leaves(ROOT / 'configs/potsdam')}
    stems = {path.stem for path in leaves(ROOT / 'configs' / data)}
    found = {stem.split('_')[1] for stem in stems}
    assert found == paper
    starts = {stem for stem in stems if '-sep_' not in stem}
    assert {stem.replace('-sep_', '_') for stem in stems - starts} == starts


@pytest.mark.parametrize(
    'leaf',
    ['potsdam/unet_resnet50_imp_potsdam', 'isaid/upernet_resnet50_rsp-sep_isaid',
     'loveda/upernet_vit_imp_loveda'],
)  # fmt: skip
def test_the_weights_in_the_metafile_are_counted(leaf):
    path = ROOT / f'configs/{leaf}.py'
    model = load(path).model
    model.backbone.init_cfg = None
    register_all_modules()
    with torch.device('meta'):
        network = MODELS.build(model)
    count = sum(weight.numel() for weight in network.parameters())
    assert read_entry(path)['Metadata']['Parameters'] == count


@pytest.mark.parametrize('data', DATA)
def test_leaves_of_one_network_have_one_number_of_weights(data):
    numbers = {}
    for leaf in leaves(ROOT / 'configs' / data):
        about = read_entry(leaf)['Metadata']
        network = (*about['Architecture'], '_beit' in leaf.stem)  # a ViT with other biases
        numbers.setdefault(network, set()).add(about['Parameters'])
    assert [name for name, found in numbers.items() if len(found) > 1] == []
