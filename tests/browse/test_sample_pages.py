"""Samples of training configs: the very batches that training draws."""

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from samrs_folders import write_annotated
from tile_folders import write_tiles

import samrs_mm.datasets.segmentation.potsdam
import samrs_mm.datasets.transforms  # noqa: F401 (registers)
from samrs_mm.browse.sample_pages import SampleBrowser
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler
from samrs_mm.formats.scenes import potsdam

PIPELINE = [
    dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=(32, 32))),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs', meta_keys=('img_path',)),
]


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp('sources')
    return [write_annotated(root / name) for name in ('one', 'two')]


def config(roots, seed=5, batch=6, **loaders):
    sources = [
        dict(type='SAMRSDataset', source=root.name, data_root=str(root), pipeline=PIPELINE)
        for root in roots
    ]
    loader = dict(
        batch_size=batch,
        sampler=dict(
            type='ProportionalMultiSourceSampler', batch_size=batch, seed=seed, keyed=True
        ),
        dataset=dict(type='MultiSourceDataset', datasets=sources),
    )
    found = dict(default_scope='mmseg', train_dataloader=loader, **loaders)
    return Config(found)


def test_the_first_batch_is_the_one_that_training_draws(roots):
    browser = SampleBrowser(config(roots), side=32)
    draws = browser.draws()
    drawn = [next(draws) for _ in range(6)]
    dataset = DATASETS.build(config(roots).train_dataloader.dataset)
    sampler = ProportionalMultiSourceSampler(dataset, 6, seed=5, keyed=True)
    assert drawn == sampler.batch(0)
    tinted = labelled = 0
    for draw in drawn:
        page = browser.page(draw, ('truth',), ())
        sample = dataset[draw]
        pixels = sample['inputs'].numpy().transpose(1, 2, 0)[..., ::-1]
        np.testing.assert_array_equal(page.panels[0].picture, pixels)
        labels = sample['data_samples'].gt_sem_seg.data[0].numpy()
        clear = labels == 255
        np.testing.assert_array_equal(page.panels[1].picture[clear], pixels[clear])
        tinted += (page.panels[1].picture[~clear] != pixels[~clear]).any(1).sum()
        labelled += (~clear).sum()
    assert 0.9 * labelled < tinted <= labelled
    assert [page.split('_')[0] for page in map(browser.name, next(zip(*drawn, strict=True)))] == [
        'one', 'one', 'one', 'two', 'two', 'two',
    ]  # fmt: skip


def test_labels_are_tinted_with_the_palette_of_the_source(roots):
    browser = SampleBrowser(config(roots), raw=True, side=72)
    source = browser.sources[0]
    image, labels = source.load(0)
    panel = browser.page((0, 0), (), ()).panels[1]
    for label, colour in enumerate(source.palette):
        inner = labels == label
        for shift, axis in (1, 0), (-1, 0), (1, 1), (-1, 1):
            inner &= np.roll(labels, shift, axis) == label
        rows, columns = np.nonzero(inner)
        assert len(rows)
        for other, neighbour in (1, 1), (1, -1), (-1, 1), (-1, -1):
            keep = labels[rows + other, columns + neighbour] == label
            rows, columns = rows[keep], columns[keep]
        expected = (0.5 * image[rows, columns] + 0.5 * np.array(colour)).astype(np.uint8)
        np.testing.assert_array_equal(panel.picture[rows, columns], expected)


def test_raw_images_are_whole_and_seeds_decide_augmentation(roots):
    browser = SampleBrowser(config(roots), raw=True, side=72)
    page = browser.page((0, 1), (), ())
    assert page.panels[0].picture.shape == (64, 72, 3)
    augmented = SampleBrowser(config(roots), side=32)
    first, again, other = (
        augmented.page((0, seed), (), ()).panels[0].picture for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    orders = [list(zip(range(6), SampleBrowser(config(roots), seed=seed).draws(), strict=False))
              for seed in (None, 5, 6)]  # fmt: skip
    assert orders[0] == orders[1] != orders[2]


def test_wanted_classes_alone_are_shown(roots):
    browser = SampleBrowser(config(roots), raw=True, side=72)
    page = browser.page((0, 0), (), {'ship'})
    assert [swatch.text for swatch in page.swatches] == ['ship']
    assert browser.page((0, 0), (), {'none such'}) is None


def test_regions_of_a_label_map_are_objects(roots):
    source = SampleBrowser(config(roots)).sources[0]
    _, labels = source.load(0)
    for instance in source.objects(source.names[0]):
        x, y, mask = instance.mask()
        rows, columns = np.nonzero(mask)
        assert (labels[rows + y, columns + x] == instance.label).all()
        np.testing.assert_array_equal(instance.polygon.min(0), [x, y])
        end = x + columns.max() + 1, y + rows.max() + 1
        np.testing.assert_array_equal(instance.polygon.max(0), end)
        assert rows.min() == columns.min() == 0


def test_a_sampler_without_a_batch_size_gets_the_loaders(roots):
    plain, given = config(roots), config(roots)
    given.train_dataloader.sampler.batch_size = None
    first = [next(draws) for draws in [SampleBrowser(plain).draws()] for _ in range(6)]
    again = [next(draws) for draws in [SampleBrowser(given).draws()] for _ in range(6)]
    assert first == again


def test_images_without_labels_have_no_objects(roots, monkeypatch):
    source = SampleBrowser(config(roots)).sources[0]
    monkeypatch.setattr(source, 'load', lambda number: (np.zeros((8, 8, 3), np.uint8), None))
    assert source.objects(source.names[0]) == []


def test_validation_is_shuffled_and_plain_datasets_are_one_source(tmp_path):
    write_tiles(tmp_path / 'train', 'potsdam', ['a', 'b'])
    dataset = dict(type='Potsdam5Dataset', data_root=str(tmp_path / 'train'),
                   pipeline=[dict(type='LoadWindow'), dict(type='PackSegInputs')])  # fmt: skip
    loader = dict(batch_size=2, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=False))
    wanted = Config(dict(default_scope='mmseg', val_dataloader=loader))
    browser = SampleBrowser(wanted, 'val', side=64)
    draws = list(browser.draws())
    assert sorted(index for index, _ in draws) == list(range(len(browser.dataset)))
    assert draws == list(SampleBrowser(wanted, 'val').draws())
    assert draws != list(SampleBrowser(wanted, 'val', seed=3).draws())
    (source,) = browser.sources
    assert source.name == 'potsdam'
    assert source.classes == potsdam.CLASSES
    assert source.palette == [tuple(colour) for colour in potsdam.PALETTE]
    with pytest.raises(RefusedError, match='no test_dataloader'):
        SampleBrowser(wanted, 'test')
    with pytest.raises(RefusedError, match='--stems nowhere'):
        browser.find('nowhere')
    assert browser.find(source.names[3])[0] == 3
