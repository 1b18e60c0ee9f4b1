import shutil

import numpy as np
import pytest
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.hrsc import HRSC2016BoxDataset, parse_hrsc
from samrs_mm.registry import BOX_DATASETS

H_BOX = '<box_xmin>4</box_xmin><box_ymin>6</box_ymin><box_xmax>40</box_xmax><box_ymax>50</box_ymax>'
R_BOX = (
    '<mbox_cx>22.5</mbox_cx><mbox_cy>28</mbox_cy><mbox_w>50.25</mbox_w><mbox_h>12</mbox_h>'
    '<mbox_ang>{}</mbox_ang>'
)


def parse(*objects, encoding='utf-8', head=''):
    lines = [f'<HRSC_Object>{text}</HRSC_Object>' for text in objects]
    body = '\n'.join(['<HRSC_Image><HRSC_Objects>', *lines, '</HRSC_Objects></HRSC_Image>'])
    return parse_hrsc((head + body).encode(encoding), 'FullDataSet/Annotations/1.xml')


@pytest.mark.parametrize('angle', [-1.25, 1.5, 0.0])
def test_both_boxes_are_kept_and_the_angle_is_taken_as_it_stands(angle):
    (box,) = parse(f'<Class_ID>100000013</Class_ID>{H_BOX}{R_BOX.format(angle)}').boxes
    assert box.category == 'ship'
    assert box.box_id == 'FullDataSet/Annotations/1.xml:2'
    np.testing.assert_array_equal(box.hbox, [4, 6, 40, 50])
    np.testing.assert_array_equal(box.rotated, [22.5, 28, 50.25, 12, angle])
    assert box.polygon is None


@pytest.mark.parametrize(
    'colour', ['', '<seg_color>\n</seg_color>', '<seg_color/>', '<seg_color>9,8,7</seg_color>']
)
def test_seg_color_never_matters(colour):
    labels = parse(f'{H_BOX}{R_BOX.format(0.5)}{colour}')
    assert len(labels.boxes) == 1
    assert not labels.problems


def test_object_with_one_of_the_boxes():
    empty = '<mbox_cx/><mbox_cy/><mbox_w/><mbox_h/><mbox_ang/>'
    h_only, r_only, h_only_too = parse(H_BOX, R_BOX.format(1), H_BOX + empty).boxes
    assert h_only.rotated is None
    assert r_only.hbox is None
    assert h_only_too.rotated is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('<Class_ID>100000001</Class_ID>', 'neither'),
        (H_BOX + '<mbox_cx>3</mbox_cx>', 'lacks <mbox_cy>'),
        (H_BOX + R_BOX.format('up'), "<mbox_ang> is 'up', not a number"),
    ],
)
def test_bad_object_is_a_problem_and_the_rest_is_kept(text, message):
    labels = parse(text, H_BOX)
    assert len(labels.boxes) == 1
    assert message in labels.problems[0].message


@pytest.mark.parametrize('head', ['', '<?xml version="1.0" encoding="gb2312"?>\n'])
def test_gb2312(head):
    labels = parse(f'<Img_Location>舟山港</Img_Location>{H_BOX}', encoding='gb2312', head=head)
    assert len(labels.boxes) == 1


@pytest.mark.parametrize('objects', ['<HRSC_Objects/>', ''])
def test_no_objects(objects):
    labels = parse_hrsc(f'<HRSC_Image>{objects}</HRSC_Image>'.encode(), '1.xml')
    assert labels.boxes == []
    assert labels.problems == []


def test_other_xml_is_refused():
    with pytest.raises(LabelReadError, match='expected <HRSC_Image>'):
        parse_hrsc(b'<annotation/>', '1.xml')


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


def test_flags_are_kept():
    marked, plain = parse(f'<difficult>1</difficult><truncated>0</truncated>{H_BOX}', H_BOX).boxes
    assert marked.flags == dict(difficult=1)
    assert plain.flags == {}


def test_the_size_that_labels_are_for():
    text = (
        '<HRSC_Image><Img_SizeWidth>1166</Img_SizeWidth><Img_SizeHeight>753</Img_SizeHeight>'
        '</HRSC_Image>'
    )
    assert parse_hrsc(text.encode(), '1.xml').size == (1166, 753)
