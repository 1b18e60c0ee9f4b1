import json
import re

import pytest
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.boxes.label_pairs import find_pairs

LINE = '0 0.5 0.5 0.2 0.2\n'


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in ('.txt', '.TXT', '.xml', '.json', '.heic', '.md'):
            path.write_text(LINE)
        else:
            kind = {'.webp': 'WEBP', '.gif': 'GIF', '.jp2': 'JPEG2000'}.get(path.suffix, 'PNG')
            Image.new('RGB', (8, 8)).save(path, kind)
    return root


@pytest.mark.parametrize(
    ('image', 'label'),
    [
        ('images/a.webp', 'labels/a.txt'),
        ('images/a.gif', 'labels/a.txt'),
        ('images/a.jp2', 'labels/a.txt'),
        ('images/a.PNG', 'labels/a.TXT'),
        ('images/a', 'labels/a.txt'),
        ('train/images/x/a.b.png', 'train/labels/x/a.b.txt'),
        ('a.tif', 'a.txt'),
        ('a.tif', 'labels/a.txt'),
        ('pictures/a.png', 'labels/a.txt'),
        ('Images/a.png', 'Labels/a.txt'),
        ('IMAGES/Train/a.png', 'labels/Train/a.txt'),
        ('Pictures/a.png', 'LABELS/a.txt'),
    ],
)
def test_who_belongs_to_whom(tmp_path, image, label):
    pairs = find_pairs(make(tmp_path, image, label), 'yolo')
    assert (pairs.labels, pairs.orphans, pairs.bare) == ({image: label}, {}, [])


NFC, NFD = 'K\u00f6ln', 'Ko\u0308ln'
"""One name as Linux and Windows write it, and as macOS does."""


@pytest.mark.parametrize(
    ('image', 'label'),
    [
        (f'images/{NFD}.png', f'labels/{NFC}.txt'),
        (f'{NFC}/images/a.png', f'{NFD}/labels/a.txt'),
        (f'pictures/{NFC}.png', f'labels/{NFD}.txt'),
    ],
)
def test_an_umlaut_may_be_one_letter_or_two(tmp_path, image, label):
    pairs = find_pairs(make(tmp_path, image, label), 'yolo')
    assert (pairs.labels, pairs.orphans) == ({image: label}, {})


def test_of_names_that_look_alike_each_has_its_own_labels(tmp_path):
    both = [(f'images/{name}.png', f'labels/{name}.txt') for name in (NFC, NFD)]
    make(tmp_path, *both[0], *both[1])
    assert find_pairs(tmp_path, 'yolo').labels == dict(both)
    (tmp_path / both[1][1]).unlink()
    assert find_pairs(tmp_path, 'yolo').labels == dict(both[:1])


@pytest.mark.parametrize(
    'names',
    [
        ('images/x.jpg', 'images/x.png', 'labels/x.txt'),
        ('x.jpg', 'x.png', 'x.txt'),
        ('images/x.png', 'images/x', 'labels/x.txt'),
        ('images/train/x.png', 'images/val/x.png', 'labels/x.txt'),
        ('images/x.png', 'JPEGImages/x.png', 'labels/x.txt'),
    ],
)
def test_two_images_never_share_a_label_file(tmp_path, names):
    make(tmp_path, *names)
    with pytest.raises(RefusedError, match=re.escape(f'have one label file, {names[2]}')):
        find_pairs(tmp_path, 'yolo')


def test_an_image_elsewhere_does_not_inherit_the_labels_of_another(tmp_path):
    make(tmp_path, 'images/x.png', 'aug/x.png', 'labels/x.txt')
    pairs = find_pairs(tmp_path, 'yolo')
    assert pairs.labels == {'images/x.png': 'labels/x.txt'}
    assert pairs.bare == ['aug/x.png']


def test_voc_folders_in_capitals_or_none(tmp_path):
    make(tmp_path, 'jpegimages/a.png', 'annotations/a.xml', 'annotations/b.xml')
    pairs = find_pairs(tmp_path, 'voc')
    assert pairs.labels == {'jpegimages/a.png': 'annotations/a.xml'}
    assert pairs.orphans == {
        'label file': ['annotations/b.xml: there is no image of this label file']
    }


def test_folders_that_differ_in_case_alone_share_nothing(tmp_path):
    make(tmp_path, 'images/a.png', 'Images/b.png', 'labels/a.txt', 'Labels/a.txt', 'labels/b.txt')
    pairs = find_pairs(tmp_path, 'yolo')
    assert pairs.labels == {'images/a.png': 'Labels/a.txt', 'Images/b.png': 'labels/b.txt'}
    (line,) = pairs.orphans['label file']
    assert line.startswith('labels/a.txt: there is no image')


def test_a_label_file_without_an_image_names_the_image_that_is_near(tmp_path):
    make(tmp_path, 'images/a.png', 'labels/a.txt', 'images/P1.png', 'labels/p1.txt',
         'images/train/c.png', 'labels/val/c.txt')  # fmt: skip
    assert find_pairs(tmp_path, 'yolo').orphans['label file'] == [
        'labels/p1.txt: there is no image of this label file; images/P1.png differs in case',
        'labels/val/c.txt: there is no image of this label file; images/train/c.png is in another '
        'folder',
    ]


def test_what_is_left_is_named(tmp_path):
    make(tmp_path, 'images/a.png', 'labels/a.txt', 'labels/gone.txt', 'images/b.heic',
         'labels/b.txt', 'images/c.heic', 'labels/classes.txt', 'README.md')  # fmt: skip
    orphans = find_pairs(tmp_path, 'yolo').orphans
    assert orphans['label file'] == [
        'labels/b.txt: there is no image of this label file; images/b.heic is of a kind that is '
        'not read, convert it to PNG or TIFF',
        'labels/gone.txt: there is no image of this label file',
    ]
    assert orphans['picture'] == [
        'images/c.heic: a picture of a kind that is not read; convert it to PNG or TIFF',
    ]


def test_labels_without_an_image_side_by_side(tmp_path):
    make(tmp_path, 'a.png', 'a.txt', 'b.txt', 'train.txt')
    (tmp_path / 'about.txt').write_text('five words that say nothing')
    orphans = find_pairs(tmp_path, 'yolo').orphans
    assert orphans == {'label file': ['b.txt: there is no image of this label file']}
    make(tmp_path, 'a.xml', 'b.xml')
    orphans = find_pairs(tmp_path, 'voc').orphans
    assert orphans == {'label file': ['b.xml: there is no image of this label file']}


OUTPUTS = {
    'meta.json': ('semantic/a.png', dict(settings={}, signature=''), 'an annotated folder'),
    'predictions.json': ('labels/a.png', dict(settings={}, classes=[]), 'predictions'),
    'export.json': ('images/a.png', dict(format='coco', signature=''), 'an export'),
    'tiles.json': ('images/a.png', dict(settings={}), 'tiles'),
    'pack.json': ('tiles/a.png', dict(format=1, classes=[]), 'a packed dataset'),
}


@pytest.mark.parametrize('record', OUTPUTS)
def test_our_own_output_is_passed_over(tmp_path, record):
    picture, content, what = OUTPUTS[record]
    make(tmp_path, 'images/a.png', 'labels/a.txt', f'out/{picture}')
    (tmp_path / 'out' / record).write_text(json.dumps(content))
    pairs = find_pairs(tmp_path, 'yolo')
    assert pairs.images == ['images/a.png']
    assert pairs.passed_over == {tmp_path / 'out': what}


def test_a_json_file_of_another_name_giver_is_no_mark(tmp_path):
    make(tmp_path, 'a/images/a.png', 'a/labels/a.txt', 'a/meta.json')
    assert len(find_pairs(tmp_path, 'yolo').images) == 1


def test_label_maps_are_no_images(tmp_path):
    make(tmp_path, 'semantic/a.png', 'semantic/a.txt')
    (tmp_path / 'meta.json').write_text('{"settings": {}, "signature": ""}')
    with pytest.raises(RefusedError, match='holds semantic of an annotated folder'):
        find_pairs(tmp_path / 'semantic', 'yolo')


def test_pictures_of_a_kind_that_is_not_read(tmp_path):
    with pytest.raises(RefusedError, match=r'a\.heic is of a kind that is not read'):
        find_pairs(make(tmp_path, 'a.heic', 'a.txt'), 'yolo')
