import math

import cv2
import numpy as np
import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.transforms import OneOfColour, RandomRotate90, augmentation


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.fixture
def uniform(monkeypatch):
    """Let every uniform draw be its upper end."""
    monkeypatch.setattr(np.random, 'uniform', lambda low, high: high)


@pytest.mark.usefixtures('uniform')
def test_changes_by_the_recipe_s_formulas(image):
    value = image.astype(float)
    for change, expected in [
        (augmentation.change_contrast, value * 1.2),
        (augmentation.change_brightness, value + 51),
        (augmentation.change_gamma, (value / 255) ** 1.2 * 255),
    ]:
        np.testing.assert_array_equal(change(image), np.minimum(expected, 255).astype(np.uint8))


def test_parts_of_the_jitter(image):
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
    value = image.astype(float)
    stretched = value * 1.07 - grey.mean() * 0.07
    saturated = value * 1.1 - grey[..., None] * 0.1
    assert np.abs(augmentation._stretch(image, 1.07) - np.clip(stretched, 0, 255)).max() <= 1
    assert np.abs(augmentation._saturate(image, 1.1) - np.clip(saturated, 0, 255)).max() <= 1
    # a third of a turn brings BGR to another place; hue is held in 2 degrees
    turned = augmentation._turn_hue(np.array([[[0, 0, 200]]], np.uint8), 1 / 3)
    np.testing.assert_array_equal(turned, [[[0, 200, 0]]])
    np.testing.assert_array_equal(augmentation._turn_hue(turned, -1 / 3), [[[0, 0, 200]]])


@pytest.mark.parametrize('turn', [-0.1, -0.02, -0.001, 0.02, 0.0999])
def test_a_turn_of_hue_is_cut_to_steps_after_the_circle_closes(image, turn):
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hue = [math.floor((int(value) + 180 * turn) % 180) for value in hsv[..., 0].ravel()]
    hsv[..., 0] = np.reshape(hue, hsv.shape[:2])
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    np.testing.assert_array_equal(augmentation._turn_hue(image, turn), expected)


def test_jitter_stays_near_and_keeps_type(image):
    np.random.seed(0)
    results = [augmentation.jitter_colours(image) for _ in range(20)]
    assert all(r.dtype == np.uint8 and r.shape == image.shape for r in results)
    assert len({r.tobytes() for r in results}) == 20


def test_chooses_as_often_as_the_recipe_says(image, monkeypatch):
    seen = []
    for name in ('contrast', 'gamma', 'brightness', 'jitter'):
        monkeypatch.setitem(
            augmentation._CHANGES, name, lambda x, name=name: seen.append(name) or x
        )
    transform = OneOfColour()
    np.random.seed(0)
    for _ in range(6000):
        transform(dict(img=image))
    assert abs(len(seen) / 6000 - 0.3) < 0.02
    share = [seen.count(n) / len(seen) for n in ('contrast', 'gamma', 'brightness', 'jitter')]
    assert np.abs(np.array(share) - (0.278, 0.278, 0.278, 0.167)).max() < 0.03


def test_leaves_the_input_alone(image):
    before = image.copy()
    np.random.seed(0)
    for _ in range(50):
        OneOfColour(prob=1)(dict(img=image))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(('kwargs', 'match'), [
    (dict(prob=2), 'prob=2'), (dict(weights=dict(hue=1)), "unknown 'hue'; allowed: contrast"),
    (dict(weights=dict(gamma=-1)), 'negative'), (dict(weights=dict(gamma=0)), 'above 0'),
])  # fmt: skip
def test_refuses_impossible_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        OneOfColour(**kwargs)


def test_turns_image_and_label_together_as_often_as_the_recipe_says():
    rng = np.random.default_rng(0)
    image, label = rng.integers(0, 256, (4, 6, 3), np.uint8), rng.integers(0, 9, (4, 6), np.uint8)
    transform = RandomRotate90(prob=0.5)
    np.random.seed(0)
    counts = np.zeros(4)
    for _ in range(2000):
        results = transform(dict(img=image, gt_seg_map=label, seg_fields=['gt_seg_map']))
        turns = [np.array_equal(results['img'], np.rot90(image, k)) for k in range(4)]
        assert np.array_equal(results['gt_seg_map'], np.rot90(label, turns.index(True)))
        counts[turns.index(True)] += 1
    assert np.abs(counts / 2000 - (0.625, 0.125, 0.125, 0.125)).max() < 0.03


def test_says_the_new_shape():
    np.random.seed(0)
    shapes = {RandomRotate90(1.0)(dict(img=np.zeros((4, 6, 3))))['img_shape'] for _ in range(20)}
    assert shapes == {(4, 6), (6, 4)}
    with pytest.raises(ValueError, match='prob=2'):
        RandomRotate90(2)


@pytest.mark.parametrize('bands', [1, 2, 4, 6])
@pytest.mark.parametrize('change', ['contrast', 'gamma', 'brightness', 'jitter'])
def test_any_bands_change_alike(bands, change):
    rng = np.random.default_rng(0)
    plane = rng.integers(60, 190, (8, 9, 1), np.uint8)
    np.random.seed(1)
    colour = OneOfColour(prob=1, weights={change: 1})
    found = colour(dict(img=np.repeat(plane, bands, axis=2)))['img']
    assert (found.dtype, found.shape) == (np.uint8, (8, 9, bands))
    assert (found == found[..., :1]).all()
    assert (found != plane).any()


def test_pixels_as_stored_are_refused():
    with pytest.raises(RefusedError, match=r"float32 pixels; .*image\.form='bands'"):
        OneOfColour(prob=1)(dict(img=np.zeros((2, 2, 4), np.float32)))
