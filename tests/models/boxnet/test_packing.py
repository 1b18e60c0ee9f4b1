import numpy as np
import pytest

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet.inputs import BOXED, OBJECT_CLICKS, PREVIOUS
from samrs_mm.models.boxnet.packing import BoxAsMask, CentreClick, ClickForBox, PackCrop

SIDE = 32


def results(prompt='box', seed=0):
    target = np.zeros((SIDE, SIDE), np.float32)
    target[8:24, 4:28] = 1
    crop = DrawnCrop(
        image=np.full((SIDE, SIDE, 3), 90, np.uint8),
        valid=np.ones((SIDE, SIDE), bool),
        reach=np.array([16.0, 16.0]),
        half=None if prompt == 'point' else np.array([12.0, 8.0]),
        target=target,
        kind='ship',
        oriented=prompt == 'box',
    )
    return dict(sample=crop, prompt=prompt, index=7, rng=np.random.default_rng(seed))


def test_packing_gives_the_arrays_of_the_trainer():
    given = results()
    given['sample'].valid[:10] = False
    packed = PackCrop()(given)
    assert packed.keys() == {'inputs', 'target', 'prompt', 'kind', 'index'}
    assert packed['inputs'].shape == (14, SIDE, SIDE)
    assert packed['target'].dtype == np.float32
    assert packed['target'][:10].max() == 0, 'what has no data is no object'
    assert packed['target'][12, 12] == 1
    assert (packed['prompt'], packed['kind'], packed['index']) == ('box', 'ship', 7)


@pytest.mark.parametrize('step', [CentreClick, BoxAsMask, ClickForBox])
def test_other_prompts_are_for_a_share_of_the_boxes(step):
    for prompt in ('point', 'refine'):
        given = results(prompt)
        assert step(1.0)(dict(given))['sample'] is given['sample']
    changed = 0
    for seed in range(60):
        given = results(seed=seed)
        changed += step(0.3)(dict(given))['sample'] is not given['sample']
    assert 8 <= changed <= 30
    with pytest.raises(RefusedError, match=r'share=1\.5; needed'):
        step(1.5)


def test_a_click_on_the_centre():
    packed = PackCrop()(CentreClick(1.0)(results()))
    assert packed['inputs'][OBJECT_CLICKS, 16, 16] == 1
    assert packed['inputs'][BOXED].all()


def test_the_box_as_the_mask_so_far():
    previous = PackCrop()(BoxAsMask(1.0)(results()))['inputs'][PREVIOUS]
    inside = np.full((SIDE, SIDE), -1.0)
    inside[8:24, 4:28] = 1
    assert np.array_equal(previous, inside)


def test_a_click_instead_of_the_box():
    for seed in range(20):
        sample = ClickForBox(1.0)(results(seed=seed))['sample']
        assert sample.half is None
        assert not sample.oriented
        ((x, y, of_object),) = sample.clicks
        assert of_object == 1
        assert 11 <= y <= 21
        assert 7 <= x <= 25


def test_an_object_that_is_nowhere_keeps_its_box():
    given = results()
    given['sample'].target[:] = 0.3
    assert ClickForBox(1.0)(dict(given))['sample'] is given['sample']
