import json

import numpy as np
import pytest

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.label_fit import FitRule
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.registry import BOX_DATASETS

ANN = 'annotations.json'


def edit(root, **changes):
    document = json.loads((root / ANN).read_text())
    (root / ANN).write_text(json.dumps(document | changes))


def test_scenes_boxes_and_problems(coco_root):
    dataset = BOX_DATASETS.build(dict(type='COCOBoxDataset', data_root=str(coco_root)))
    assert dataset.scenes == [
        Scene('annotations__without_image', None, ANN),
        Scene('b', 'images/b.png', ANN),
        Scene('c', 'images/c.png', None),
        Scene('missing', None, ANN),
        Scene('sub__a', 'images/sub/a.png', ANN),
    ]
    places = [
        item.box_id
        for index in range(5)
        for item in (*dataset.labels(index).boxes, *dataset.labels(index).problems)
    ]
    assert sorted(places) == [f'{ANN}:annotations[{row}]' for row in range(5)]
    np.testing.assert_array_equal(dataset.labels(4).boxes[0].hbox, [4, 5, 14, 25])
    assert 'image_id 77' in dataset.labels(0).problems[0].message
    assert dataset.classes == ('ship', 'zebra')


def test_ground_truth_only_on_request(coco_root):
    kept = {f'{ANN}:annotations[1]': [[0, 0, 5, 0, 5, 5]]}
    assert COCOBoxDataset(coco_root, ground_truth=True).ground_truth_of(4) == kept
    assert COCOBoxDataset(coco_root, ground_truth=True).ground_truth_of(2) == {}
    assert COCOBoxDataset(coco_root).ground_truth_of(4) == {}


def test_unlisted_images_may_be_left_out(coco_root):
    stems = [scene.stem for scene in COCOBoxDataset(coco_root, unlisted=False).scenes]
    assert 'c' not in stems


def test_unlisted_images_of_other_folders_are_not_taken(coco_root, make_image):
    make_image(coco_root / 'images/train2017/z.png')
    make_image(coco_root / 'images/sub/y.png')
    stems = [scene.stem for scene in COCOBoxDataset(coco_root).scenes]
    assert 'sub__y' in stems
    assert 'train2017__z' not in stems


def test_images_beside_the_json_file(coco_root):
    beside = coco_root / 'images'
    (coco_root / ANN).rename(beside / ANN)
    assert COCOBoxDataset(beside).scenes[-1] == Scene('sub__a', 'sub/a.png', ANN)
    nested = COCOBoxDataset(coco_root, ann_file=f'images/{ANN}', images='images')
    assert nested.scenes[-1] == Scene('sub__a', 'images/sub/a.png', f'images/{ANN}')


def test_file_names_that_name_the_image_folder(coco_root):
    edit(coco_root, images=[dict(id=0, file_name='images/sub/a.png')])
    assert Scene('sub__a', 'images/sub/a.png', ANN) in COCOBoxDataset(coco_root).scenes


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('../a.png', 'leads out of the data root'),
        ('sub/../../a.png', 'leads out of the data root'),
        ('/etc/../a.png', 'leads out of the data root'),
        ('C:\\data\\..\\a.png', 'leads out of the data root'),
        ('C:\\', 'names no file'),
        ('..\\a.png', 'leads out of the data root'),
        ('a\n.png', 'control characters'),
        ('a\0.png', 'control characters'),
        ('./', 'names no file'),
    ],
)
def test_path_tricks_are_refused(coco_root, name, message):
    edit(coco_root, images=[dict(id=0, file_name=name)])
    with pytest.raises(RefusedError, match=message):
        COCOBoxDataset(coco_root)


@pytest.mark.parametrize('names', [('sub/a.png', 'sub__a.png'), ('b.png', 'b.jpg')])
def test_colliding_stems_are_refused(coco_root, names):
    edit(coco_root, images=[dict(id=i, file_name=name) for i, name in enumerate(names)])
    with pytest.raises(RefusedError, match='two images would both be called'):
        COCOBoxDataset(coco_root)


def test_unusable_json_is_refused(coco_root):
    (coco_root / ANN).write_text('{"images": [')
    with pytest.raises(RefusedError, match=r'annotations.json:1:13: malformed JSON'):
        COCOBoxDataset(coco_root)
    (coco_root / ANN).unlink()
    with pytest.raises(RefusedError, match='cannot read the label file'):
        COCOBoxDataset(coco_root)


def test_no_image_there_at_all_is_refused(coco_root):
    edit(coco_root, images=[dict(id=0, file_name='gone.png')])
    message = r"none of its 1 image \(such as 'gone.png'\) is among the 3 in"
    for unlisted in (True, False):
        with pytest.raises(RefusedError, match=message):
            COCOBoxDataset(coco_root, unlisted=unlisted)
    edit(coco_root, images=[dict(id=0, file_name='train/b.png')])
    with pytest.raises(RefusedError, match='without their folders 1 would fit'):
        COCOBoxDataset(coco_root)


def test_file_names_of_windows_are_taken(coco_root):
    for name in ('sub\\a.png', 'images\\sub\\a.png'):
        edit(coco_root, images=[dict(id=0, file_name=name)])
        assert Scene('sub__a', 'images/sub/a.png', ANN) in COCOBoxDataset(coco_root).scenes


@pytest.mark.parametrize(
    'name',
    [
        'C:\\data\\images\\sub\\a.png', 'd:/sub/a.png', '\\\\server\\share\\a.png', 'C:a.png',
        '/home/ann/sub/a.png', 'C:\\data\\A.PNG',
    ],
)  # fmt: skip
def test_absolute_paths_are_found_by_their_last_parts(coco_root, name):
    edit(coco_root, images=[dict(id=0, file_name=name)])
    assert Scene('sub__a', 'images/sub/a.png', ANN) in COCOBoxDataset(coco_root).scenes


def test_an_absolute_path_that_may_be_two_images_is_refused(coco_root, make_image):
    make_image(coco_root / 'images/top/a.png')
    edit(coco_root, images=[dict(id=0, file_name='C:\\data\\sub\\a.png')])
    assert Scene('sub__a', 'images/sub/a.png', ANN) in COCOBoxDataset(coco_root).scenes
    edit(coco_root, images=[dict(id=0, file_name='C:\\data\\a.png')])
    message = (
        r"annotations.json: file_name 'C:\\\\data\\\\a.png' may be 2 images, such as "
        r'sub/a.png and top/a.png; give its place from the folder of images on'
    )
    with pytest.raises(RefusedError, match=message):
        COCOBoxDataset(coco_root)


def test_two_absolute_paths_to_one_image_are_refused(coco_root):
    names = ['C:\\one\\a.png', 'C:\\two\\a.png']
    edit(coco_root, images=[dict(id=k, file_name=name) for k, name in enumerate(names)])
    message = (
        r"'C:\\\\two\\\\a.png' and 'C:\\\\one\\\\a.png' would be the same image sub/a.png; give"
    )
    with pytest.raises(RefusedError, match=message):
        COCOBoxDataset(coco_root)


def test_an_absolute_path_that_is_nowhere_has_no_image(coco_root):
    names = ['C:\\data\\b.png', 'C:\\data\\gone.png']
    edit(coco_root, images=[dict(id=k, file_name=name) for k, name in enumerate(names)])
    dataset = COCOBoxDataset(coco_root)
    images = {scene.stem: scene.image for scene in dataset.scenes}
    assert (images['b'], images['data__gone']) == ('images/b.png', None)
    place = [scene.stem for scene in dataset.scenes].index('data__gone')
    assert 'gone.png is not there' in dataset.no_image(place)


@pytest.mark.parametrize(
    ('files', 'hint'),
    [
        (['Annotations/a.xml'], 'It looks like Pascal VOC'),
        (['labels/a.txt', 'data.yaml'], 'It looks like YOLO'),
        (['labelTxt/a.txt'], "It looks like DOTA's layout"),
        (['annotations/instances_train.json'], 'dataset.ann_file=annotations/instances_train.json'),
    ],
)
def test_a_folder_of_another_layout_is_told(tmp_path, files, hint):
    for name in (*files, 'images/a.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(RefusedError, match=hint):
        COCOBoxDataset(tmp_path)


def write_boxes(root, bboxes, make_image):
    images = [dict(id=1.0, file_name='a.png', width=100, height=80)]
    entries = [dict(image_id=1, category_id=1, bbox=bbox) for bbox in bboxes]
    make_image(root / 'images/a.png', size=(100, 80))
    text = json.dumps(
        dict(images=images, annotations=entries, categories=[dict(id=1.0, name='ship')])
    )
    (root / ANN).write_text(text)
    return root


def test_corners_in_bbox_are_noticed_and_taken_when_asked(tmp_path, make_image):
    corners = [[60, 50, 90, 75], [10, 10, 40, 30], [50, 5, 99, 40]]
    root = write_boxes(tmp_path, corners, make_image)
    with pytest.raises(RefusedError, match=r'options dataset\.bbox=xyxy if they are corners'):
        COCOBoxDataset(root)
    dataset = COCOBoxDataset(root, bbox='xyxy')
    assert [box.hbox.tolist() for box in dataset.labels(0).boxes] == corners
    assert COCOBoxDataset(root, bbox='xywh').written_labels(0).boxes[0].hbox[2] == 150
    with pytest.raises(RefusedError, match=r"dataset.bbox='yxyx'; allowed"):
        COCOBoxDataset(root, bbox='yxyx')


def test_boxes_of_corner_and_size_are_not_taken_for_corners(tmp_path, make_image):
    root = write_boxes(tmp_path, [[5, 5, 40, 30], [60, 50, 39, 29], [0, 0, 100, 80]], make_image)
    assert len(COCOBoxDataset(root).labels(0).boxes) == 3


def test_fractions_in_bbox_are_refused(tmp_path, make_image):
    root = write_boxes(tmp_path, [[0.5, 0.5, 0.25, 0.5], [0, 0, 1, 1]], make_image)
    with pytest.raises(RefusedError, match=r'all numbers of all bbox are within 0..1'):
        COCOBoxDataset(root)


def test_another_size_is_a_misfit(tmp_path, make_image):
    root = write_boxes(tmp_path, [[60, 50, 30, 20]], make_image)
    make_image(root / 'images/a.png', size=(50, 40))
    dataset = COCOBoxDataset(root)
    labels = dataset.labels(0)
    assert (labels.boxes, labels.problems[0].status) == ([], 'misfit')
    assert dataset.collect_classes().classes == dict(ship=1)
    dataset.rule = FitRule(size='rescale')
    assert dataset.labels(0).boxes[0].hbox.tolist() == [30, 25, 45, 35]


def test_true_masks_are_scaled_with_their_boxes(tmp_path, make_image):
    root = write_boxes(tmp_path, [[60, 50, 30, 20]], make_image)
    document = json.loads((root / ANN).read_text())
    document['annotations'][0]['segmentation'] = [[60, 50, 90, 50, 90, 70]]
    (root / ANN).write_text(json.dumps(document))
    make_image(root / 'images/a.png', size=(50, 40))
    dataset = COCOBoxDataset(root, ground_truth=True)
    dataset.rule = FitRule(size='rescale')
    assert dataset.ground_truth_of(0) == {f'{ANN}:annotations[0]': [[30, 25, 45, 25, 45, 35]]}
    document['annotations'][0]['segmentation'] = masks.encode(np.ones((80, 100), bool))
    (root / ANN).write_text(json.dumps(document))
    dataset = COCOBoxDataset(root, ground_truth=True)
    dataset.rule = FitRule(size='rescale')
    with pytest.raises(LabelReadError, match='the true masks: a mask of '):
        dataset.ground_truth_of(0)


def test_a_json_file_that_lies_elsewhere(coco_root, tmp_path):
    elsewhere = tmp_path / 'own' / 'boxes.json'
    elsewhere.parent.mkdir()
    (coco_root / ANN).rename(elsewhere)
    dataset = COCOBoxDataset(coco_root, ann_file=str(elsewhere))
    assert Scene('sub__a', 'images/sub/a.png', str(elsewhere)) in dataset.scenes
    (box, *_) = dataset.labels([s.stem for s in dataset.scenes].index('sub__a')).boxes
    assert box.box_id.startswith('boxes.json:annotations[')


def test_images_beside_a_json_file_that_lies_elsewhere(coco_root, tmp_path):
    elsewhere = tmp_path / 'boxes.json'
    (coco_root / ANN).rename(elsewhere)
    dataset = COCOBoxDataset(coco_root / 'images', ann_file=str(elsewhere))
    assert Scene('sub__a', 'sub/a.png', str(elsewhere)) in dataset.scenes


def test_files_of_other_tools_are_told(coco_root):
    (coco_root / ANN).write_text('{"version": "5.4", "shapes": [], "imagePath": "a.png"}')
    with pytest.raises(RefusedError, match='it is of LabelMe or X-AnyLabeling: a labelme config'):
        COCOBoxDataset(coco_root)
    (coco_root / ANN).write_text('[{"id": 1, "data": {}, "annotations": []}]')
    with pytest.raises(RefusedError, match='it is of Label Studio: a labelstudio config'):
        COCOBoxDataset(coco_root)


def test_classes_are_the_files_own_in_their_order(coco_root):
    listed = [dict(id=5, name='plane'), dict(id=0, name='zebra'), dict(id=2, name='ship')]
    edit(coco_root, categories=listed)
    dataset = COCOBoxDataset(coco_root)
    assert dataset.classes == ('zebra', 'ship', 'plane')
    assert dataset.category_ids == [0, 2, 5]


def test_corners_in_bbox_are_noticed_without_stated_sizes(tmp_path, make_image):
    root = write_boxes(tmp_path, [[60, 50, 90, 75], [50, 5, 99, 40]], make_image)
    edit(root, images=[dict(id=1, file_name='a.png')])
    with pytest.raises(RefusedError, match='if they are corners'):
        COCOBoxDataset(root)


@pytest.mark.parametrize('stated', [dict(width=100, height=80), {}])
def test_sizes_of_run_lengths_are_compared(tmp_path, make_image, stated):
    root = write_boxes(tmp_path, [[10, 10, 20, 20]], make_image)
    rle = dict(size=[40, 50], counts=[2000])
    entry = dict(image_id=1, category_id=1, bbox=[10, 10, 20, 20], segmentation=rle)
    edit(root, images=[dict(id=1, file_name='a.png', **stated)], annotations=[entry])
    labels = COCOBoxDataset(root).labels(0)
    if stated:
        assert labels.boxes[0].notes == (
            'its segmentation is of 50 x 40 px, its image of 100 x 80 px',
        )
    else:
        assert 'the labels are for 50 x 40 px, the picture has 100 x 80 px' in labels.misfit


@pytest.mark.parametrize(
    ('split', 'part'),
    [('valid', 'val'), ('test', 'test'), ('fold1', None), (3, None), (None, None)],
)
def test_an_image_may_say_its_part(coco_root, split, part):
    edit(coco_root, images=[dict(id=0, file_name='b.png', split=split)])
    dataset = COCOBoxDataset(coco_root, unlisted=False)
    assert [scene.split for scene in dataset.scenes if scene.stem == 'b'] == [part]


def test_of_two_image_folders_the_one_that_fits_is_taken(coco_root, make_image):
    make_image(coco_root / 'train/images/x.png')
    names = ['train/images/x.png', 'images/b.png']
    listed = [dict(id=number, file_name=name) for number, name in enumerate(names)]
    edit(coco_root, images=listed)
    dataset = COCOBoxDataset(coco_root)
    assert dataset.images == '.'
    assert [s.image for s in dataset.scenes if s.label and s.image] == sorted(names)
    edit(coco_root, images=listed[1:])
    assert COCOBoxDataset(coco_root).images == 'images'
    edit(coco_root, images=listed)
    given = COCOBoxDataset(coco_root, images='images')
    assert [scene.image for scene in given.scenes if scene.label and scene.image] == names[1:]


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('train/b.png', 'without their folders 1 would fit'),
        ('b.jpg', 'without their suffixes 1 would fit'),
        ('x/b.jpg', 'without folders and suffixes 1 would fit'),
    ],
)
def test_what_of_the_file_names_would_fit_is_told(coco_root, name, hint):
    edit(coco_root, images=[dict(id=0, file_name=name)])
    with pytest.raises(RefusedError, match=hint):
        COCOBoxDataset(coco_root)


def test_an_image_in_another_case_is_found_unless_two_may_be_it(tmp_path, make_image):
    root = write_boxes(tmp_path, [[10, 10, 30, 20]], make_image)
    (root / 'images/a.png').rename(root / 'images/A.PNG')
    (scene,) = COCOBoxDataset(root).scenes
    assert (scene.image, scene.stem) == ('images/A.PNG', 'A')
    assert len(COCOBoxDataset(root).labels(0).boxes) == 1
    make_image(root / 'images/a.PNG', size=(100, 80))
    with pytest.raises(RefusedError, match='none of its 1 image'):
        COCOBoxDataset(root)


def test_without_a_box_that_around_the_segmentation_is_taken(tmp_path, make_image):
    root = write_boxes(tmp_path, [[10, 10, 30, 20]], make_image)
    document = json.loads((root / ANN).read_text())
    entry = document['annotations'][0]
    del entry['bbox']
    entry['segmentation'] = [[10, 12, 30, 12, 20, 40], [50, 5, 60, 5, 60, 9]]
    (root / ANN).write_text(json.dumps(document))
    (box,) = COCOBoxDataset(root).labels(0).boxes
    assert (box.hbox.tolist(), box.polygon) == ([10, 5, 60, 40], None)
    for nothing in ([], None):
        entry['segmentation'] = nothing
        (root / ANN).write_text(json.dumps(document))
        (problem,) = COCOBoxDataset(root).labels(0).problems
        assert problem.message == 'no bbox, no rbox and no segmentation'
