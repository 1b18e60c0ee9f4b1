"""Pre-training on a user's own sources, by the example config, from boxes to weights."""

import json
import re
from pathlib import Path

import pytest
import torch
from folders import CONFIG, ROOT, load_tool, write_dota
from mmengine.config import Config
from mmseg.registry import DATA_SAMPLERS, DATASETS
from mmseg.utils import register_all_modules
from PIL import Image
from samrs_folders import write_released
from training_runs import run_tool

EXAMPLE = ROOT / 'configs/examples/own_sources.py'
COCO_CONFIG = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
CLASSES = dict(sota=18, sior=20, ports=3)
PORTS = ('crane', 'quay', 'warehouse')
NO_WEIGHTS = 'model.backbone.init_cfg=None'
SMALL = [
    'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'default_hooks.logger.interval=1',
    'model.backbone.depth=18', 'model.decode_head.in_channels=[64,128,256,512]',
    'model.decode_head.channels=16',
    *(f'{loader}_dataloader.{option}' for loader in ('train', 'val')
      for option in ('batch_size=4', 'num_workers=0', 'persistent_workers=False')),
    *(f'{loader}_dataloader.dataset.datasets.{source}.pipeline.0.crop.crop_size=64'
      for loader in ('train', 'val') for source in range(3)),
]  # fmt: skip


def write_coco(root: Path, images: int = 5) -> Path:
    """Write pictures with one bright box of each class, and their ``annotations.json``."""
    (root / 'images').mkdir(parents=True)
    labels = dict(images=[], annotations=[], categories=[])
    labels['categories'] = [dict(id=10 * i, name=name) for i, name in enumerate(PORTS)]
    for number in range(images):
        image = Image.new('RGB', (96, 80), (30, 40, 50 + number))
        labels['images'].append(dict(id=number, file_name=f'{number}.png', width=96, height=80))
        for i in range(len(PORTS)):
            x, y, width, height = box = [8 + 30 * i, 10 + 5 * number, 16, 20]
            image.paste((220, 60 * i, 90), (x, y, x + width, y + height))
            about = dict(id=len(labels['annotations']), image_id=number, category_id=10 * i)
            labels['annotations'].append(dict(about, bbox=box, area=320, iscrowd=0))
        image.save(root / 'images' / f'{number}.png')
    (root / 'annotations.json').write_text(json.dumps(labels))
    return root


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with the three sources where the config looks for them."""
    folder = tmp_path_factory.mktemp('place')
    data = folder / 'data'
    annotate, make_splits = (
        load_tool(name).main for name in ('sam_annotate', 'dataset_converters/make_splits')
    )
    fixed = '--cfg-options', 'dataset.classes=sota'
    for config, raw, out, options in (
        (CONFIG, write_dota(folder / 'DOTA'), 'samrs/sota', fixed),
        (COCO_CONFIG, write_coco(folder / 'boxes'), 'ports', ()),
    ):
        flags = '--data-root', str(raw), '--out', str(data / out), '--workers', '0'
        assert annotate([config, *flags, *options]) == 0
    stems = [f'{number:05}' for number in range(1, 7)]
    write_released(data / 'SIOR-released', stems, 'trainval_images', suffix='.jpg')
    for name in ('samrs/sota', 'SIOR-released', 'ports'):
        assert make_splits([str(data / name), '--by', 'image', '--val', '0.4']) == 0
    return folder


def train(folder, *options):
    """Run the tool in ``folder``; return its exit code, and both of its outputs as one."""
    argv = [str(EXAMPLE), '--cfg-options', *options]
    (code,), said = run_tool('train', argv, folder / 'said', folder=folder)
    return code, said


def test_from_boxes_to_weights(place):
    code, said = train(place, NO_WEIGHTS, *SMALL)
    assert code == 0, said[-3000:]
    for iteration in (1, 2):
        line = re.search(rf'Iter\(train\) \[{iteration}/2\].*', said)[0]
        losses = dict(re.findall(r'loss_(\w+): (\S+)', line))
        assert losses.keys() == {f'{source}_ce' for source in CLASSES}
        assert all(float(loss) > 0 for loss in losses.values()), line
    scores = re.findall(r'Iter\(val\) .*mIoU.*', said)[-1]
    found = dict(re.findall(r'(\S*mIoU): (\S+)', scores))
    assert found.keys() == {'mIoU', *(f'{source}/mIoU' for source in CLASSES)}
    mean = sum(float(found[f'{source}/mIoU']) for source in CLASSES) / 3
    assert float(found['mIoU']) == pytest.approx(mean, abs=0.02)
    exported = torch.load(place / 'pretrain/sep/own_sources.pth', weights_only=True)
    assert {name: len(names) for name, names in exported['meta']['classes'].items()} == CLASSES
    assert exported['meta']['classes']['ports'] == list(PORTS)
    heads = {key.split('.')[1] for key in exported['state_dict'] if key.startswith('heads.')}
    assert heads == CLASSES.keys()


def test_missing_weights_come_with_their_cure(place):
    code, said = train(place, *SMALL)
    assert code == 2
    assert re.search(
        r'pretrain/\S+\.pth: no such file \(model\.backbone\.init_cfg\.checkpoint\); get '
        rf'it from https://\S+ and put it there; .* --cfg-options {re.escape(NO_WEIGHTS)}$',
        said.strip().splitlines()[-1],
    )
    assert 'Traceback' not in said


def test_every_batch_holds_every_source(place, monkeypatch):
    register_all_modules()
    monkeypatch.chdir(place)
    config = Config.fromfile(EXAMPLE)
    assert config.model.heads == {
        source: dict(num_classes=count) for source, count in CLASSES.items()
    }
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert list(dataset.metainfo['sources']) == list(CLASSES)
    loader = config.train_dataloader
    dataset = DATASETS.build(loader.dataset)
    sampler = DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset))
    sampler.set_batch_size(loader.batch_size)
    assert sampler.quotas.keys() == CLASSES.keys()
    assert min(sampler.quotas.values()) >= 1
    assert sum(sampler.quotas.values()) == loader.batch_size


def test_the_config_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 25
