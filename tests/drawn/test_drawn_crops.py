import pickle

import numpy as np
import pytest

import samrs_mm.models.boxnet.packing  # noqa: F401 (registers the steps)
from samrs_mm.core.errors import RefusedError
from samrs_mm.drawn.datasets.drawn_crops import DrawnCrops

PACK = [dict(type='CentreClick', share=0.5), dict(type='PackCrop')]


@pytest.fixture(scope='module')
def crops():
    return DrawnCrops(60, ((0, 32), (20, 48)), seed=3, pipeline=PACK)


def test_a_crop_depends_on_seed_and_index_alone(crops):
    first = crops[5]
    crops[40], crops[3]
    for other in (crops, DrawnCrops(9, ((0, 32),), seed=3, pipeline=PACK)):
        again = other[5]
        assert np.array_equal(first['inputs'], again['inputs'])
        assert np.array_equal(first['target'], again['target'])
    assert not np.array_equal(first['inputs'], crops[6]['inputs'])
    seeds = DrawnCrops(9, ((0, 32),), seed=4, pipeline=PACK)
    assert not np.array_equal(first['inputs'], seeds[5]['inputs'])


def test_another_process_draws_the_same(crops):
    there = pickle.loads(pickle.dumps(crops))
    assert np.array_equal(there[8]['inputs'], crops[8]['inputs'])


def test_sides_change_on_the_way(crops):
    assert [crops[i]['target'].shape[0] for i in (0, 19, 20, 59)] == [32, 32, 48, 48]


def test_prompts_by_their_shares(crops):
    prompts = [crops.crop(i)[1] for i in range(60)]
    assert 35 <= prompts.count('box') <= 55
    assert set(prompts) == {'box', 'point', 'refine'}
    points = DrawnCrops(5, ((0, 32),), dict(point=2))
    assert {points.crop(i)[1] for i in range(5)} == {'point'}


def test_it_ends_after_its_length(crops):
    assert len(crops) == 60
    with pytest.raises(IndexError):
        crops[60]


def test_a_crop_says_what_it_is(crops):
    kinds = {crops[i]['kind'] for i in range(30)}
    assert '' not in kinds
    assert len(kinds) > 5
    cars = DrawnCrops(4, ((0, 32),), drawing=dict(kinds=['car']), pipeline=PACK)
    assert {cars[i]['kind'] for i in range(4)} == {'car'}


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(length=0), 'length=0; needed: a whole number from 1'),
        (dict(seed=-1), 'seed=-1'),
        (dict(sides=((5, 32),)), 'the first place 0'),
        (dict(sides=((0, 32), (9, 48), (4, 64))), 'ascending'),
        (dict(prompts=dict(boxes=1)), "prompts={'boxes': 1}; needed: shares"),
        (dict(prompts=dict(box=0)), 'needed: shares'),
        (dict(drawing=dict(kinds=['zeppelin'])), "'zeppelin'"),
        (dict(drawing=dict(loosenes=1)), 'loosenes'),
        (dict(drawing=dict(textures='no/such/folder')), 'no/such/folder'),
    ],
)
def test_values_that_cannot_be(options, text):
    with pytest.raises(RefusedError) as caught:
        DrawnCrops(**dict(length=4) | options)
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)
