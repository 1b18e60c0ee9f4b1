import os

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from samrs_folders import STEMS, write_annotated, write_released

import samrs_mm.datasets.segmentation.samrs  # noqa: F401
from samrs_mm.datasets.segmentation.full_check import MEMORY, Memories, check_all
from samrs_mm.datasets.segmentation.parts import parts_of

OURS = [dict(type='LoadWindow')]
MMSEG = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
CLASSES = ('plane', 'ship', 'tank')


def folder(root, classes=CLASSES, pipeline=OURS):
    return parts_of(DATASETS.build(dict(
        type='TileFolderDataset' if pipeline is OURS else 'BaseSegDataset', data_root=str(root),
        metainfo=dict(classes=classes), pipeline=pipeline, img_suffix='.png',
        data_prefix=dict(img_path='images', seg_map_path='labels'),
    )))  # fmt: skip


def check(parts, workers=0):
    seen = []

    def progress(items, total):
        seen.append(total)
        return items

    result = check_all(parts, workers, Memories(), progress)
    read, before, faults = result
    assert seen == ([read] if read else [])
    assert read + before == sum(map(len, parts))
    return read, faults


@pytest.fixture
def root(tmp_path):
    return write_released(tmp_path / 'x', [f't{n}' for n in range(6)], labels='labels')


@pytest.mark.parametrize('pipeline', [OURS, MMSEG], ids=['ours', 'mmseg'])
def test_what_was_read_is_not_read_again_until_it_changes(root, pipeline):
    assert check(folder(root, pipeline=pipeline)) == (6, [])
    assert check(folder(root, pipeline=pipeline)) == (0, [])
    os.utime(root / 'labels/t1.png', ns=(1, 1))
    Image.new('RGB', (9, 9)).save(root / 'images/t2.png')
    read, (fault,) = check(folder(root, pipeline=pipeline))
    assert read == 2
    assert 't2.png is' not in fault
    assert 'the label is 72 x 64 px, its image' in fault
    assert check(folder(root, pipeline=pipeline)) == (1, [fault]), 'faults are looked at again'
    assert check(folder(root, (*CLASSES, 'van'), pipeline))[0] == 6, 'other classes, other limits'


def test_known_counts_are_those_of_the_labels(root):
    (part,) = folder(root)
    memories = Memories()
    assert not memories.any([part])
    check_all([part], 0, memories, lambda items, total: items)
    for index in range(6):
        info = part.info(index)
        label = np.asarray(Image.open(info['seg_map_path']))
        expected = np.bincount(label.ravel(), minlength=256)
        assert np.array_equal(Memories().known(part, info), expected)
        assert np.array_equal(part.reader.look(info), expected)


@pytest.mark.parametrize(('name', 'spoil', 'message'), [
    ('images', lambda data: data[: len(data) // 2], 't3.png'),
    ('labels', lambda data: data[: len(data) // 2], 't3.png'),
    ('images', lambda data: b'', 't3.png'),
    ('labels', lambda data: b'not a picture', 't3.png'),
])  # fmt: skip
@pytest.mark.parametrize('pipeline', [OURS, MMSEG], ids=['ours', 'mmseg'])
def test_broken_files_are_named(root, name, spoil, message, pipeline):
    path = root / name / 't3.png'
    path.write_bytes(spoil(path.read_bytes()))
    read, faults = check(folder(root, pipeline=pipeline))
    assert read == 6
    assert len(faults) == 1
    assert message in faults[0]
    assert '\n' not in faults[0]


def test_values_that_are_no_class_are_named(root):
    label = np.asarray(Image.open(root / 'labels/t4.png')).copy()
    label[5, 7] = 3
    Image.fromarray(label).save(root / 'labels/t4.png')
    _, (fault,) = check(folder(root))
    assert 't4.png: value 3 at x=7, y=5; allowed are 0..2' in fault
    assert fault.endswith('set reduce_zero_label=True')


def test_several_processes_and_a_killed_check(root):
    assert check(folder(root), workers=2) == (6, [])
    lines = (root / MEMORY).read_text().splitlines(keepends=True)
    (root / MEMORY).write_text(''.join(lines[:3]) + lines[3][:10])
    assert check(folder(root)) == (3, [])
    assert sorted((root / MEMORY).read_text().splitlines(keepends=True)) == sorted(lines)


def test_a_packed_store(tmp_path):
    from folders import load_tool

    root = write_annotated(tmp_path / 'a')
    assert load_tool('dataset_converters/pack_dataset').main([str(root), str(root / 'packed')]) == 0
    entry = dict(type='SAMRSDataset', source='a', data_root=str(root), packed='packed',
                 pipeline=OURS)  # fmt: skip
    parts = parts_of(DATASETS.build(entry))
    assert check(parts) == (4, [])
    tile = root / f'packed/tiles/{STEMS[1]}.tif'
    tile.write_bytes(tile.read_bytes()[:300])
    read, (fault,) = check(parts)
    assert (read, STEMS[1] in fault) == (1, True)
    assert check(parts_of(DATASETS.build(dict(entry, packed=None)))) == (4, [])


def test_a_folder_that_cannot_be_written_is_read_all_the_same(root, monkeypatch):
    (root / MEMORY).mkdir()
    assert Memories().of(folder(root)[0]).rows == {}
    assert check(folder(root)) == (6, [])
