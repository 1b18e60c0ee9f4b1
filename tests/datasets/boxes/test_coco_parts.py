"""All COCO files of a folder in one run.

``annotations.json`` of ``tests/data/box_formats/coco`` was written by supervision 0.31.2
(``DetectionDataset.as_coco``). COCO's own layout follows cocodataset.org/#download, Roboflow's its
COCO export: a first category that is only the supercategory of the others.
"""

import json

import numpy as np
import pytest
from format_cases import BOXES, FOLDER, SIZES, assert_boxes, boxes_of, draw

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import RefusedError
from samrs_mm.registry import BOX_DATASETS

PARTS = {'harbour one': 'train', 'pier': 'val'}


def build(root, **options):
    return BOX_DATASETS.build(dict(type='COCOPartsBoxDataset', data_root=str(root), **options))


def split_up(root, place, pictures, change=lambda part: part):
    """Write the fixture as a file for each part, at ``place`` and ``pictures`` of the part."""
    whole = json.loads((FOLDER / 'coco/annotations.json').read_text())
    for image in whole['images']:
        stem = image['file_name'].removesuffix('.png')
        part = PARTS[stem]
        mine = [each for each in whole['annotations'] if each['image_id'] == image['id']]
        document = change(whole | dict(images=[image], annotations=mine))
        path = root / place.format(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        draw(root / pictures.format(part) / image['file_name'], SIZES[stem])


def splits(dataset):
    return {scene.stem: scene.split for scene in dataset.scenes}


def of_windows(part):
    """Return a COCO file whose images are called by absolute paths of another machine."""
    (image,) = part['images']
    name = f'C:\\data\\{PARTS[image["file_name"].removesuffix(".png")]}\\{image["file_name"]}'
    return part | dict(images=[image | dict(file_name=name)])


@pytest.mark.parametrize(
    ('place', 'pictures'),
    [('{}/labels.json', '{}'), ('annotations/instances_{}.json', 'images/{}'),
     ('annotations/instances_{}.json', '{}/images')],
)  # fmt: skip
def test_absolute_paths_of_windows(tmp_path, place, pictures):
    split_up(tmp_path, place, pictures, of_windows)
    dataset = build(tmp_path)
    assert splits(dataset) == {'train__harbour one': 'train', 'val__pier': 'val'}
    assert_boxes(dataset, BOXES, stems={'harbour one': 'train__harbour one', 'pier': 'val__pier'})


def test_cocos_own_layout(tmp_path):
    split_up(tmp_path, 'annotations/instances_{}2017.json', '{}2017')
    captions = dict(images=[dict(id=1, file_name='pier.png')], annotations=[], categories=[])
    (tmp_path / 'annotations/captions_val2017.json').write_text(json.dumps(captions))
    draw(tmp_path / 'val2017/unlisted.png', (8, 8))
    draw(tmp_path / 'test2017/elsewhere.png', (8, 8))
    dataset = build(tmp_path)
    assert splits(dataset) == {
        'train2017__harbour one': 'train', 'val2017__pier': 'val', 'val2017__unlisted': 'val',
    }  # fmt: skip
    stems = {'harbour one': 'train2017__harbour one', 'pier': 'val2017__pier'}
    assert_boxes(dataset, BOXES | {'val2017__unlisted': []}, stems=stems | {
        'val2017__unlisted': 'val2017__unlisted'})  # fmt: skip
    assert dataset.classes == ('ship', 'harbour')
    assert dataset.category_ids is None
    assert dataset.label_notes[:2] == [
        '2 COCO files: annotations/instances_train2017.json, annotations/instances_val2017.json',
        'parts: train 1, val 2 (by the names of folders)',
    ]
    assert dataset.labels(1).boxes[0].box_id == 'annotations/instances_val2017.json:annotations[0]'


def test_files_of_one_folder_of_images_are_told_apart_by_their_names(tmp_path):
    split_up(tmp_path, 'annotations/instances_{}.json', 'images')
    dataset = build(tmp_path)
    assert splits(dataset) == PARTS
    assert_boxes(dataset)


def test_roboflows_layout_and_its_heading(tmp_path):
    def change(part):
        heading = dict(id=0, name='vessels', supercategory='none')
        own = [each | dict(supercategory='vessels') for each in part['categories']]
        return part | dict(categories=[heading, *own])

    split_up(tmp_path, '{}/_annotations.coco.json', '{}', change)
    dataset = build(tmp_path)
    assert splits(dataset) == {'train__harbour one': 'train', 'val__pier': 'val'}
    assert dataset.classes == ('ship', 'harbour')
    note = "category 0 'vessels' is only the supercategory of others and has no box: no class"
    assert note in dataset.label_notes


def test_true_masks_of_every_part(tmp_path):
    split_up(tmp_path, '{}/_annotations.coco.json', '{}')
    dataset = build(tmp_path, ground_truth=True)
    assert [len(dataset.ground_truth_of(index)) for index in range(2)] == [2, 1]
    (truth,) = dataset.ground_truth_of(1).values()
    mask = masks.decode(segmentations.from_coco(truth, 48, 32)).astype(bool)
    np.testing.assert_array_equal(np.argwhere(mask).min(axis=0), [5, 2])
    assert build(tmp_path).ground_truth_of(1) == {}


def test_an_image_in_two_files_and_an_id_of_two_names(tmp_path):
    split_up(tmp_path, '{}/_annotations.coco.json', '{}')
    text = (tmp_path / 'val/_annotations.coco.json').read_text()
    (tmp_path / 'val/copy.json').write_text(text)
    with pytest.raises(RefusedError, match='both list the image val/pier'):
        build(tmp_path)
    files = ['train/_annotations.coco.json', 'val/_annotations.coco.json']
    assert len(boxes_of(build(tmp_path, ann_files=files))) == 2
    (tmp_path / 'val/copy.json').unlink()
    (tmp_path / files[1]).write_text(text.replace('"ship"', '"boat"'))
    dataset = build(tmp_path)
    with pytest.raises(RefusedError, match=r"category 1 is 'ship' in .* and 'boat' in"):
        dataset.collect_classes()


def test_an_image_that_is_not_there_stands_under_its_part(tmp_path):
    split_up(tmp_path, '{}/_annotations.coco.json', '{}')
    draw(tmp_path / 'val/other.png', (8, 8))
    document = json.loads((tmp_path / 'val/_annotations.coco.json').read_text())
    document['images'].append(dict(id=9, file_name='gone.png'))
    (tmp_path / 'val/_annotations.coco.json').write_text(json.dumps(document))
    dataset = build(tmp_path)
    index = [scene.stem for scene in dataset.scenes].index('val__gone')
    assert dataset.scenes[index].image is None
    assert dataset.no_image(index) == 'val/gone.png is not there'


def test_a_folder_without_such_files(tmp_path):
    draw(tmp_path / 'a.png', (8, 8))
    with pytest.raises(RefusedError, match='no COCO file in it; expected COCO files and folders'):
        build(tmp_path)
