from pathlib import Path

import numpy as np
import pytest
from folders import load_tool
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image
from samrs_folders import pixels

import samrs_mm.datasets.transforms  # noqa: F401
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset

META = dict(classes=('ground', 'roof', 'road'), palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]])
STEMS = ('a', 'b.c', 'P1__64__0___0', 'P2__64__0___0')


def write(root: Path, suffix: str = '.png', images: str = 'images', labels: str = 'labels') -> Path:
    for name in (images, labels):
        (root / name).mkdir(parents=True, exist_ok=True)
    for seed, stem in enumerate(STEMS):
        image, label = pixels(seed)
        Image.fromarray(image).save(root / images / f'{stem}{suffix}')
        Image.fromarray(label).save(root / labels / f'{stem}.png')
    return root


def build(root, **options):
    options = dict(metainfo=META, pipeline=[dict(type='LoadWindow')]) | options
    return DATASETS.build(dict(type='TileFolderDataset', data_root=str(root), **options))


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.bmp'])
def test_images_and_labels_of_any_folder(tmp_path, suffix):
    dataset = build(write(tmp_path, suffix))
    assert isinstance(dataset, BaseSegDataset)
    assert dataset.metainfo['classes'] == META['classes']
    assert dataset.metainfo['palette'] == META['palette']
    assert [Path(info['img_path']).stem for info in dataset] == sorted(STEMS)
    for sample in dataset:
        seed = STEMS.index(Path(sample['img_path']).stem)
        image, label = pixels(seed)
        np.testing.assert_array_equal(sample['img'][..., ::-1], image)
        np.testing.assert_array_equal(sample['gt_seg_map'], label)


def test_other_folder_names_and_a_list(tmp_path):
    root = write(tmp_path, images='img_dir/train', labels='ann_dir/train')
    (root / 'few.txt').write_text('P2__64__0___0\na\n')
    prefix = dict(img_path='img_dir/train', seg_map_path='ann_dir/train')
    dataset = build(root, data_prefix=prefix, ann_file='few.txt')
    assert [Path(info['img_path']).stem for info in dataset] == ['P2__64__0___0', 'a']


@pytest.mark.parametrize(
    ('image', 'label', 'options'),
    [
        ('area1/{}.png', 'area1/{}.png', {}),
        ('{}.png', '{}.tif', {}),
        ('{}.PNG', '{}.PNG', {}),
        ('{}_sat.jpg', '{}_mask.png', dict(img_suffix='_sat.jpg', seg_map_suffix='_mask.png')),
    ],
)
def test_subfolders_and_suffixes(tmp_path, image, label, options):
    expected = {}
    for seed, stem in enumerate(STEMS):
        names = f'images/{image.format(stem)}', f'labels/{label.format(stem)}'
        for name, values in zip(names, pixels(seed), strict=True):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(tmp_path / name)
        expected[names[0]] = pixels(seed)[1]
    (tmp_path / 'images/.hidden').mkdir()
    (tmp_path / 'images/.hidden/c.png').touch()
    dataset = build(tmp_path, **options)
    found = {str(Path(s['img_path']).relative_to(tmp_path)): s['gt_seg_map'] for s in dataset}
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)
    stem = 'area1/b.c' if 'area1' in image else 'b.c'
    (tmp_path / 'one.txt').write_text(f'{stem}\n')
    assert len(build(tmp_path, ann_file='one.txt', **options)) == 1
    if not options:
        tool = load_tool('dataset_converters/pack_dataset')
        assert tool.main([str(tmp_path), str(tmp_path / 'packed')]) == 0
        packed = build(tmp_path, packed='packed')
        assert all(map(np.array_equal, *([s['gt_seg_map'] for s in d] for d in (packed, dataset))))
        assert tool.main([str(tmp_path), str(tmp_path / 'packed'), '--verify']) == 0


def test_images_and_labels_in_one_folder(tmp_path):
    prefix = dict(img_path='.', seg_map_path='labels')
    root = write(tmp_path, images='.')
    assert len(build(root, data_prefix=prefix)) == len(STEMS), 'labels are no images'


def test_two_images_of_one_stem(tmp_path):
    root = write(tmp_path)
    Image.fromarray(pixels(0)[0]).save(root / 'images/a.bmp')
    with pytest.raises(RefusedError, match=r'a\.(bmp|png) and a\.(bmp|png) have the same stem'):
        build(root)
    assert len(build(root, img_suffix='.png')) == len(STEMS)


@pytest.mark.parametrize('classes', [META['classes'], ('roof',)])
def test_labels_from_1(tmp_path, classes):
    """As LoveDA's: 0 is no data."""

    class Zeroed(TileFolderDataset):
        METAINFO = META

    root = write(tmp_path)
    values = np.arange(5, dtype=np.uint8)[:, None].repeat(72, 1).repeat(13, 0)[:64]
    values[values == 4] = 255
    for stem in STEMS:
        Image.fromarray(values).save(root / f'labels/{stem}.png')
    options = dict(reduce_zero_label=True, metainfo=dict(classes=classes))
    dataset = Zeroed(str(root), pipeline=[dict(type='LoadWindow')], **options)
    expected = {0: 255, 1: 0, 2: 1, 3: 2, 255: 255} if len(classes) == 3 else {2: 0}
    expected = np.vectorize(lambda value: expected.get(value, 255))(values)
    np.testing.assert_array_equal(dataset[0]['gt_seg_map'], expected)
    Image.fromarray(np.full((64, 72), 4, np.uint8)).save(root / f'labels/{min(STEMS)}.png')
    with pytest.raises(LabelReadError, match=r'value 4 at x=0, y=0; allowed are 0\.\.3'):
        dataset[0]


def test_tiles_without_any_label_pixel_count_unless_left_out(tmp_path):
    root = write(tmp_path)
    Image.fromarray(np.full((64, 72), 255, np.uint8)).save(root / 'labels/a.png')
    assert len(build(root)) == 4
    assert len(build(root, filter_empty=True)) == 3


def test_augmentation_follows_from_the_seed(tmp_path):
    crop = dict(type='LoadWindow', crop=dict(type='RandomScaleCrop', crop_size=32))
    dataset = build(write(tmp_path), pipeline=[crop])
    np.random.seed(0)
    first, again, other = dataset[0, 5]['img'], dataset[0, 5]['img'], dataset[0, 6]['img']
    assert (first == again).all()
    assert (first != other).any()


def test_what_is_wrong_is_refused_before_training(tmp_path):
    root = write(tmp_path)
    (root / 'labels/a.png').unlink()
    with pytest.raises(RefusedError, match=r'1 of 4 images has no label, such as a\.png'):
        build(root)
    (root / 'list.txt').write_text('b.c\n')
    assert len(build(root, ann_file='list.txt')) == 1
    (root / 'list.txt').write_text('a\n')
    with pytest.raises(RefusedError, match=r"1 of 1 names is not in .*'a' \(its image or label"):
        build(root, ann_file='list.txt')
    (root / 'list.txt').write_text('\ufeffimages/b.c.png\r\n', encoding='utf-8')
    with pytest.raises(
        RefusedError, match=r"'images/b.c.png' \(names .* without folder and suffix"
    ):
        build(root, ann_file='list.txt')
    (root / 'list.txt').write_text('\ufeffb.c\r\n', encoding='utf-8')
    assert len(build(root, ann_file='list.txt')) == 1
    with pytest.raises(RefusedError, match=r'list .*none\.txt: No such file'):
        build(root, ann_file='none.txt')
    with pytest.raises(RefusedError, match='no such folder: masks'):
        build(root, data_prefix=dict(seg_map_path='masks'))
    with pytest.raises(RefusedError, match=r'none: no such folder'):
        build(root / 'none')
    with pytest.raises(RefusedError, match=r'set metainfo=dict\(classes'):
        build(root, metainfo=None)


def test_a_value_that_is_no_class_is_named(tmp_path):
    root = write(tmp_path)
    label = pixels(0)[1].copy()
    label[7, 9] = 3
    Image.fromarray(label).save(root / 'labels/a.png')
    (root / 'list.txt').write_text('a\n')
    with pytest.raises(LabelReadError, match=r'a\.png: value 3 at x=9, y=7; allowed are 0\.\.2'):
        build(root, ann_file='list.txt')[0]


def test_the_packed_store_gives_the_same_samples(tmp_path):
    root = write(tmp_path)
    tool = load_tool('dataset_converters/pack_dataset')
    assert tool.main([str(root), str(root / 'packed')]) == 0
    plain, packed = build(root), build(root, packed='packed')
    assert len(plain) == len(packed) == 4
    for one, two in zip(plain, packed, strict=True):
        np.testing.assert_array_equal(one['img'], two['img'])
        np.testing.assert_array_equal(one['gt_seg_map'], two['gt_seg_map'])
