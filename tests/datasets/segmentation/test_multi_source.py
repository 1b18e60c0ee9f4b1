import io
import random

import numpy as np
import pytest
import torch
from folders import ROOT
from mmengine import Config
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS, TRANSFORMS
from processes import fork_server
from samrs_folders import STEMS, write_annotated
from torch.utils.data import DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler
from samrs_mm.datasets.segmentation.multi_source import MultiSourceDataset
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset

CONFIG = ROOT / 'configs/_base_/datasets/samrs.py'
PIPELINE = [
    dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=32)),
    dict(type='RandomRotate90'),
    dict(type='OneOfColour', prob=1.0),
    dict(type='PackSegInputs', meta_keys=('source',)),
]


@pytest.fixture
def configs(tmp_path):
    roots = [
        write_annotated(tmp_path / 'a'),
        write_annotated(tmp_path / 'b', STEMS[:2], classes=('van', 'car')),
    ]
    return [
        dict(type='SAMRSDataset', source=root.name, data_root=str(root), pipeline=PIPELINE)
        for root in roots
    ]


def test_sizes_names_and_classes(configs):
    dataset = MultiSourceDataset(configs)
    assert len(dataset) == 6
    assert dataset.source_names == ('a', 'b')
    assert dataset.source_sizes == {'a': 4, 'b': 2}
    meta = dataset.metainfo
    assert meta['classes'] == ('plane', 'ship', 'tank')
    assert meta['sources']['b'] == dict(classes=('van', 'car'), palette=[[0, 0, 255], [1, 2, 254]])
    assert [dataset[i]['data_samples'].source for i in range(6)] == [*'aaaabb']


def test_metainfo_loads_as_weights_only(configs):
    file = io.BytesIO()
    torch.save(MultiSourceDataset(configs).metainfo, file)
    file.seek(0)
    assert set(torch.load(file, weights_only=True)['sources']) == {'a', 'b'}


def test_a_seeded_draw_depends_on_its_seed_alone(configs):
    dataset = MultiSourceDataset(configs)
    first = dataset[1, 2023]['inputs']
    np.random.seed(5)
    random.seed(5)
    dataset[0]
    assert torch.equal(dataset[1, 2023]['inputs'], first)
    assert not torch.equal(dataset[1, 2024]['inputs'], first)
    again = MultiSourceDataset(configs)
    assert torch.equal(again[1, 2023]['inputs'], first)


def test_workers_draw_the_same_samples(configs):
    dataset = MultiSourceDataset(configs)
    draws = [(index, 100 + index) for index in (4, 0, 2, 5)]
    batches = [
        list(DataLoader(dataset, batch_size=2, sampler=draws, collate_fn=list, **workers))
        for workers in ({}, dict(num_workers=2, multiprocessing_context=fork_server()))
    ]
    for one, other in zip(*batches, strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a['inputs'], b['inputs'])
            label, other_label = (x['data_samples'].gt_sem_seg.data for x in (a, b))
            assert torch.equal(label, other_label)


@pytest.mark.parametrize(('part', 'side'), [('train', 224), ('val', 512)])
def test_pipelines_of_the_config(configs, part, side):
    pipeline = Config.fromfile(CONFIG)[f'{part}_pipeline']
    dataset = MultiSourceDataset([dict(config, pipeline=pipeline) for config in configs])
    sample = dataset[5, 1]
    assert sample['inputs'].shape == (3, side, side)
    assert sample['inputs'].dtype == torch.uint8
    assert sample['data_samples'].gt_sem_seg.data.shape == (1, side, side)
    assert sample['data_samples'].source == 'b'


def test_the_config_flips_as_two_independent_flips():
    flip = TRANSFORMS.build(Config.fromfile(CONFIG).train_pipeline[1])
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    sides = (slice(None), slice(None, None, -1))
    expected = [image[y, x].tobytes() for y in sides for x in sides]
    np.random.seed(0)
    seen = [flip(dict(img=image))['img'].tobytes() for _ in range(2000)]
    share = [seen.count(one) / len(seen) for one in expected]
    assert np.abs(np.array(share) - 0.25).max() < 0.03


def test_the_config_has_the_three_sources():
    config = Config.fromfile(CONFIG)
    for loader, name in (('train', 'train.txt'), ('val', 'val.txt'), ('test', 'val.txt')):
        dataset = config[f'{loader}_dataloader'].dataset
        assert dataset.type == 'MultiSourceDataset'
        assert [(d.type, d.data_root, d.ann_file) for d in dataset.datasets] == [
            (f'{kind}Dataset', f'data/samrs/{kind.lower()}', name)
            for kind in ('SOTA', 'SIOR', 'FAST')
        ]


def test_refuses_what_has_no_head_of_its_own(configs):
    with pytest.raises(RefusedError, match="two datasets have source='a'"):
        MultiSourceDataset([configs[0], configs[0]])
    with pytest.raises(RefusedError, match='at least one'):
        MultiSourceDataset([])
    with pytest.raises(
        RefusedError, match=r'BaseDataset of .* has no source name; give it metainfo'
    ):
        MultiSourceDataset([BaseDataset(lazy_init=True)])
    with pytest.raises(RefusedError, match='source x has no classes in its metainfo'):
        MultiSourceDataset([BaseDataset(metainfo=dict(source='x'), lazy_init=True)])


def mmseg_source(root, **options):
    """A folder as mmsegmentation's LoveDA: labels from 1, 0 is no data."""
    write_annotated(root, STEMS[:2], classes=tuple(map(str, range(7))))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                dict(type='PackSegInputs')]  # fmt: skip
    return dict(
        type='LoveDADataset', data_root=str(root), metainfo=dict(source='loveda'),
        data_prefix=dict(img_path='images', seg_map_path='semantic'), pipeline=pipeline, **options,
    )  # fmt: skip


@pytest.mark.parametrize('wrapper', [None, 'RepeatDataset', 'ConcatDataset'])
def test_datasets_of_mmseg_are_sources(configs, tmp_path, wrapper):
    plain = mmseg_source(tmp_path / 'loveda')
    wrapped = {
        None: plain,
        'RepeatDataset': dict(type='RepeatDataset', dataset=plain, times=2),
        'ConcatDataset': dict(type='ConcatDataset', datasets=[plain, plain]),
    }[wrapper]
    dataset = MultiSourceDataset([configs[0], wrapped])
    assert dataset.source_sizes == {'a': 4, 'loveda': 4 if wrapper else 2}
    assert len(dataset.metainfo['sources']['loveda']['classes']) == 7
    sample = dataset[len(dataset) - 1, 7]['data_samples']
    assert sample.source == 'loveda'
    assert sample.img_path.endswith(f'{STEMS[1]}.png')
    [built] = [DATASETS.build(plain)] if wrapper is None else [dataset.datasets[1]]
    again = MultiSourceDataset([dict(configs[0], source='b'), built])
    assert again.source_names == ('b', 'loveda'), 'built ones too'
    sampler = ProportionalMultiSourceSampler(dataset, 4, keyed=True)
    assert {dataset[draw]['data_samples'].source for draw in sampler.batch(0)} == {'a', 'loveda'}


def test_every_view_of_test_time_augmentation_has_the_source(configs):
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    views = dict(type='TestTimeAug', transforms=[flips, [dict(type='PackSegInputs', meta_keys=())]])
    pipelines = [[dict(type='LoadWindow'), views], [dict(type='LoadWindow')]]
    dataset = MultiSourceDataset(
        [dict(config, pipeline=p) for config, p in zip(configs, pipelines, strict=True)]
    )
    assert [view.source for view in dataset[0]['data_samples']] == ['a', 'a']
    assert dataset[5]['source'] == 'b', 'samples that are not packed'


def test_takes_built_datasets(configs):
    built = [SAMRSDataset(**{k: v for k, v in c.items() if k != 'type'}) for c in configs]
    assert len(MultiSourceDataset(built)) == 6
