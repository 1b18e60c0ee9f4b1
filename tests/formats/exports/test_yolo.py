"""Checked by a reader written from the format's description, as Ultralytics is no dependency."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from export_cases import CLASSES, SIZE, STEMS, kept, tool, write_folder
from pycocotools import mask as coco_mask

from samrs_mm.core import masks
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.outlines import outline
from samrs_mm.formats.exports.yolo import YOLOExport, data_yaml, lacking
from samrs_mm.formats.labelled_image import LabelledImage


def read_label(path: Path, num_classes: int) -> list[tuple[int, np.ndarray]]:
    """Read a segmentation label as strictly as the format allows: ``class x1 y1 x2 y2 ...``."""
    text = path.read_text(encoding='ascii')
    assert text == '' or text.endswith('\n')
    objects = []
    for line in text.splitlines():
        label, *values = line.split(' ')
        assert label.isdigit()
        assert int(label) < num_classes
        assert len(values) >= 6, 'fewer than three points'
        assert len(values) % 2 == 0
        points = np.array([float(value) for value in values]).reshape(-1, 2)
        assert ((points >= 0) & (points <= 1)).all()
        objects.append((int(label), points))
    return objects


def read_dataset(file: Path) -> dict[str, dict[str, list]]:
    """Read ``data.yaml`` and the labels of each split by image, as the format says: the label of
    ``.../images/NAME.png`` is ``.../labels/NAME.txt``.
    """
    data = yaml.safe_load(file.read_text())
    assert sorted(data['names']) == list(range(len(data['names'])))
    found = {}
    for split in ('train', 'val', 'test'):
        if split in data:
            folder = file.parent / data[split]
            images = sorted(folder.iterdir())
            assert images
            labels = [
                Path(str(path.with_suffix('.txt')).replace('/images/', '/labels/'))
                for path in images
            ]
            read = [read_label(label, len(data['names'])) for label in labels]
            found[split] = dict(zip((path.stem for path in images), read, strict=True))
    return found


def rasterised(points: np.ndarray) -> np.ndarray:
    height, width = SIZE
    rles = coco_mask.frPyObjects([(points * (width, height)).ravel().tolist()], height, width)
    return coco_mask.decode(rles)[..., 0].astype(bool)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('yolo') / 'made')


def test_each_mask_is_one_polygon_that_gives_it_back(folder, capsys):
    target = folder.root.parent / 'all'
    flags = '--to', 'yolo-seg', '--polygons', 'edges', '--out', target
    assert tool(folder.root, *flags) == 0
    (split,) = read_dataset(target / 'data.yaml').values()
    assert list(split) == list(STEMS)
    assert (target / 'classes.txt').read_text().split('\n')[:3] == list(CLASSES)
    for stem, objects in split.items():
        boxes = kept(folder, stem)
        assert len(objects) == len(boxes)
        for (label, points), box in zip(objects, boxes, strict=True):
            assert label == box.label
            mask, expected = rasterised(points), masks.decode(box.segmentation)
            assert (mask | expected == mask).all()
            assert mask.sum() - expected.sum() == outline(box.segmentation).hole_pixels
    printed = capsys.readouterr().out
    assert 'lost     4 holes filled' in printed
    assert 'lost     102 pixels of holes filled' in printed
    assert 'lost     2 masks of several parts' in printed
    assert '255      is background to the trainer' in printed
    lost = json.loads((target / 'export.json').read_bytes())['subsets']['']['lost']
    assert lost == dict(holes=4, hole_pixels=102, joined=2, alike=0, unread=0, flags=0)


def test_lists_become_splits(folder):
    (folder.root / 'train.txt').write_text(f'{STEMS[0]}\n{STEMS[2]}\n')
    (folder.root / 'val.txt').write_text(f'{STEMS[1]}\n')
    target = folder.root.parent / 'split'
    flags = '--list', 'train.txt', 'val.txt', '--images', 'copy'
    assert tool(folder.root, '--to', 'yolo-seg', '--out', target, *flags) == 0
    splits = read_dataset(target / 'data.yaml')
    assert {name: list(split) for name, split in splits.items()} == dict(
        train=[STEMS[0], STEMS[2]], val=[STEMS[1]]
    )
    assert splits['train'][STEMS[2]] == [], 'an empty file marks a background image'


def test_inner_polygons_are_exact_to_ultralytics_and_supervision(folder, capsys):
    target = folder.root.parent / 'inner'
    assert tool(folder.root, '--to', 'yolo-seg', '--out', target, '--split', 'none') == 0
    (split,) = read_dataset(target / 'data.yaml').values()
    ious = []
    for stem, objects in split.items():
        for (_, points), box in zip(objects, kept(folder, stem), strict=True):
            mask = np.zeros(SIZE, np.uint8)
            cv2.fillPoly(mask, [(points * SIZE[::-1]).astype(np.int32)], 1)
            expected = masks.decode(box.segmentation)
            ious.append((mask & expected).sum() / (mask | expected).sum())
            if not box.box_id.startswith(('ring', 'parts')):  # holes, and lines between parts
                np.testing.assert_array_equal(mask.astype(bool), expected)
    printed = capsys.readouterr().out
    assert f'{np.mean(ious):.3f} by cv2.fillPoly' in printed
    assert 'val      none: Ultralytics refuses a data.yaml without val' in printed


def test_parts_of_the_labels_and_lists_become_splits(tmp_path, capsys):
    root = write_folder(tmp_path / 'made').root
    text = (root / 'images.csv').read_text().splitlines()
    rows = [line.split(',') for line in text]
    for row, part in zip(rows[1:], ('val', '', 'train'), strict=True):
        row[3] = part
    (root / 'images.csv').write_text(''.join(f'{",".join(row)}\n' for row in rows))
    assert tool(root, '--to', 'yolo-seg', '--out', tmp_path / 'a') == 0
    splits = read_dataset(tmp_path / 'a' / 'data.yaml')
    assert {name: list(split) for name, split in splits.items()} == dict(
        train=[STEMS[1], STEMS[2]], val=[STEMS[0]]
    )
    printed = capsys.readouterr().out
    assert 'parts    1 image of no part of the labels goes to train' in printed
    assert 'without val' not in printed
    (root / 'images.csv').write_text('\n'.join(text) + '\n')
    (root / 'train.txt').write_text(f'{STEMS[0]}\n')
    (root / 'val.txt').write_text(f'{STEMS[1]}\n')
    assert tool(root, '--to', 'yolo-seg', '--out', tmp_path / 'b') == 0
    assert list(read_dataset(tmp_path / 'b' / 'data.yaml')) == ['train', 'val']
    assert 'train.txt and val.txt of' in capsys.readouterr().out
    assert tool(root, '--to', 'yolo-seg', '--out', tmp_path / 'c', '--split', 'none') == 0
    assert list(read_dataset(tmp_path / 'c' / 'data.yaml')) == ['train']


@pytest.mark.parametrize(
    ('subsets', 'names'),
    [
        (['train', 'val', 'test'], []),
        (['train', 'test'], ['val']),
        (['val'], ['train']),
        (['trainval', 'test'], ['train', 'val']),
        ([''], ['val']),
    ],
)
def test_what_ultralytics_refuses_a_file_without_is_told(subsets, names):
    found = lacking(subsets)
    assert list(found) == names
    comments = [line for line in data_yaml(subsets, ['a']).splitlines() if line.startswith('#')]
    assert comments == [f'# {text}' for text in found.values()]
    for text in comments:
        assert text.endswith('export with --list train.txt val.txt')


@pytest.mark.parametrize(('suffix', 'unread'), [('.gif', 1), ('.ppm', 1), ('.TIF', 0), ('', 1)])
def test_images_that_ultralytics_passes_over_are_counted(tmp_path, suffix, unread):
    folder = write_folder(tmp_path / 'made')
    record = Record.load(folder.path('instances', STEMS[0]))
    export = YOLOExport(tmp_path, CLASSES)
    _, counts = export.convert(LabelledImage(STEMS[0], '', '', ''), record, f'images/a{suffix}')
    assert counts['unread'] == unread


def test_without_images_it_is_told_where_they_belong(tmp_path, capsys):
    root = write_folder(tmp_path / 'made').root
    assert tool(root, '--to', 'yolo-seg', '--out', tmp_path / 'a', '--images', 'none') == 0
    assert 'images   none: put them into images, called like' in capsys.readouterr().out


def test_twins_to_ultralytics_are_counted(tmp_path, capsys):
    """It keeps one of the objects of an image that have one class and one bounding box."""
    folder = write_folder(tmp_path / 'made')
    path = folder.path('instances', STEMS[0])
    record = json.loads(path.read_text())
    boxes = [box for box in record['boxes'] if box['status'] == 'kept']
    twin = dict(boxes[0], id=len(record['boxes']) + 1, box_id='twin')
    record['boxes'].append(twin)
    path.write_text(json.dumps(record))
    assert tool(folder.root, '--to', 'yolo-seg', '--out', tmp_path / 'out') == 0
    assert 'lost     1 masks with class and bounding box of another:' in capsys.readouterr().out
