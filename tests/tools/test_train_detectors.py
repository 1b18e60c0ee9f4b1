"""Configs of instance segmentation and oriented detection, trained by the tool."""

import pytest
from config_rules import load
from detector_runs import train_two_iterations, write_data
from folders import ROOT

from samrs_mm.compat import is_onedl

FOLDERS = ('instance', 'rotated')
LEAVES = sorted(
    path for folder in FOLDERS for path in (ROOT / 'configs' / folder).glob('*.py')
    if not path.stem.endswith('-sep_sota')
)  # fmt: skip
HEAD = 'model.panoptic_head'
QUICK = {
    'rtmdet-ins_resnet50_imp_sota': (),
    'mask2former_resnet50_imp_sota': (
        f'{HEAD}.pixel_decoder.encoder.num_layers=1', f'{HEAD}.transformer_decoder.num_layers=1',
        f'{HEAD}.num_queries=10', 'model.train_cfg.num_points=64',
    ),
}  # fmt: skip


def marks(path):
    """Return what a leaf needs, and whether it takes longer than the suite has."""
    found = [] if path.stem.startswith('mask2former') else [pytest.mark.ops]
    if path.parent.name == 'rotated':
        reason = "OpenMMLab's mmrotate can't be imported"
        found.append(pytest.mark.skipif(not is_onedl(), reason=reason))
    return found if path.stem in QUICK else [*found, pytest.mark.slow]


@pytest.mark.parametrize(
    'leaf', [pytest.param(path, marks=marks(path), id=path.stem) for path in LEAVES]
)
def test_trains_two_iterations_and_evaluates(leaf, tmp_path):
    write_data(tmp_path)
    lines = train_two_iterations(leaf, load(leaf), tmp_path, *QUICK.get(leaf.stem, ()))
    keys = {key for line in lines for key in line}
    assert 'loss_cls' in keys
    if leaf.parent.name == 'rotated':
        assert 'dota/mAP' in keys
    else:  # CocoMetric returns nothing where nothing is predicted
        scores = {key for key in keys if key.startswith('coco/')}
        assert not scores or {'coco/bbox_mAP', 'coco/segm_mAP_50'} <= scores
