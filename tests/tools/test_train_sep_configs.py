"""Every config of configs/sep trains as it stands, except for its initial weights.

The largest, UPerNet on ViT-Adapter with 167 million weights, takes 4.4 GB.
"""

import pytest
from folders import ROOT
from sep_runs import train_two_iterations, write_sources

LEAVES = sorted((ROOT / 'configs/sep').glob('*.py'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('sep')
    write_sources(root)
    return root


@pytest.mark.slow
@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_trains_two_iterations(folder, leaf):
    losses, _ = train_two_iterations(leaf, folder)
    assert len(losses) == 2
