"""Configs of instance segmentation and oriented detection, trained by the tool."""

import copy
import json

import pytest
from config_rules import load
from detector_runs import SIDE, SMALL, small, train_two_iterations, write_data
from folders import ROOT
from instance_folders import write_instances
from training_runs import run_tool

from samrs_mm.compat import is_onedl
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset

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
    found = [] if path.stem.startswith(('mask2former', 'rtmdet-ins')) else [pytest.mark.ops]
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


@pytest.mark.slow
@pytest.mark.ops
@pytest.mark.parametrize('name', ['instance/mask2former', 'rotated/rtmdet-r'])
def test_a_checkpoint_is_scored_and_its_objects_are_written(name, tmp_path):
    if name.startswith('rotated') and not is_onedl():
        pytest.skip("OpenMMLab's mmrotate can't be imported")
    leaf = ROOT / f'configs/{name}_resnet50_imp_sota.py'
    write_data(tmp_path)
    shrink = QUICK.get(leaf.stem, ())
    train_two_iterations(
        leaf, load(leaf), tmp_path, *shrink, 'default_hooks.checkpoint.save_last=True'
    )
    weights = tmp_path / f'work/{leaf.stem}/iter_2.pth'
    argv = [str(leaf), str(weights), '--work-dir', str(tmp_path / 'scored'), '--out',
            str(tmp_path / 'out'), '--cfg-options', *small(load(leaf)), *shrink]  # fmt: skip
    (code,), said = run_tool('test', argv, tmp_path / 'said', folder=tmp_path)
    assert code == 0, said[-3000:]
    metrics = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert any(key.startswith(('coco/', 'dota/')) for key in metrics)
    [boxes] = (tmp_path / 'out/predictions').glob('objects.bbox.json')
    assert json.loads(boxes.read_text())


SOURCES = dict(first=('plane', 'ship', 'small-vehicle'), second=('tank', 'plane', 'harbour'))


def write_config_of_two_folders(leaf, path):
    """Write a leaf's config on small images of the two ``SOURCES``, in the folder of ``path``."""
    config = copy.deepcopy(load(leaf))
    metainfo = dict(classes=sorted({name for names in SOURCES.values() for name in names}))
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        for step in loader.dataset.pipeline:
            step.update({key: (SIDE, SIDE) for key in ('scale', 'crop_size') if key in step})
        parts = [dict(loader.dataset, data_root=str(path.parent / name), source=name,
                      metainfo=metainfo) for name in SOURCES]  # fmt: skip
        loader.dataset = dict(type='MultiSourceDataset', datasets=parts)
    count = len(metainfo['classes'])
    config.model.panoptic_head.num_things_classes = count
    config.model.panoptic_head.loss_cls.class_weight = [*[1.0] * count, 0.1]
    config.model.panoptic_fusion_head.num_things_classes = count
    config.model.test_cfg.max_per_image = 10  # no more than there are queries
    config.dump(path)


@pytest.mark.slow
def test_several_folders_are_trained_scored_and_written_as_one(tmp_path):
    for name, classes in SOURCES.items():
        write_instances(tmp_path / name, classes=classes)
    leaf, path = ROOT / 'configs/instance/mask2former_resnet50_imp_sota.py', tmp_path / 'two.py'
    write_config_of_two_folders(leaf, path)
    options = [
        '--cfg-options',
        *SMALL,
        *QUICK[leaf.stem],
        'default_hooks.checkpoint.save_last=True',
    ]
    argv = [str(path), '--work-dir', str(tmp_path / 'work')]
    (code,), said = run_tool('train', [*argv, *options], tmp_path / 'trained', folder=tmp_path)
    assert code == 0, said[-3000:]
    argv[1:1] = [str(tmp_path / 'work/iter_2.pth'), '--out', str(tmp_path / 'out')]
    (code,), said = run_tool('test', [*argv, *options], tmp_path / 'tested', folder=tmp_path)
    assert code == 0, said[-3000:]
    assert 'coco/segm_mAP' in json.loads((tmp_path / 'out/metrics.json').read_text())
    found = json.loads((tmp_path / 'out/predictions/objects.segm.json').read_text())
    parts = [AnnotatedInstanceDataset(str(tmp_path / name), ann_file='val.txt', source=name,
                                      test_mode=True) for name in SOURCES]  # fmt: skip
    images = [part.file_info(index)['img_id'] for part in parts for index in range(len(part))]
    assert len({*images}) == len(images) == 2, 'images of one name are two'
    assert {each['image_id'] for each in found} == {*images}
