import numpy as np
import pytest

from samrs_mm.datasets.transforms import RandomRotate90


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
