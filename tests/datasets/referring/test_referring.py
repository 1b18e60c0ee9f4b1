import csv

import numpy as np
import pytest
from export_cases import tool, write_folder
from mmseg.registry import DATASETS
from referring_cases import (
    CARS,
    REFSEGRS,
    ROAD,
    mask,
    picture,
    write_refsegrs,
    write_risbench,
    write_rrsisd,
)

from samrs_mm.core.errors import RefusedError
from samrs_mm.registry import register_all

PIPELINE = [
    dict(type='LoadReferring'),
    dict(type='PackSegInputs', meta_keys=('phrase', 'img_path', 'place', 'ori_shape')),
]


def build(root, **options):
    register_all()
    return DATASETS.build(
        dict(type='ReferringDataset', data_root=str(root), pipeline=PIPELINE, **options)
    )


def test_a_sample_is_an_image_a_phrase_and_a_map(tmp_path):
    dataset = build(write_refsegrs(tmp_path / 'a'))
    assert len(dataset) == 4
    assert dataset.metainfo['classes'] == ('other', 'meant')
    for k, number in enumerate(['4213', '7', '12', '945']):
        _, seed, phrase, rectangles, _ = REFSEGRS[number]
        sample = dataset[k]
        info = sample['data_samples']
        assert (info.phrase, info.img_path[-len(number) - 4 :]) == (phrase, f'{number}.tif')
        found = info.gt_sem_seg.data[0].numpy()
        assert np.array_equal(found, mask(*rectangles).astype(np.uint8))
        bgr = sample['inputs'].permute(1, 2, 0).numpy()
        assert np.array_equal(bgr[..., ::-1], picture(seed))


@pytest.mark.parametrize(
    ('write', 'split', 'phrases', 'rectangles'),
    [
        (write_risbench, 'train', ['The vehicle on the upper left.'], CARS),
        (write_rrsisd, 'test', ['a ship at the bottom'], (ROAD,)),
    ],
)
def test_other_layouts_and_parts(tmp_path, write, split, phrases, rectangles):
    dataset = build(write(tmp_path / 'a'), split=split)
    assert [dataset[k]['data_samples'].phrase for k in range(len(dataset))] == phrases
    found = dataset[0]['data_samples'].gt_sem_seg.data[0].numpy()
    assert np.array_equal(found, mask(*rectangles))


def test_our_own_export_is_read(tmp_path):
    made = write_folder(tmp_path / 'made')
    assert tool(made.root, '--to', 'refsegrs', '--out', tmp_path / 'out') == 0
    dataset = build(tmp_path / 'out', split='train')
    rows = list(csv.DictReader(open(tmp_path / 'out/phrases.csv')))
    found = [dataset[k]['data_samples'] for k in range(len(dataset))]
    assert [each.phrase for each in found] == [row['phrase'] for row in rows]
    pixels = [int(each.gt_sem_seg.data.sum()) for each in found]
    assert pixels == [int(row['pixels']) for row in rows]


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(RefusedError, match='no phrases found'):
        build(tmp_path)
