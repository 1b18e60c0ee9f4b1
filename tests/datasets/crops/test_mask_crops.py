import json

import numpy as np
import pytest
from object_sets import write_coco, write_records

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.crops.mask_crops import MaskCrops, split
from samrs_mm.datasets.crops.masked_objects import FoundMasks
from samrs_mm.datasets.crops.mixed_crops import MixedCrops

SIDE = 48


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp('coco') / 'set')


def crops(root, part='train', **options):
    return MaskCrops(str(root), part, **dict(side=SIDE) | options)


def test_whole_images_are_held_out(root):
    for seed in range(5):
        parts = [crops(root, part, seed=seed, held_out=0.3) for part in ('train', 'val')]
        stems = [{item.found.stem for item in part.objects} for part in parts]
        assert not stems[0] & stems[1]
        assert stems[0] | stems[1] == {'P0', 'P1', 'P2'}
        assert sum(len(part.objects) for part in parts) == 12


def test_of_one_image_objects_are_held_out(tmp_path):
    root = write_records(tmp_path / 'one', counts=(8,))
    places = [{item.found.place for item in crops(root, part).objects} for part in ('train', 'val')]
    assert [len(part) for part in places] == [6, 2]
    assert not places[0] & places[1]


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize(
    ('counts', 'learned'), [((20, 2), 20), ((100, 1, 1, 1), 100), ((7, 7), 7), ((6, 2, 2, 2), 6)]
)
def test_an_image_with_most_of_the_objects_is_not_held_out(counts, learned, seed):
    found = FoundMasks({f'image_{i}': [None] * count for i, count in enumerate(counts)})
    train, val = split(found, 0.25, seed)
    assert len(train) + len(val) == sum(counts)
    assert len(train) >= learned


def test_so_many_and_no_more(root):
    assert len(crops(root, count=2).objects) == 2


@pytest.mark.parametrize('part', ['train', 'val'])
def test_a_crop_shows_its_object(root, part):
    data = crops(root, part, points=0.3)
    for index in range(12):
        crop, prompt = data.crop(index)
        assert (crop.image.shape, crop.image.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert (crop.target.shape, crop.target.dtype) == ((SIDE, SIDE), np.float32)
        assert 0.02 < crop.target.mean() < 0.97
        bright, dark = crop.image[crop.target > 0.9], crop.image[crop.target == 0]
        assert bright.mean() > 130
        assert dark.size == 0 or dark.mean() < bright.mean()
        assert not crop.target[~crop.valid].any()
        assert crop.kind == 'tank'
        assert (crop.half is None) == (prompt == 'point') == (len(crop.clicks) == 1)


def test_held_out_objects_come_with_six_boxes_each(root):
    data = crops(root, 'val')
    assert len(data) == 6 * len(data.objects)
    views = [data.crop(index)[0] for index in range(6)]
    assert [crop.oriented for crop in views] == [False] * 3 + [True] * 3
    areas = [crop.half.prod() for crop in views]
    assert areas[0] < areas[1] < areas[2]
    assert areas[3] < areas[4] < areas[5]


def test_crops_depend_on_seed_and_place_alone(root):
    one, other = crops(root), crops(root)
    other.crop(9)
    assert np.array_equal(one.crop(5)[0].image, other.crop(5)[0].image)
    assert not np.array_equal(one.crop(5)[0].image, one.crop(6)[0].image)


def test_a_single_mask_is_refused(tmp_path):
    write_coco(tmp_path / 'one', counts=(1,))
    with pytest.raises(RefusedError, match='1 usable mask; at least 2 are needed'):
        crops(tmp_path / 'one')


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (dict(part='test'), "part='test'; needed: train or val"),
        (dict(held_out=1.0), r'held_out=1\.0; needed: a share between 0 and 1'),
        (dict(held_out='half'), "held_out='half'; needed: a share"),
        (dict(points=2), 'points=2; needed: a share from 0 to 1'),
        (dict(count=0), 'count=0; needed: a whole number from 1'),
        (dict(count=2.5), r'count=2\.5; needed: a whole number'),
        (dict(length=0), 'length=0; needed: a whole number'),
        (dict(side=0), 'side=0; needed: a whole number'),
        (dict(side=30), 'side=30; needed: a multiple of 16'),
    ],
)
def test_values_that_cannot_be(root, options, problem):
    with pytest.raises(RefusedError, match=problem):
        crops(root, **options)


def test_mixed_crops_come_by_their_shares():
    mixed = MixedCrops([['a'] * 3, ['b'] * 5], (2, 1), 300)
    drawn = [mixed[i] for i in range(300)]
    assert 170 < drawn.count('a') < 230
    assert drawn == [mixed[i] for i in range(300)]
    with pytest.raises(IndexError):
        mixed[300]
    with pytest.raises(RefusedError, match='shares=\\[1\\]; needed: 2 numbers'):
        MixedCrops([[1], [2]], (1,), 5)


def test_an_object_at_the_image_border_is_whole_up_to_it(tmp_path):
    root = write_coco(tmp_path / 'set', counts=(2,), change=lambda content: at_border(content))
    for part in ('train', 'val'):
        data = crops(root, part, points=0.5)
        for crop in (data.crop(index)[0] for index in range(6)):
            columns = np.flatnonzero(crop.valid.any(axis=0))[[0, -1]]
            rows = np.flatnonzero(crop.valid.any(axis=1))[[0, -1]]
            assert max(crop.target[rows].max(), crop.target[:, columns].max()) > 0.99


def at_border(content):
    for each in content['annotations']:
        each |= dict(bbox=[0, 10, 50, 40], segmentation=[[0, 10, 50, 10, 50, 50, 0, 50]])


def test_what_is_passed_over_is_told(tmp_path):
    def crowd(content):
        content['annotations'][0]['iscrowd'] = 1

    root = write_coco(tmp_path / 'set', change=crowd)
    assert 'passed over: 1 crowd' in crops(root).notes


def test_masks_that_it_made_itself_are_told(tmp_path):
    root = write_records(tmp_path / 'set')
    assert crops(root).warnings == []
    path = root / 'meta.json'
    meta = json.loads(path.read_text())
    meta['settings']['model'] = dict(type='BoxNetSegmentor')
    path.write_text(json.dumps(meta))
    (warning,) = crops(root).warnings
    assert "the masks are BoxNet's own, which teach it nothing new: correct them first" in warning
    assert crops(root, 'val').warnings == []
