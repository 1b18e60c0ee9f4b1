"""Datasets of mmsegmentation and wrappers of mmengine, pre-trained on and fine-tuned on."""

import re

import numpy as np
import pytest
from folders import ROOT
from mmengine.config import Config
from PIL import Image
from training_runs import run_tool

SIDE = 64
MMSEG = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(SIDE, SIDE)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
NOW = dict(num_workers=0, persistent_workers=False)


@pytest.fixture(scope='module')
def loveda(tmp_path_factory):
    """A folder like LoveDA's: labels 1 to 7, 0 is no data, images in subfolders."""
    root = tmp_path_factory.mktemp('loveda')
    rng = np.random.default_rng(0)
    for number in range(6):
        label = np.kron(rng.integers(0, 8, (8, 8)), np.ones((8, 8))).astype(np.uint8)
        image = (label[..., None] * 30 + rng.integers(0, 30, (SIDE, SIDE, 3))).astype(np.uint8)
        for kind, values in (('images', image), ('labels', label)):
            path = root / kind / f'area{number % 2}' / f'{number}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    return dict(
        type='LoveDADataset', data_root=str(root), pipeline=MMSEG,
        data_prefix=dict(img_path='images', seg_map_path='labels'),
    )  # fmt: skip


def ours(loveda):
    return dict(loveda, type='TileFolderDataset', reduce_zero_label=True,
                metainfo=dict(classes=tuple('abcdefg')))  # fmt: skip


KINDS = {
    'mmseg': lambda plain: plain,
    'ours': ours,
    'repeated': lambda plain: dict(type='RepeatDataset', times=3, dataset=plain),
    'joined': lambda plain: dict(type='ConcatDataset', datasets=[plain, plain]),
}


def train(tmp_path, base, dataset, validation, **changes):
    config = Config.fromfile(ROOT / 'configs' / base)
    config.model.backbone.update(depth=18, base_channels=4, init_cfg=None)
    config.model.decode_head.update(in_channels=[4, 8, 16, 32], decoder_channels=(8, 8, 8, 8))
    config.merge_from_dict(changes)
    config.pretrain_source = None
    config.train_dataloader.update(batch_size=3, **NOW)
    config.val_dataloader.update(batch_size=1, **NOW)
    config.train_dataloader.dataset, config.val_dataloader.dataset = dataset, validation
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.default_hooks.logger.interval = 1
    if 'export' in config.default_hooks:
        config.default_hooks.export.path = str(tmp_path / 'sep.pth')
    config.dump(tmp_path / 'config.py')
    argv = [str(tmp_path / 'config.py'), '--work-dir', str(tmp_path / 'work')]
    codes, said = run_tool('train', argv, tmp_path / 'log')
    assert codes == [0], said[-3000:]
    return said


@pytest.mark.parametrize('kind', KINDS)
def test_fine_tuning(tmp_path, loveda, kind):
    dataset = KINDS[kind](loveda)
    plain = ours(loveda) if kind == 'ours' else loveda
    said = train(
        tmp_path, 'potsdam/unet_resnet50_imp_potsdam.py', dataset,
        dict(plain, test_mode=True, pipeline=[*MMSEG[:2], MMSEG[-1]]),
        **{'model.decode_head.num_classes': 7},
    )  # fmt: skip
    losses = [float(loss) for loss in re.findall(r'  loss: ([\d.]+)', said)]
    assert len(losses) == 2
    assert all(1 < loss < 9 for loss in losses)
    assert 'mIoU: ' in said


@pytest.mark.parametrize('kind', KINDS)
def test_pre_training(tmp_path, loveda, kind):
    named = dict(loveda, metainfo=dict(source='loveda'))
    named = dict(ours(loveda), source='loveda') if kind == 'ours' else KINDS[kind](named)
    other = dict(ours(loveda), source='other')
    heads = dict(loveda=dict(num_classes=7), other=dict(num_classes=7))
    both = [dict(type='MultiSourceDataset', datasets=[named, other]) for _ in range(2)]
    said = train(
        tmp_path, 'sep/unet_resnet50_scratch.py', *both,
        **{'model.heads': dict(heads, _delete_=True)},
    )  # fmt: skip
    assert len(re.findall(r'loss_loveda_ce: [\d.]+', said)) == 2
    assert 'loveda/mIoU: ' in said
    assert (tmp_path / 'sep.pth').exists()
