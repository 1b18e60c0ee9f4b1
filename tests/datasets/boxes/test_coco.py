import json

import numpy as np
import pytest

from samrs_mm.core.errors import RefusedError
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
        ('/etc/a.png', 'leads out of the data root'),
        ('sub\\a.png', 'leads out of the data root'),
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
    with pytest.raises(RefusedError, match='no images found'):
        COCOBoxDataset(coco_root, unlisted=False)


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
    with pytest.raises(RefusedError, match='it is of LabelMe or X-AnyLabeling: in X-AnyLabeling'):
        COCOBoxDataset(coco_root)
    (coco_root / ANN).write_text('[{"id": 1, "data": {}, "annotations": []}]')
    with pytest.raises(RefusedError, match='it is of Label Studio: in Label Studio choose'):
        COCOBoxDataset(coco_root)
