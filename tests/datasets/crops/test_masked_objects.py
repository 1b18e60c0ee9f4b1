import json

import numpy as np
import pytest
from object_sets import HEIGHT, WIDTH, write_coco, write_records
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.crops.masked_objects import cut_out, find_masks
from samrs_mm.formats.annotated.record import Record


def read(root, **options):
    return find_masks(str(root), 'COCOBoxDataset', options)


def test_all_masks_of_a_coco_file_are_read(tmp_path):
    found = read(write_coco(tmp_path))
    assert {stem: len(items) for stem, items in found.by_image.items()} == dict(P0=4, P1=3, P2=5)
    assert len(found) == 12
    assert (found.left_out, found.misfits, found.passed) == ([], [], {})
    (item, *_), problems = cut_out(found.by_image['P0'])
    assert problems == []
    assert item.found.kind == 'tank'
    x, y = item.corner
    height, width = item.mask.shape
    inside = item.pixels[y : y + height, x : x + width]
    assert inside[item.mask].mean() > 130
    assert (inside[~item.mask].min(axis=-1) < 80).mean() > 0.5


def test_an_annotated_folder_is_known_by_itself(tmp_path):
    found = read(write_records(tmp_path / 'set'))
    assert {stem: len(items) for stem, items in found.by_image.items()} == dict(P0=4, P1=3)


def test_of_a_folder_only_what_people_decided_on(tmp_path):
    root = write_records(tmp_path / 'set')
    path = root / 'instances/P0.json'
    record = Record.load(path)
    first, second, *_ = record.kept
    first.edited, second.edited, second.status = ['accept'], ['mask'], 'corrected'
    record.write(path)
    found = find_masks(str(root), '', {}, judged=True)
    assert [item.place for item in found.by_image['P0']] == [first.box_id, second.box_id]
    assert len(found) == 2
    assert found.passed['not judged'] == 5
    with pytest.raises(RefusedError, match='judged=True is for annotated folders, and it is none'):
        find_masks(str(write_coco(tmp_path / 'coco')), 'COCOBoxDataset', {}, judged=True)


def test_the_window_is_as_far_away_as_the_object_is_long(tmp_path):
    objects, _ = cut_out(read(write_coco(tmp_path)).by_image['P1'])
    for item in objects:
        height, width = item.mask.shape
        around = max(height, width) + 8
        left, top = item.corner
        below, right = np.subtract(item.pixels.shape[:2], (top + height, left + width))
        assert left == around or top == around or (left <= around and top <= around)
        assert min(left, around) + min(right, around) >= around
        assert min(top, around) + min(below, around) >= min(around, HEIGHT - height)


def test_windows_that_overlap_share_the_pixels_of_their_image(tmp_path):
    objects, _ = cut_out(read(write_coco(tmp_path)).by_image['P2'])
    assert sum(item.pixels[..., 0].size for item in objects) > HEIGHT * WIDTH
    owner = objects[0].pixels.base
    assert owner.size == HEIGHT * WIDTH * 3
    assert all(item.pixels.base is owner for item in objects)


def test_objects_come_in_the_order_in_which_they_are_asked_for(tmp_path):
    found = read(write_coco(tmp_path)).by_image
    asked = [found['P2'][1], found['P0'][0], found['P2'][0]]
    objects, _ = cut_out(asked)
    assert [item.found for item in objects] == asked


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
        (dict(bbox=[np.nan, 1.0, 4.0, 4.0]), 'nan'),
    ],
    ids=['size', 'empty', 'tiny', 'polygon', 'elsewhere', 'nan'],
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
        find_masks(str(root), labels, options)
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
    assert text.endswith('do labels and images belong together?')


def test_masks_of_images_of_another_size(tmp_path):
    root = write_coco(tmp_path)
    for path in (root / 'images').iterdir():
        Image.open(path).resize((WIDTH * 2, HEIGHT * 2)).save(path)
    assert 'labels of an image of another size or turn' in refused(root)


def test_few_masks_among_many_boxes_and_tiny_objects_are_no_fault(tmp_path):
    def thin_out(content):
        for each in content['annotations'][:5]:
            each['segmentation'] = []
        for each in content['annotations'][5:10]:
            x, y = each['bbox'][:2]
            each |= dict(bbox=[x, y, 3.0, 3.0], segmentation=[[x, y, x + 3, y, x + 3, y + 3]])

    found = read(write_coco(tmp_path, change=thin_out))
    assert (len(found), len(found.left_out), len(found.misfits)) == (2, 10, 0)


def test_crowds_alone(tmp_path):
    def crowd(content):
        for each in content['annotations']:
            each['iscrowd'] = 1

    assert refused(write_coco(tmp_path, change=crowd)).endswith(
        'no mask to learn from: passed over: 12 crowd'
    )


def test_filtered_masks_and_absent_images_are_counted(tmp_path):
    root = write_records(tmp_path / 'set')
    path = root / 'instances/P0.json'
    content = json.loads(path.read_text())
    content['boxes'][0]['status'] = 'filtered'
    content['boxes'][0]['reason'] = 'score'
    path.write_text(json.dumps(content))
    assert read(root).passed_over() == '1 filtered'
    root = write_coco(tmp_path / 'coco')
    (root / 'images/P1.png').unlink()
    assert read(root).passed_over() == '1 without image'


def test_boxes_of_a_layout_without_masks(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labelTxt').mkdir()
    assert 'to learn from masks give an annotated folder' in refused(tmp_path)


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


def test_an_image_that_is_damaged_behind_its_header_is_told(tmp_path):
    root = write_coco(tmp_path)
    path = root / 'images/P1.png'
    path.write_bytes(path.read_bytes()[:2000])
    found = read(root)
    objects, problems = cut_out([*found.by_image['P1'], *found.by_image['P0']])
    assert [item.found.stem for item in objects] == ['P0'] * 4
    assert len(problems) == 1
    assert 'P1.png' in problems[0]


def test_masks_where_the_image_has_no_data(tmp_path):
    def rename(content):
        content['images'][1]['file_name'] = 'P1.tif'

    root = write_coco(tmp_path, change=rename)
    (root / 'images/P1.png').unlink()
    pixels = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    Image.fromarray(pixels).save(root / 'images/P1.tif')
    found = read(root)
    objects, problems = cut_out([*found.by_image['P1'], *found.by_image['P0']])
    assert [item.found.stem for item in objects] == ['P0'] * 4
    assert len(problems) == 3
    assert problems[0].startswith('annotations.json:annotations[4]: a mask where ')
    assert problems[0].endswith('P1.tif has no data')


def test_an_image_of_another_size(tmp_path):
    root = write_coco(tmp_path)
    Image.new('RGB', (40, 30)).save(root / 'images/P1.png')
    found = read(root)
    assert {*found.by_image} == {'P0', 'P2'}
    assert found.left_out


def test_crowds_are_passed_over(tmp_path):
    root = write_coco(tmp_path, change=change_mask(iscrowd=1))
    found = read(root)
    assert len(found) == 11
    assert found.passed_over() == '1 crowd'
    assert json.loads((root / 'annotations.json').read_text())['annotations'][1]['iscrowd'] == 1
