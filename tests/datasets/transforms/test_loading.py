import os

import numpy as np
import pytest
from PIL import Image
from samrs_folders import pixels

from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.datasets.segmentation.store import encode
from samrs_mm.datasets.transforms import LoadWindow

CROP = dict(type='RandomScaleCrop', crop_size=96)


@pytest.fixture
def sample(tmp_path):
    """Return the paths of a tile of several blocks as files, and packed."""
    image, label = pixels(0, (300, 260))
    paths = [str(tmp_path / name) for name in ('a.png', 'b.png', 'c.tif')]
    Image.fromarray(image).save(paths[0])
    Image.fromarray(label).save(paths[1])
    with open(paths[2], 'wb') as file:
        file.write(encode(np.stack([*image.transpose(2, 0, 1), label])))
    return dict(zip(('img_path', 'seg_map_path', 'pack_path'), paths, strict=True))


def plain(sample):
    return {key: value for key, value in sample.items() if key != 'pack_path'}


def test_files_and_store_give_the_same_crops(sample):
    load, whole = LoadWindow(CROP), LoadWindow()(plain(sample))
    for seed in range(20):
        np.random.seed(seed)
        packed = load(dict(sample, num_classes=3))
        np.random.seed(seed)
        files = load(dict(plain(sample), num_classes=3))
        np.random.seed(seed)
        array = load.crop(dict(whole))
        for other in (files, array):
            np.testing.assert_array_equal(packed['img'], other['img'])
            np.testing.assert_array_equal(packed['gt_seg_map'], other['gt_seg_map'])
        assert packed['ori_shape'] == (300, 260)
        assert packed['img_shape'] == (96, 96)
        assert packed['seg_fields'] == ['gt_seg_map']


@pytest.mark.parametrize('packed', [False, True])
def test_whole_image(sample, packed):
    results = LoadWindow()(sample if packed else plain(sample))
    image, label = pixels(0, (300, 260))
    np.testing.assert_array_equal(results['img'], image[..., ::-1])
    np.testing.assert_array_equal(results['gt_seg_map'], label)
    assert results['img_shape'] == results['ori_shape'] == (300, 260)


@pytest.mark.parametrize('packed', [False, True])
def test_without_label(sample, packed):
    results = LoadWindow(CROP)(dict(sample if packed else plain(sample), seg_map_path=None))
    assert 'gt_seg_map' not in results
    assert results['img'].shape == (96, 96, 3)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'LA', 'I;16', '1'])
def test_any_image_becomes_three_channels(tmp_path, mode):
    image, _ = pixels(0, (20, 30))
    if mode == 'I;16':
        Image.fromarray(image[..., 0].astype(np.uint16) * 16).save(tmp_path / 'x.png')
    else:
        Image.fromarray(image).convert(mode).save(tmp_path / 'x.png')
    loaded = LoadWindow()(dict(img_path=str(tmp_path / 'x.png'), seg_map_path=None))['img']
    assert loaded.shape == (20, 30, 3)
    assert loaded.dtype == np.uint8
    if mode == 'RGBA':
        np.testing.assert_array_equal(loaded, image[..., ::-1])
    if mode == 'L':
        grey = np.asarray(Image.fromarray(image).convert('L'))
        np.testing.assert_array_equal(loaded, np.dstack([grey] * 3))


@pytest.mark.parametrize('suffix', ['.jpg', '.tif', '.bmp'])
def test_other_formats(tmp_path, suffix):
    path = tmp_path / f'x{suffix}'
    Image.fromarray(pixels(0, (20, 30))[0]).save(path)
    loaded = LoadWindow()(dict(img_path=str(path)))['img']
    np.testing.assert_array_equal(loaded, np.asarray(Image.open(path))[..., ::-1])


def test_palette_labels_are_read_as_indices(sample):
    _, label = pixels(3, (300, 260))
    image = Image.fromarray(label, 'P')
    image.putpalette([7] * 768)
    image.save(sample['seg_map_path'])
    np.testing.assert_array_equal(LoadWindow()(plain(sample))['gt_seg_map'], label)


def spoil(path, kind):
    data = open(path, 'rb').read()
    if kind == 'gone':
        os.unlink(path)
    else:
        with open(path, 'wb') as file:
            file.write({'cut': data[: len(data) // 2], 'empty': b'', 'text': b'hello'}[kind])


@pytest.mark.parametrize('kind', ['gone', 'cut', 'empty', 'text'])
@pytest.mark.parametrize('key', ['img_path', 'seg_map_path', 'pack_path'])
def test_broken_files_get_one_line_with_their_name(sample, key, kind):
    spoil(sample[key], kind)
    error = LabelReadError if key == 'seg_map_path' else ImageReadError
    with pytest.raises(error) as caught:
        LoadWindow()(sample if key == 'pack_path' else plain(sample))
    assert sample[key] in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('packed', [False, True])
def test_a_value_outside_the_classes_is_refused_with_its_place(sample, packed):
    if packed:
        sample['seg_map_path'] = sample['pack_path']
    else:
        sample.pop('pack_path')
    _, label = pixels(0, (300, 260))
    y, x = np.argwhere(label == 2)[0]
    with pytest.raises(LabelReadError, match=rf'value 2 at x={x}, y={y}; allowed are 0\.\.1 '):
        LoadWindow()(dict(sample, num_classes=2))


def test_zero_label_is_reduced_as_in_mmseg(sample):
    _, label = pixels(0, (300, 260))
    results = LoadWindow()(dict(plain(sample), reduce_zero_label=True))
    expected = np.where((label == 0) | (label == 255), 255, label.astype(int) - 1)
    np.testing.assert_array_equal(results['gt_seg_map'], expected)


def test_colour_pictures_are_no_labels(sample):
    Image.fromarray(pixels(0, (300, 260))[0]).save(sample['seg_map_path'])
    with pytest.raises(LabelReadError, match='folder of colour pictures'):
        LoadWindow()(plain(sample))


def test_labels_of_16_bits_are_told_to_be_saved_with_8(sample):
    Image.fromarray(np.zeros((260, 300), np.uint16)).save(sample['seg_map_path'])
    with pytest.raises(LabelReadError, match=r'bands uint16; .* \(save it with 8 bits a pixel\)'):
        LoadWindow()(plain(sample))


def test_refuses_transforms_that_need_pixels():
    with pytest.raises(TypeError, match='RandomScaleCrop, CenterCropPad'):
        LoadWindow(crop=dict(type='RandomRotate90'))


def test_keeps_no_file_open(sample):
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(5):
        LoadWindow(CROP)(dict(sample))
        LoadWindow(CROP)(plain(sample))
    assert len(os.listdir('/proc/self/fd')) == before


def test_images_are_shown_by_a_rule(sample):
    load = LoadWindow(image=dict(bands=(3, 1, 2)))
    image, _ = pixels(0, (300, 260))
    np.testing.assert_array_equal(load(plain(sample))['img'], image[..., [1, 0, 2]])  # BGR
    np.random.seed(0)
    part = LoadWindow(CROP, image=dict(bands=(3, 2, 1)))(plain(sample))['img']
    np.random.seed(0)
    np.testing.assert_array_equal(part[..., ::-1], LoadWindow(CROP)(plain(sample))['img'])
    with pytest.raises(ImageReadError, match=r'packed store, to which image=.*leave out packed'):
        load(sample)
    with pytest.raises(RefusedError, match=r'image\.band is unknown'):
        LoadWindow(image=dict(band=1))
