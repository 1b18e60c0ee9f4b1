"""Every leaf of configs/mtp keeps the rules, and so does the small one for a CPU."""

import pytest
import torch
from config_rules import PRIMITIVE, leaves, load, read_entry
from folders import ROOT
from mmengine.optim import build_optim_wrapper
from mmseg.registry import DATASETS, METRICS, MODELS

from samrs_mm.compat import is_onedl
from samrs_mm.core.classes import FAST_CLASSES, SIOR_CLASSES, SOTA_CLASSES
from samrs_mm.engine.class_match import miscounts

LEAVES = leaves(ROOT / 'configs/mtp')
DEMO = ROOT / 'configs/examples/mtp_demo.py'
CLASSES = dict(sota=SOTA_CLASSES, sior=SIOR_CLASSES, fast=FAST_CLASSES)
pytestmark = pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")


@pytest.mark.parametrize('leaf', [*LEAVES, DEMO], ids=lambda path: path.stem)
def test_a_leaf_keeps_the_rules(leaf):
    cfg = load(leaf)
    datasets = cfg.train_dataloader.dataset.datasets
    tasks = {entry.source: entry.pipeline[-1].tasks for entry in datasets}
    assert list(tasks) == list(cfg.model.heads)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for entry in loader.dataset.datasets:
            assert DATASETS.get(entry.type).__name__ == 'AnnotatedInstanceDataset'
            assert entry.semantic
            assert (entry.boxes, entry.pipeline[-1].type) == ('rbox', 'PackMultiTaskInputs')
            assert bool(entry.get('test_mode')) == (loader is cfg.val_dataloader)
            assert entry.get('filter_empty', True) == (loader is cfg.train_dataloader)
            assert entry.pipeline[-1].tasks == tasks[entry.source]
    assert cfg.test_dataloader == cfg.val_dataloader
    wanted = {(source, task) for source, names in tasks.items() for task in names}
    detectors = cfg.model.detectors
    assert {(about.source, about.task) for about in detectors.values()} == wanted
    scored, *others = cfg.val_evaluator
    assert scored.type == 'PerSourceIoUMetric'
    assert [entry.detector for entry in others] == list(detectors)
    for entry in others:
        assert METRICS.build(entry).metric
        assert (entry.source, entry.task) == (
            detectors[entry.detector].source, detectors[entry.detector].task
        )  # fmt: skip
    assert cfg.custom_hooks == []
    assert cfg.default_hooks.export.path == 'pretrain/mtp/{config}.pth'
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters


@pytest.mark.parametrize('leaf', [*LEAVES, DEMO], ids=lambda path: path.stem)
def test_a_leaf_builds_and_has_no_batch_norm_in_its_detectors(leaf):
    cfg = load(leaf)
    model = cfg.model
    model.backbone.init_cfg = None
    with torch.device('meta'):
        network = MODELS.build(model)
    optimizer = build_optim_wrapper(network, cfg.optim_wrapper).optimizer
    held = [weight for group in optimizer.param_groups for weight in group['params']]
    assert len(held) == len([*network.parameters()]), 'each weight once'
    normed = torch.nn.modules.batchnorm._BatchNorm
    assert not [part for part in network.detectors.modules() if isinstance(part, normed)]
    names = set(network.state_dict())
    if leaf == DEMO:
        return
    assert {f'backbone.{key}' for key in cfg.pretrain_source['keys']} <= names
    assert not [*miscounts(model, CLASSES, 'train_dataloader')]
    entry = read_entry(leaf)
    assert entry['Config'] == f'configs/mtp/{leaf.name}'
    assert entry['Metadata']['Parameters'] == sum(w.numel() for w in network.parameters())
    readme = leaf.with_name('README.md').read_text()
    assert f'[{leaf.stem}]({leaf.name}) ' in readme
    parts = network.backbone, network.detectors
    for part in parts:
        assert f'{sum(weight.numel() for weight in part.parameters()):,}' in readme
    assert len(leaf.read_text().splitlines()) <= PRIMITIVE
    of_sep = load(ROOT / f'configs/sep/{leaf.stem.replace("-rtmdet", "")}.py').model
    trunk = {name for name in names if name.startswith(('backbone.', 'decode_head.', 'heads.'))}
    of_sep.backbone.init_cfg = None
    with torch.device('meta'):
        assert trunk == set(MODELS.build(of_sep).state_dict())
