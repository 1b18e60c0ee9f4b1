import json

import numpy as np
import pytest
from object_sets import HEIGHT, WIDTH, write_coco, write_records
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.crops.masked_objects import read_objects


def read(root, **options):
    return read_objects(str(root), 'COCOBoxDataset', options)


def test_all_masks_of_a_coco_file_are_read(tmp_path):
    found = read(write_coco(tmp_path))
    assert {stem: len(items) for stem, items in found.by_image.items()} == dict(P0=4, P1=3, P2=5)
    assert len(found) == 12
    assert found.left_out == []
    item = found.by_image['P0'][0]
    assert item.kind == 'tank'
    assert item.pixels.shape[:2] == item.mask.shape
    assert item.pixels[item.mask].mean() > 130 > 80 > item.pixels[~item.mask].mean()


def test_an_annotated_folder_is_known_by_itself(tmp_path):
    found = read(write_records(tmp_path / 'set'))
    assert {stem: len(items) for stem, items in found.by_image.items()} == dict(P0=4, P1=3)


def test_the_window_is_as_far_away_as_the_object_is_long(tmp_path):
    for item in read(write_coco(tmp_path)).by_image['P1']:
        ys, xs = np.nonzero(item.mask)
        long = max(np.ptp(ys), np.ptp(xs)) + 9
        height, width = item.mask.shape
        assert ys.min() in (long, *range(long))
        assert height <= HEIGHT
        assert width <= WIDTH
        assert min(xs.min(), long) + min(width - xs.max() - 1, long) >= long


def change_mask(**changes):
    def change(content):
        content['annotations'][1] |= changes

    return change


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        (dict(segmentation=dict(size=[HEIGHT, 50], counts=[HEIGHT * 50])), 'a mask of [96, 50]'),
        (dict(segmentation=dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH])), 'a mask of 0 px'),
        (dict(segmentation=[[1, 1, 3, 1, 3, 3]]), 'needed: 16 or more'),
        (dict(segmentation=[[1, 1, 3]]), 'a polygon of 3 numbers'),
        (dict(bbox=[1.0, 1.0, 4.0, 4.0]), 'are not of one object'),
    ],
    ids=['size', 'empty', 'tiny', 'polygon', 'elsewhere'],
)
def test_a_mask_that_cannot_be_used_is_left_out_and_told(tmp_path, changes, text):
    found = read(write_coco(tmp_path, change=change_mask(**changes)))
    assert len(found) == 11
    (line,) = found.left_out
    assert line.startswith('annotations.json:annotations[1]: ')
    assert text in line
    assert '\n' not in line


def refused(root, labels='COCOBoxDataset', **options):
    with pytest.raises(RefusedError) as caught:
        read_objects(str(root), labels, options)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_only_empty_masks(tmp_path):
    def empty(content):
        for each in content['annotations']:
            each['segmentation'] = dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH])

    text = refused(write_coco(tmp_path, change=empty))
    assert 'no mask to learn from: annotations.json:annotations[0]: a mask of 0 px' in text
    assert 'and 11 more' in text


def test_boxes_of_another_set(tmp_path):
    def mix(content):
        boxes = [each['bbox'] for each in content['annotations']]
        for each, (x, y, w, h) in zip(content['annotations'], boxes, strict=True):
            each['bbox'] = [(x + 60) % 100, y, w, h]

    text = refused(write_coco(tmp_path, change=mix))
    assert 'are not of one object' in text


def test_no_masks_at_all(tmp_path):
    def bare(content):
        for each in content['annotations']:
            del each['segmentation']

    assert 'no mask to learn from' in refused(write_coco(tmp_path, change=bare))


def test_a_dataset_without_truth_and_a_folder_that_is_not_there(tmp_path):
    assert "labels='DOTABoxDataset': it has no true masks" in refused(tmp_path, 'DOTABoxDataset')
    assert "labels='Nothing'" in refused(tmp_path, 'Nothing')
    assert 'no such folder' in refused(tmp_path / 'nowhere')


def test_an_image_that_cannot_be_read_is_told(tmp_path):
    root = write_coco(tmp_path)
    (root / 'images/P1.png').write_bytes(b'x')
    found = read(root)
    assert {*found.by_image} == {'P0', 'P2'}
    assert 'P1.png' in found.left_out[0]


def test_an_image_of_another_size(tmp_path):
    root = write_coco(tmp_path)
    Image.new('RGB', (40, 30)).save(root / 'images/P1.png')
    found = read(root)
    assert {*found.by_image} == {'P0', 'P2'}
    assert found.left_out


def test_crowds_are_passed_over(tmp_path):
    root = write_coco(tmp_path, change=change_mask(iscrowd=1))
    assert len(read(root)) == 11
    assert json.loads((root / 'annotations.json').read_text())['annotations'][1]['iscrowd'] == 1
