import json

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from samrs_folders import STEMS, pixels, write_annotated, write_released

from samrs_mm.core.classes import FAST_CLASSES, PALETTE, SIOR_CLASSES, SOTA_CLASSES
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.datasets.segmentation.label_scan import find_labelled
from samrs_mm.datasets.segmentation.samrs import FASTDataset, SAMRSDataset, SIORDataset, SOTADataset

LOAD = [dict(type='LoadWindow')]


def stems(dataset):
    return [
        dataset.get_data_info(i)['seg_map_path'].split('/')[-1][:-4] for i in range(len(dataset))
    ]


@pytest.mark.parametrize(
    ('kind', 'classes'),
    [(SOTADataset, SOTA_CLASSES), (SIORDataset, SIOR_CLASSES), (FASTDataset, FAST_CLASSES)],
)
def test_metainfo_is_that_of_the_release(kind, classes):
    assert kind.METAINFO['classes'] == classes
    assert [tuple(c) for c in kind.METAINFO['palette']] == list(PALETTE[: len(classes)])
    assert DATASETS.get(kind.__name__) is kind


def test_reads_an_annotated_folder(tmp_path):
    root = write_annotated(tmp_path / 'out')
    dataset = SAMRSDataset('mine', str(root), pipeline=LOAD)
    assert dataset.metainfo['classes'] == ('plane', 'ship', 'tank')
    assert dataset.metainfo['palette'][1] == [1, 2, 254]
    assert dataset.metainfo['source'] == 'mine'
    assert stems(dataset) == list(STEMS)
    image, label = pixels(2)
    sample = dataset[2]
    assert sample['source'] == 'mine'
    np.testing.assert_array_equal(sample['img'], image[..., ::-1])
    np.testing.assert_array_equal(sample['gt_seg_map'], label)


def test_reads_whole_images_where_they_lie(tmp_path):
    root = write_annotated(tmp_path / 'out', tiled=False)
    dataset = SAMRSDataset('mine', str(root), pipeline=LOAD)
    assert dataset.get_data_info(0)['img_path'] == str(tmp_path / 'raw' / f'{STEMS[0]}.png')
    np.testing.assert_array_equal(dataset[1]['img'], pixels(1)[0][..., ::-1])


def test_selects_by_list_split_and_label(tmp_path):
    splits = dict(zip(STEMS, ('train', 'val', 'test', 'train'), strict=True))
    root = write_annotated(tmp_path / 'out', splits=splits, empty=STEMS[3:])
    (root / 'some.txt').write_text(f'{STEMS[2]}\n{STEMS[0]}\n\n')

    def make(**kwargs):
        return stems(SAMRSDataset('mine', str(root), **kwargs))

    assert make() == list(STEMS[:3])
    assert make(filter_empty=False) == list(STEMS)
    assert make(splits=('train', 'val')) == list(STEMS[:2])
    assert make(ann_file='some.txt') == [STEMS[2], STEMS[0]]


@pytest.mark.parametrize('layout', [
    dict(images='images', labels='semlabels/gray'),
    dict(images='trainval/images', labels='trainval/rhbox_segs_init/gray'),
    dict(images='trainval_images', labels='semlabels/gray', suffix='.jpg'),
])  # fmt: skip
def test_finds_the_folders_of_the_release(tmp_path, layout):
    names = ['00001', '00002']
    root = write_released(tmp_path / 'sior', names, **layout)
    dataset = SIORDataset(str(root), pipeline=LOAD)
    assert stems(dataset) == names
    np.testing.assert_array_equal(dataset[1]['gt_seg_map'], pixels(1)[1])


def test_takes_folder_names_from_the_config(tmp_path):
    root = write_released(tmp_path / 'x', ['P0001_0003'], images='a b', labels='c/d')
    with pytest.raises(RefusedError, match=r'no meta.json, and no such folder: images, .*img_path'):
        SOTADataset(str(root))
    dataset = SOTADataset(str(root), data_prefix=dict(img_path='a b', seg_map_path='c/d'))
    assert stems(dataset) == ['P0001_0003']


def test_remembers_which_released_labels_are_empty(tmp_path, monkeypatch):
    names = ['P0001_0000', 'P0001_0001', 'P0002_0000']
    root = write_released(tmp_path / 'x', names, empty=names[1:2])
    assert stems(SOTADataset(str(root))) == [names[0], names[2]]
    cache = (root / 'labelled.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in cache] == names
    # a killed run leaves half a line; a changed label has another size
    (root / 'labelled.csv').write_text('\n'.join([cache[0], cache[2].replace(',', ',9'), 'P00']))
    read = []
    monkeypatch.setattr(
        'samrs_mm.datasets.segmentation.label_scan.is_labelled',
        lambda path: read.append(path) or True,
    )
    labels = {name: str(root / 'semlabels/gray' / f'{name}.png') for name in names}
    found = find_labelled(labels, root / 'labelled.csv', workers=1)
    assert [path.split('/')[-1][:-4] for path in read] == names[1:]
    assert found[names[1]]


def test_no_dior_test_image_is_in_any_split(tmp_path):
    names = ['00001', '11725', '11726', '23463']
    splits = dict(zip(names, ('train', 'val', 'test', 'test'), strict=True))
    root = write_annotated(tmp_path / 'sior', names, SIOR_CLASSES, splits)
    assert stems(SIORDataset(str(root))) == names[:2]
    assert stems(SIORDataset(str(root), splits=('train', 'val', 'test'))) == names[:2]
    for name in names[2:]:
        (root / 'bad.txt').write_text(f'00001\n{name}\n')
        with pytest.raises(RefusedError, match=rf"'{name}' is of the DIOR test set.*1\.\.11725"):
            SIORDataset(str(root), ann_file='bad.txt')


def test_refuses_names_that_are_not_of_dior(tmp_path):
    root = write_annotated(tmp_path / 'sior', ['P0001'], SIOR_CLASSES)
    with pytest.raises(RefusedError, match=r"'P0001' is not a DIOR image.*SAMRSDataset"):
        SIORDataset(str(root))


def test_refuses_a_folder_of_other_classes(tmp_path):
    root = write_annotated(tmp_path / 'x', classes=(*SOTA_CLASSES[:4], 'car'))
    with pytest.raises(RefusedError, match=r"5 classes, SOTADataset 18; value 4 is 'car' there"):
        SOTADataset(str(root))
    with pytest.raises(RefusedError, match=r'no meta\.json that names the classes'):
        SAMRSDataset('x', str(write_released(tmp_path / 'y', ['a'])))
    with pytest.raises(RefusedError, match='no such folder'):
        SAMRSDataset('x', str(tmp_path / 'nothing'))


def test_refuses_bad_lists(tmp_path):
    root = write_annotated(tmp_path / 'x')
    for text, match in [
        (f'{STEMS[0]}\nP7\n', r"1 of 2 names is not in .*'P7'.*make_splits"),
        (f'{STEMS[0]}\n' * 2, 'is listed 2 times'),
        ('', 'no image is left'),
    ]:
        (root / 'list.txt').write_text(text)
        with pytest.raises(RefusedError, match=match):
            SAMRSDataset('x', str(root), ann_file='list.txt')
    with pytest.raises(RefusedError, match=r'none.txt: No such file.*make_splits.py'):
        SAMRSDataset('x', str(root), ann_file='none.txt')
    with pytest.raises(RefusedError, match=r'no image is left'):
        SAMRSDataset('x', str(root), splits=('nosuch',))


@pytest.mark.parametrize('kind', ['images', 'semantic'])
def test_refuses_missing_files_at_start(tmp_path, kind):
    root = write_annotated(tmp_path / 'x')
    (root / kind / f'{STEMS[1]}.png').unlink()
    with pytest.raises(RefusedError, match=rf'{kind}/{STEMS[1]}.png: no such file \(1 are missing'):
        SAMRSDataset('x', str(root))


def test_refuses_a_folder_that_is_not_finalised(tmp_path):
    root = write_annotated(tmp_path / 'x')
    (root / 'images.csv').unlink()
    with pytest.raises(RefusedError, match='--finalise'):
        SAMRSDataset('x', str(root))
    (root / 'meta.json').write_text(json.dumps(dict(partial=True, settings={})))
    with pytest.raises(RefusedError, match='--finalise'):
        SAMRSDataset('x', str(root))


def test_tells_a_bad_label_when_it_is_loaded(tmp_path):
    root = write_annotated(tmp_path / 'x')
    _, label = pixels(0)
    label[5, 9] = 3
    path = root / 'semantic' / f'{STEMS[0]}.png'
    Image.fromarray(label).save(path)
    dataset = SAMRSDataset('x', str(root), pipeline=LOAD)
    with pytest.raises(LabelReadError, match=rf'{path}: value 3 at x=9, y=5; allowed are 0\.\.2'):
        dataset[0]
    Image.fromarray(label[:60]).save(path)
    with pytest.raises(LabelReadError, match=r'the label is 72 x 60 px, its image .* 72 x 64'):
        dataset[0]


def test_a_subset_of_the_classes_renumbers_labels(tmp_path):
    root = write_released(tmp_path / 'x', ['P0001_0000'])
    classes = SOTA_CLASSES[2:3]
    dataset = SOTADataset(str(root), metainfo=dict(classes=classes), pipeline=LOAD)
    label = pixels(0)[1]
    expected = np.where(label == 2, 0, 255)
    np.testing.assert_array_equal(dataset[0]['gt_seg_map'], expected)
