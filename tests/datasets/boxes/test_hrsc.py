import shutil

import numpy as np
import pytest
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.datasets.boxes import HRSC2016BoxDataset, Scene
from samrs_mm.registry import BOX_DATASETS

IMAGES, LABELS = 'FullDataSet/AllImages', 'FullDataSet/Annotations'


def scene(number, split, labelled=True):
    label = f'{LABELS}/10000000{number}.xml' if labelled else None
    return Scene(f'10000000{number}', f'{IMAGES}/10000000{number}.bmp', label, split)


def test_test_split(hrsc_root):
    dataset = BOX_DATASETS.build(dict(type='HRSC2016BoxDataset', data_root=str(hrsc_root)))
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


def with_masks(root, colours, drawn=((200, 0, 0), (0, 9, 7))):
    """Give the first ships of 100000002 colours, and draw two ships in LandMask/."""
    path = root / LABELS / '100000002.xml'
    text = path.read_bytes().decode('gb2312')
    for colour in colours:
        text = text.replace('<seg_color>\n</seg_color>', colour, 1)
    path.write_bytes(text.encode('gb2312'))
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:30, 10:40], picture[40:50, 10:20] = drawn
    (root / 'FullDataSet/LandMask').mkdir(exist_ok=True)
    Image.fromarray(picture).save(root / 'FullDataSet/LandMask/100000002.png')


def test_masks_of_the_ships_that_have_a_colour(hrsc_root):
    with_masks(hrsc_root, ['<seg_color> 200, 0,0\n</seg_color>'])
    dataset = HRSC2016BoxDataset(hrsc_root)
    first, second = dataset.labels(0).boxes
    truth = dataset.ground_truth_of(0)
    assert set(truth) == {first.box_id} != {second.box_id}
    assert masks.bbox(truth[first.box_id]) == [10, 20, 30, 10]
    assert masks.area(truth[first.box_id]) == 300
    assert [dataset.ground_truth_of(index) for index in (1, 2)] == [{}, {}]


@pytest.mark.parametrize('colour', ['', '<seg_color/>', '<seg_color>  \n </seg_color>'])
def test_blank_and_missing_colours_are_no_masks(hrsc_root, colour):
    with_masks(hrsc_root, [colour, '<seg_color>0,9,7</seg_color>'])
    dataset = HRSC2016BoxDataset(hrsc_root)
    second = dataset.labels(0).boxes[1]
    truth = dataset.ground_truth_of(0)
    assert list(truth) == [second.box_id]
    assert masks.bbox(truth[second.box_id]) == [10, 40, 10, 10]


@pytest.mark.parametrize('colour', ['1,2', '1,2,256', 'red', '1,2,-3', '1;2;3'])
def test_a_colour_that_is_none(hrsc_root, colour):
    with_masks(hrsc_root, [f'<seg_color>{colour}</seg_color>'])
    with pytest.raises(LabelReadError, match=rf"100000002.xml:2: <seg_color> is '{colour}'; all"):
        HRSC2016BoxDataset(hrsc_root).ground_truth_of(0)


def test_a_missing_picture_of_masks(hrsc_root):
    with_masks(hrsc_root, ['<seg_color>1,2,3</seg_color>'])
    picture = hrsc_root / 'FullDataSet/LandMask/100000002.png'
    other = hrsc_root / 'FullDataSet/Segmentations/100000002.bmp'
    other.parent.mkdir()
    Image.open(picture).save(other)
    picture.unlink()
    assert len(HRSC2016BoxDataset(hrsc_root).ground_truth_of(0)) == 1
    other.unlink()
    with pytest.raises(ImageReadError, match=r'LandMask/100000002.png: no such picture of masks'):
        HRSC2016BoxDataset(hrsc_root).ground_truth_of(0)
