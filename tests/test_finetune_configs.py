"""Every leaf of the folders of fine-tuning keeps the rules."""

import pytest
from config_rules import check_finetune_leaf, leaves
from folders import ROOT

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
