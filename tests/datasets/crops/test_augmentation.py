import dataclasses

import numpy as np
import pytest

from samrs_mm.core.crop_sample import DrawnCrop
from samrs_mm.datasets.crops.augmentation import FlipCrop, RecolourCrop
from samrs_mm.models.boxnet.inputs import network_input

SIDE = 32


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    return DrawnCrop(
        image=rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8),
        valid=rng.random((SIDE, SIDE)) > 0.1,
        reach=np.array([20.0, 16.0]),
        half=np.array([11.0, 6.0]),
        centre=np.array([3.0, -2.0]),
        clicks=np.array([[4.5, 20.5, 1.0], [10.5, 3.5, 0.0]]),
        previous=rng.random((SIDE, SIDE)).astype(np.float32),
        target=rng.random((SIDE, SIDE)).astype(np.float32),
    )


def test_a_flipped_crop_gives_a_flipped_input(sample):
    before, seen = network_input(sample), set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = FlipCrop()(dict(sample=sample, rng=rng))['sample']
        y, x = next(
            axes
            for axes in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            if np.array_equal(found.target, sample.target[:: axes[0], :: axes[1]])
        )
        seen.add((y, x))
        assert np.allclose(network_input(found), before[:, ::y, ::x], atol=1e-6)
    assert len(seen) == 4


def test_colours_change_and_nothing_else(sample):
    found = RecolourCrop()(dict(sample=sample, rng=np.random.default_rng(3)))['sample']
    assert found.image.dtype == np.uint8
    assert not np.array_equal(found.image, sample.image)
    for field in dataclasses.fields(sample):
        if field.name != 'image':
            assert np.array_equal(getattr(found, field.name), getattr(sample, field.name))


def test_without_strength_channels_change_places(sample):
    found = RecolourCrop(0)(dict(sample=sample, rng=np.random.default_rng(1)))['sample'].image
    orders = [list(order) for order in np.ndindex(3, 3, 3) if len({*order}) == 3]
    assert any(np.array_equal(found, sample.image[..., order]) for order in orders)
