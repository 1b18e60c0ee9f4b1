import shutil

import pytest
from mmseg.registry import DATASETS

from samrs_mm.annotation.errors import ImageReadError, RefusedError
from samrs_mm.datasets.box_annotated import HRSC2016BoxDataset, Scene

IMAGES, LABELS = 'FullDataSet/AllImages', 'FullDataSet/Annotations'


def scene(number, split, labelled=True):
    label = f'{LABELS}/10000000{number}.xml' if labelled else None
    return Scene(f'10000000{number}', f'{IMAGES}/10000000{number}.bmp', label, split)


def test_test_split(hrsc_root):
    dataset = DATASETS.build(dict(type='HRSC2016BoxDataset', data_root=str(hrsc_root)))
    assert dataset.scenes == [scene(2, 'test'), scene(3, 'test'), scene(4, 'test', False)]
    assert [len(dataset.labels(index).boxes) for index in range(3)] == [2, 0, 0]
    assert dataset.labels(0).boxes[1].rotated[4] == 1.5
    assert dataset.classes == ('ship',)
    with pytest.raises(ImageReadError, match='no such image'):
        dataset[2]


def test_other_splits(hrsc_root):
    assert HRSC2016BoxDataset(hrsc_root, split='trainval').scenes == [scene(1, 'train')]
    assert HRSC2016BoxDataset(hrsc_root, split='all').scenes == [
        scene(1, 'train'), scene(2, 'test'), scene(3, 'test'), scene(9, None),
    ]  # fmt: skip


def test_unknown_split_is_refused(hrsc_root):
    with pytest.raises(RefusedError, match="split='valid'; allowed: train, val, test"):
        HRSC2016BoxDataset(hrsc_root, split='valid')


def test_test_folder_alone(hrsc_root):
    shutil.rmtree(hrsc_root / 'ImageSets')
    with pytest.raises(RefusedError, match=r'no ImageSets/test.txt .*split=all'):
        HRSC2016BoxDataset(hrsc_root)
    (hrsc_root / 'FullDataSet').rename(hrsc_root / 'Test')
    scenes = HRSC2016BoxDataset(hrsc_root).scenes
    assert len(scenes) == 4
    assert scenes[0] == Scene(
        '100000001', 'Test/AllImages/100000001.bmp', 'Test/Annotations/100000001.xml', 'test'
    )


def test_two_images_of_one_name_are_refused(hrsc_root, make_image):
    make_image(hrsc_root / IMAGES / '100000002.png')
    with pytest.raises(RefusedError, match="both be called '100000002'"):
        HRSC2016BoxDataset(hrsc_root)
