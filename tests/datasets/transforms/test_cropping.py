import cv2
import numpy as np
import pytest

from samrs_mm.datasets.transforms import CenterCropPad, RandomScaleCrop
from samrs_mm.datasets.transforms.cropping import CropSpan, cut
from samrs_mm.datasets.transforms.pixels import Pixels


def reference(image, label, scale, crop, y, x):
    """SAMRS's order: resize all of it, pad it, crop it."""
    if scale != 1:
        size = int(image.shape[1] * scale), int(image.shape[0] * scale)
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
    missing = [max(crop - side, 0) for side in label.shape]
    sides = [part for m in missing for part in (m // 2, m - m // 2)]
    image = cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=0)
    label = cv2.copyMakeBorder(label, *sides, cv2.BORDER_CONSTANT, value=255)
    top, left = (int((side - crop + 1) * at) for side, at in zip(label.shape, (y, x), strict=True))
    return (part[top : top + crop, left : left + crop] for part in (image, label))


@pytest.mark.parametrize('seed', range(60))
def test_equals_resizing_all_then_padding_then_cropping(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 400, 2)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    label = rng.integers(0, 256, (height, width), np.uint8)
    scale = 1.0 if seed % 4 == 0 else rng.uniform(0.5, 2)
    y, x = rng.choice([0.0, 0.999999, rng.random()], 2)
    rows, columns = (CropSpan.place(s, scale, 96, at) for s, at in ((height, y), (width, x)))
    found, found_label = cut(Pixels(image, label), rows, columns)
    expected, expected_label = reference(image, label, scale, 96, y, x)
    np.testing.assert_array_equal(found_label, expected_label)
    difference = np.abs(found.astype(int) - expected)
    # noise is the worst case; OpenCV 4 rounds coordinates to 1/32 px: 2 * 255 / 64 levels
    assert difference.max() <= (1 if cv2.__version__ >= '5' else 8)
    assert difference.mean() < (0.2 if cv2.__version__ >= '5' else 2)


class Spy(Pixels):
    def read(self, *window):
        self.window = window
        return super().read(*window)


def test_reads_no_more_than_the_crop_needs():
    pixels = Spy(np.zeros((1024, 900, 3), np.uint8), np.zeros((1024, 900), np.uint8))
    for scale in (0.5, 0.73, 1.0, 1.6, 2.0):
        cut(pixels, CropSpan.place(1024, scale, 224, 0.4), CropSpan.place(900, scale, 224, 0.6))
        y0, y1, x0, x1 = pixels.window
        for length in (y1 - y0, x1 - x0):
            assert 224 / scale - 1 <= length <= 224 / scale + 3


def test_draws_scale_and_place_as_the_recipe_says():
    crop = RandomScaleCrop(224)
    np.random.seed(0)
    draws = [crop.draw(300, 1000) for _ in range(6000)]
    scales = np.array([columns.scaled / 1000 for _, columns in draws])
    changed = scales != 1
    assert abs(changed.mean() - 0.5) < 0.02
    counts, _ = np.histogram(scales[changed], np.linspace(0.5, 2, 11))
    assert (abs(counts / changed.sum() - 0.1) < 0.02).all()
    starts = np.array([c.start for _, c in draws])[~changed]
    assert (starts.min(), starts.max()) == (0, 1000 - 224)
    assert abs(starts.mean() - (1000 - 224) / 2) < 15
    padded = [rows for rows, _ in draws if rows.scaled < 224]
    assert padded
    assert all(rows.start == -((224 - rows.scaled) // 2) for rows in padded)


def test_pads_with_black_and_255_and_says_the_size():
    image, label = np.full((10, 30, 3), 9, np.uint8), np.ones((10, 30), np.uint8)
    results = dict(img=image, gt_seg_map=label)
    results = RandomScaleCrop((16, 20), scale_prob=0)(results)
    assert results['img_shape'] == results['pad_shape'] == (16, 20)
    assert (results['img'][3:13] == 9).all()
    assert not results['img'][:3].any()
    assert (results['gt_seg_map'][13:] == 255).all()
    assert (results['gt_seg_map'][3:13] == 1).all()


def test_center_crop():
    image = np.arange(11 * 8 * 3, dtype=np.uint8).reshape(11, 8, 3)
    label = np.arange(88, dtype=np.uint8).reshape(11, 8)
    results = CenterCropPad(5)(dict(img=image, gt_seg_map=label, ori_shape=(11, 8)))
    np.testing.assert_array_equal(results['img'], image[3:8, 1:6])
    np.testing.assert_array_equal(results['gt_seg_map'], label[3:8, 1:6])
    assert results['ori_shape'] == (5, 5)
    results = CenterCropPad((12, 11))(dict(img=image))
    assert 'gt_seg_map' not in results
    np.testing.assert_array_equal(results['img'][:11, 1:9], image)


@pytest.mark.parametrize(('kwargs', 'match'), [
    (dict(crop_size=0), 'crop_size='), (dict(crop_size=(1, 2, 3)), 'crop_size='),
    (dict(crop_size=8, scale_range=(0, 1)), 'scale_range='),
    (dict(crop_size=8, scale_range=(2, 1)), 'scale_range='),
    (dict(crop_size=8, scale_prob=1.5), 'scale_prob='),
])  # fmt: skip
def test_refuses_impossible_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        RandomScaleCrop(**kwargs)


@pytest.mark.parametrize('bands', [1, 2, 4, 5, 9])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_each_band_is_cut_as_it_is_alone(bands, dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 50, bands)).astype(dtype)
    rows, columns = CropSpan.place(40, 0.7, 24, 0.4), CropSpan.place(50, 0.7, 24, 0.9)
    found, _ = cut(Pixels(image, None), rows, columns)
    assert (found.dtype, found.shape) == (dtype, (24, 24, bands))
    for band in range(bands):
        alone, _ = cut(Pixels(np.repeat(image[..., band, None], 3, axis=2), None), rows, columns)
        np.testing.assert_array_equal(found[..., band], alone[..., 0])
