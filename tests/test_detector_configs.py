"""Every leaf of configs/instance and configs/rotated keeps the rules."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from config_rules import PRIMITIVE, SHORT, leaves, load, read_axis, read_entry
from folders import ROOT
from instance_folders import write_instances
from mmengine.structures import InstanceData
from mmseg.registry import DATASETS, METRICS, MODELS

from samrs_mm.compat import is_onedl
from samrs_mm.core.classes import SOTA_CLASSES
from samrs_mm.engine.class_match import miscounts
from samrs_mm.engine.run_config import load_run_config

LEAVES = leaves(ROOT / 'configs/instance', ROOT / 'configs/rotated')
DETECTORS = dict(
    instance={'rtmdet-ins': 'RTMDet', 'mask-rcnn': 'MaskRCNN', 'mask2former': 'Mask2Former'},
    rotated={'rtmdet-r': 'mmdet.RTMDet', 'oriented-rcnn': 'mmdet.FasterRCNN'},
)
BACKBONES = dict(resnet50='imp', vitae='imp')
BACKBONES['vit-rvsa'] = 'mae'


def leaf_params():
    for path in LEAVES:
        reason = "OpenMMLab's mmrotate can't be imported"
        marks = [
            pytest.mark.skipif(path.parent.name == 'rotated' and not is_onedl(), reason=reason)
        ]
        yield pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize('leaf', [*leaf_params()])
def test_a_leaf_keeps_the_rules(leaf):
    lines = leaf.read_text(encoding='utf-8').splitlines()
    assert len(lines) <= (SHORT if any("'./" in line for line in lines) else PRIMITIVE)
    cfg = load(leaf)
    assert not re.findall(r"'(?:/|~)[\w/.-]+'", cfg.pretty_text), 'absolute paths'
    detector, backbone, pretrain, data = leaf.stem.split('_')
    pretrain, _, sep = pretrain.partition('-')
    assert data == 'sota'
    assert (cfg.model.type, pretrain) == (
        DETECTORS[leaf.parent.name][detector], BACKBONES[backbone]
    )  # fmt: skip
    library = dict(instance='mmdet', rotated='mmrotate')[leaf.parent.name]
    assert (cfg.model._scope_, cfg.model.backbone._scope_) == (library, 'mmseg')
    axis = read_axis(leaf, 'backbones', backbone)['backbone']
    assert {key: cfg.model.backbone[key] for key in axis if key != 'out_indices'} == {
        key: value for key, value in axis.items() if key != 'out_indices'
    }
    dataset = cfg.train_dataloader.dataset
    assert DATASETS.get(dataset.type).__name__ == 'AnnotatedInstanceDataset'
    assert dataset.get('boxes', 'mask') == ('rbox' if library == 'mmrotate' else 'mask')
    assert cfg.val_dataloader.dataset.test_mode
    assert not cfg.val_dataloader.dataset.filter_empty
    assert dataset.get('filter_empty', True)
    assert cfg.test_dataloader == cfg.val_dataloader
    assert not [*miscounts(cfg.model, {None: SOTA_CLASSES}, 'train_dataloader')]
    assert METRICS.build(cfg.val_evaluator)
    assert cfg.custom_hooks == []
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size == 8
    entry = read_entry(leaf)
    assert entry['Config'] == f'configs/{leaf.parent.name}/{leaf.name}'
    assert f'[{leaf.stem}]({leaf.name})' in leaf.with_name('README.md').read_text()
    check_start(cfg, leaf, sep)


def check_start(cfg, leaf, sep):
    """The backbone starts from the file that the name says."""
    init = cfg.model.backbone.init_cfg
    if not sep:
        assert init == dict(type='Pretrained', checkpoint=cfg.pretrain_source.path)
        return
    assert cfg.pretrain_source is None
    assert init.prefix == 'backbone.'
    assert init.checkpoint.startswith('pretrain/sep/')
    of_sep = load(ROOT / 'configs/sep' / f'{init.checkpoint[len("pretrain/sep/") : -4]}.py')
    own, theirs = (dict(c.model.backbone) for c in (cfg, of_sep))
    for part in (own, theirs):
        for key in ('init_cfg', '_scope_', 'out_indices'):
            part.pop(key, None)
    assert own == theirs


@pytest.mark.parametrize(
    'leaf', [p for p in leaf_params() if not p.values[0].stem.endswith('-sep_sota')]
)
def test_a_leaf_builds_and_its_backbone_takes_the_weights(leaf):
    cfg = load(leaf)
    model = cfg.model
    model.backbone.init_cfg = None
    with torch.device('meta'):
        network = MODELS.build(model)
    names = set(network.state_dict())
    assert {f'backbone.{key}' for key in cfg.pretrain_source['keys']} <= names
    entry = read_entry(leaf)
    count = sum(weight.numel() for weight in network.parameters())
    assert entry['Metadata']['Parameters'] == count


def test_both_folders_have_every_detector_with_every_backbone_and_start():
    wanted = {
        f'{detector}_{backbone}_{pretrain}{sep}_sota'
        for group in DETECTORS.values()
        for detector in group
        for backbone, pretrain in BACKBONES.items()
        for sep in ('', '-sep')
    }
    assert {path.stem for path in LEAVES} == wanted
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert {f'configs/{folder}/metafile.yml' for folder in DETECTORS} <= {*index}


def val_data(leaf, root):
    """Return the validation set of a leaf on a small folder whose last image has no object."""
    entry = load(leaf).val_dataloader.dataset | dict(data_root=str(write_instances(root)))
    return DATASETS.build(entry)


def test_a_false_alarm_in_an_image_without_objects_costs_precision(tmp_path):
    cfg = load(ROOT / 'configs/instance/rtmdet-ins_resnet50_imp_sota.py')
    data = val_data(Path(cfg.filename), tmp_path)
    samples = [data[index]['data_samples'] for index in range(len(data))]
    assert [len(sample.gt_instances) for sample in samples][1:] == [0]
    metric = METRICS.build(dict(cfg.val_evaluator, metric='bbox'))
    metric.dataset_meta = data.metainfo
    scores = {}
    for alarms in (0, 1):
        metric.results.clear()
        for sample, more in zip(samples, (0, alarms), strict=True):
            truth = sample.gt_instances
            found = InstanceData(
                bboxes=torch.cat([truth.bboxes.tensor, torch.tensor([[0.0, 0, 30, 30]] * more)]),
                labels=torch.cat([truth.labels, truth.labels.new_zeros(more)]),
                scores=torch.tensor([0.5] * len(truth) + [0.9] * more),
            )
            metric.process({}, [sample.to_dict() | dict(pred_instances=found.to_dict())])
        scores[alarms] = metric.evaluate(len(samples))['coco/bbox_mAP_50']
    assert scores[0] == 1 > scores[1]


@pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")
def test_an_image_without_r_boxes_is_validated(tmp_path):
    data = val_data(ROOT / 'configs/rotated/rtmdet-r_resnet50_imp_sota.py', tmp_path)
    assert data[len(data) - 1]['data_samples'].gt_instances.bboxes.tensor.shape == (0, 5)


@pytest.mark.parametrize('name', ['instance/mask2former', 'rotated/rtmdet-r'])
def test_one_option_gives_all_datasets_a_folder(name, monkeypatch):
    monkeypatch.setattr('samrs_mm.engine.run_config.check_ops', lambda config, path: None)
    if name.startswith('rotated') and not is_onedl():
        pytest.skip("OpenMMLab's mmrotate can't be imported")
    leaf = str(ROOT / f'configs/{name}_resnet50_imp_sota.py')
    cfg = load_run_config(leaf, {'data.data_root': 'own'}, None, 'none')
    loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
    assert {loader.dataset.data_root for loader in loaders} == {'own'}
