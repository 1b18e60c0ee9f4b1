"""Every leaf of configs/potsdam and configs/isaid keeps the rules."""

import pytest
from config_dumps import leave_unformatted
from config_rules import check_finetune_leaf, leaves
from folders import ROOT

LEAVES = leaves(ROOT / 'configs/potsdam', ROOT / 'configs/isaid')


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_keeps_the_rules(leaf, tmp_path, monkeypatch):
    # pretty printing takes longer than all else here
    leave_unformatted(monkeypatch)
    check_finetune_leaf(leaf, tmp_path)
