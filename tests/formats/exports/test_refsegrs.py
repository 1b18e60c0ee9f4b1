"""The export, read by the rules of published loaders: code that shares nothing with ours."""

import csv
import json
import re

import cv2
import numpy as np
import pytest
from export_cases import CLASSES, STEMS, kept, tool, write_folder
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.exports.refsegrs import RefSegRSExport


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp('refsegrs') / 'made')
    path = folder.path('instances', STEMS[1])
    record = json.loads(path.read_bytes())
    assert [box['status'] for box in record['boxes']] == ['kept', 'kept', 'empty', 'filtered']
    record['boxes'][3].update(category_id=3, category=CLASSES[2])  # the tank stays sure
    path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope='module')
def exported(made):
    target = made.root.parent / 'out'
    (made.root / 'train.txt').write_text(f'{STEMS[0]}\n{STEMS[2]}\n')
    (made.root / 'val.txt').write_text(f'{STEMS[1]}\n')
    assert tool(made.root, '--to', 'refsegrs', '--out', target) == 0
    return target


def by_split_on_blanks(root, split):
    """As the loaders of the dataset's authors: the first word is a file, the rest is said."""
    triplets = []
    with open(f'{root}/output_phrase_{split}.txt') as file:
        for line in file.readlines():
            first, *rest = line.split(' ')
            label = cv2.imread(f'{root}/masks/{first}.tif', 2)
            picture = Image.open(f'{root}/images/{first}.tif').convert('RGB')
            triplets.append((first, ' '.join(rest).rstrip('\n'), picture, label > 50))
    return triplets


def by_expression(root, split):
    """As loaders that ask for digits, and take masks for what is above 0."""
    triplets = []
    for line in (root / f'output_phrase_{split}.txt').read_text().splitlines():
        found = re.match(r'(\d+)\s+(.*)', line.strip())
        label = np.array(Image.open(root / 'masks' / f'{found[1]}.tif')) > 0
        picture = Image.open(root / 'images' / f'{found[1]}.tif')
        triplets.append((found[1], found[2], picture, label))
    return triplets


@pytest.mark.parametrize('read', [by_split_on_blanks, by_expression])
def test_published_rules_read_what_the_records_hold(made, exported, read):
    rows = {row['id']: row for row in csv.DictReader(open(exported / 'phrases.csv'))}
    seen = []
    for split in ('train', 'val'):
        for number, phrase, picture, label in read(exported, split):
            row = rows[number]
            assert (row['phrase'], row['split']) == (phrase, split)
            with Image.open(made.path('images', row['stem'])) as image:
                assert np.array_equal(np.array(picture), np.array(image))
            boxes = {box.box_id: box for box in kept(made, row['stem'])}
            named = [masks.decode(boxes[each].mask) for each in row['boxes'].split(';')]
            assert np.array_equal(label, np.logical_or.reduce(named))
            assert int(row['pixels']) == label.sum()
            assert not phrase.strip(' abcdefghijklmnopqrstuvwxyz')
            seen.append(int(number))
    assert seen == [*range(1, len(rows) + 1)]
    assert len(seen) > 5


def test_masks_are_one_band_of_0_and_255(exported):
    for path in (exported / 'masks').iterdir():
        with Image.open(path) as image:
            assert image.mode == 'L'
            assert set(np.unique(np.array(image))) <= {0, 255}
    names = {path.name for path in (exported / 'masks').iterdir()}
    assert names == {path.name for path in (exported / 'images').iterdir()}


def test_phrases_of_images_with_unsure_boxes_are_told(made, exported):
    rows = list(csv.DictReader(open(exported / 'dropped.csv')))
    unmasked = [row['phrase'] for row in rows if row['reason'] == 'unmasked']
    assert 'plane' in unmasked  # of which the second image has an empty one
    assert 'storage tank' not in unmasked
    assert {row['stem'] for row in rows if row['reason'] == 'unmasked'} == {STEMS[1]}
    about = json.loads((exported / 'export.json').read_bytes())['subsets']['']
    assert about['lost']['unmasked'] == len(unmasked)
    assert about['lost']['same'] == sum(row['reason'] == 'same' for row in rows) > 0
    assert about['instances'] == len(list(csv.DictReader(open(exported / 'phrases.csv'))))


def test_pictures_are_links_or_copies_or_none(made, exported, tmp_path):
    links = [path for path in (exported / 'images').iterdir() if path.is_symlink()]
    assert 0 < len(links) < len(list((exported / 'images').iterdir()))
    for images in ('copy', 'none'):
        assert tool(
            made.root, '--to', 'refsegrs', '--out', tmp_path / images, '--images', images
        ) == 0  # fmt: skip
    for path in (exported / 'images').iterdir():
        copy = tmp_path / 'copy/images' / path.name
        assert not copy.is_symlink()
        assert copy.read_bytes() == path.read_bytes()
    assert not (tmp_path / 'none/images').exists()
    assert (tmp_path / 'none/phrases.csv').read_bytes() == (exported / 'phrases.csv').read_bytes()


def test_parts_that_readers_open_and_that_there_are_none_of_are_told(made, tmp_path, capsys):
    flags = '--to', 'refsegrs', '--out', tmp_path / 'a', '--split', 'none'
    assert tool(made.root, *flags) == 0
    said = capsys.readouterr().out
    assert 'val      none: no output_phrase_val.txt; give parts in the labels, or lists' in said
    assert 'train    none' not in said
    assert sorted(path.name for path in (tmp_path / 'a').glob('*.txt')) == [
        'output_phrase_train.txt'
    ]


@pytest.mark.parametrize('images', ['link', 'none'])
def test_an_image_that_cannot_be_read_is_named(made, tmp_path, capsys, images):
    folder = write_folder(tmp_path / 'made')
    folder.path('images', STEMS[0]).write_bytes(b'no image')
    flags = '--to', 'refsegrs', '--out', tmp_path / 'a', '--images', images
    assert tool(folder.root, *flags) == int(images == 'link')
    said = capsys.readouterr()
    assert ('cannot read the image' in said.err) == (images == 'link')
    rows = list(csv.DictReader(open(tmp_path / 'a/phrases.csv')))
    assert [row['id'] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ('classes', 'says'),
    [
        (('object',), "the only class is 'object': no phrase can be made"),
        (('a-b', 'A_B'), "classes 'a-b' and 'A_B' would both be called 'a b' in phrases"),
        (('ship', '--'), "class '--' has no letter"),
    ],
)
def test_classes_without_words_are_refused(classes, says):
    with pytest.raises(RefusedError, match=re.escape(says)):
        RefSegRSExport.check_classes(classes)
    RefSegRSExport.check_classes(CLASSES)
