import pickle
import re

import numpy as np
import pytest
from PIL import Image
from referring_cases import (
    CARS,
    REFSEGRS,
    ROAD,
    mask,
    rrsisd_files,
    write_refsegrs,
    write_risbench,
    write_rrsisd,
)

from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.formats.referring.reading import read_triplets
from samrs_mm.formats.referring.triplets import mask_of


def test_refsegrs(tmp_path):
    found = read_triplets(write_refsegrs(tmp_path / 'a'))
    assert (found.layout, found.single, found.problems) == ('RefSegRS', False, {})
    texts = [(t.place, t.image, t.phrase, t.split) for t in found.triplets]
    assert texts == [
        ('output_phrase_train.txt:1', 'images/4213.tif', 'car', 'train'),
        ('output_phrase_train.txt:2', 'images/7.tif', 'van driving on the road', 'train'),
        ('output_phrase_train.txt:3', 'images/12.tif', 'road', 'train'),
        ('output_phrase_val.txt:1', 'images/945.tif', 'impervious surface', 'val'),
    ]
    for triplet in found.triplets:  # of 0 and 1 as of 0 and 255
        rectangles = REFSEGRS[triplet.image[7:-4]][3]
        assert np.array_equal(mask_of(tmp_path / 'a', triplet), mask(*rectangles))
    assert len(read_triplets(tmp_path / 'a', 'val').triplets) == 1


def test_risbench(tmp_path):
    found = read_triplets(write_risbench(tmp_path / 'a'))
    assert found.layout == 'RISBench'
    texts = [(t.image, t.mask, t.phrase) for t in found.triplets]
    phrase = 'The vehicle on the upper left.'
    assert texts == [
        ('img_rgb/00002.jpg', 'mask/00002.png', phrase),
        ('img_rgb/00001.jpg', 'mask/00001.png', phrase),
    ]
    assert np.array_equal(mask_of(tmp_path / 'a', found.triplets[1]), mask(*CARS))


def test_rrsisd(tmp_path):
    found = read_triplets(write_rrsisd(tmp_path / 'a'))
    assert (found.layout, found.single, found.problems) == ('RRSIS-D', True, {})
    assert found.categories == {0: 'airplane', 1: 'ship'}
    texts = [(t.phrase, t.category, t.split, t.image[-9:]) for t in found.triplets]
    assert texts == [
        ('a ship on the left', 'ship', 'train', '00001.jpg'),
        ('two airplanes', 'airplane', 'train', '00001.jpg'),
        ('the airplanes', 'airplane', 'train', '00001.jpg'),
        ('the small ship', 'ship', 'train', '00001.jpg'),
        ('a ship at the bottom', 'ship', 'test', '00002.jpg'),
    ]
    assert found.triplets[0].target == found.triplets[3].target
    assert len({t.place for t in found.triplets}) == 5
    assert np.array_equal(mask_of(tmp_path / 'a', found.triplets[1]), mask(*CARS))
    assert np.array_equal(mask_of(tmp_path / 'a', found.triplets[4]), mask(ROAD))
    assert [t.split for t in read_triplets(tmp_path / 'a', 'test').triplets] == ['test']


def test_polygons_of_rrsisd_are_read_too(tmp_path):
    instances, refs = rrsisd_files()
    x, y, width, height = CARS[0]
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    instances['annotations'][0]['segmentation'] = [ring]
    found = read_triplets(write_rrsisd(tmp_path / 'a', instances, refs))
    assert np.array_equal(mask_of(tmp_path / 'a', found.triplets[0]), mask(CARS[0]))


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        ('4213', "'4213': no phrase; expected NAME PHRASE"),
        ('99 a car', "no file '99' in images"),
        ('../4213 a car', "no file '../4213' in images"),
    ],
)
def test_lines_that_name_nothing(tmp_path, line, problem):
    write_refsegrs(tmp_path / 'a')
    with open(tmp_path / 'a/output_phrase_train.txt', 'a') as file:
        file.write(f'{line}\n')
    found = read_triplets(tmp_path / 'a')
    assert found.problems == {'output_phrase_train.txt:5': problem}
    assert len(found.triplets) == 4


def test_a_phrase_without_its_mask(tmp_path):
    (write_refsegrs(tmp_path / 'a') / 'masks/7.tif').unlink()
    found = read_triplets(tmp_path / 'a')
    assert found.problems == {'output_phrase_train.txt:2': "no file '7' in masks"}


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (lambda i, r: r[0].update(ann_id=99), 'ann_id 99: no such annotation'),
        (lambda i, r: r[0].update(image_id=99), 'image_id 99: no such image'),
        (lambda i, r: r[0].update(image_id=2), 'ann_id 10 is of image 1, not of its'),
        (lambda i, r: r[0].update(sentences=[]), 'no sentence'),
        (lambda i, r: r.__setitem__(0, 'a ship'), "'a ship'; expected a dict"),
        (lambda i, r: i['images'][0].update(file_name='../x.jpg'), "no file '../x.jpg' in images"),
        (lambda i, r: i['images'][0].update(width=None), 'no width and height'),
        (lambda i, r: i['annotations'][0].update(categories_id=7), 'categories_id 7: no such'),
        (lambda i, r: i['annotations'][0].update(segmentation=[]), 'annotation 10 has no segm'),
    ],
)
def test_references_that_cannot_be_taken(tmp_path, change, problem):
    instances, refs = rrsisd_files()
    change(instances, refs)
    found = read_triplets(write_rrsisd(tmp_path / 'a', instances, refs))
    assert problem in found.problems['rrsisd/refs(unc).p:0']
    assert found.triplets  # the others


@pytest.mark.parametrize(
    ('segmentation', 'says'),
    [
        ([dict(size=[64, 64], counts=[5, 5])], 'do not add up'),
        ([dict(size=[8, 8], counts='x')], r'a mask of \[8, 8\] in an image of'),
        ('x', "'x' is neither a list of polygons nor run lengths"),
        ([[1, 2, 3]], 'a polygon of 3 numbers'),
    ],
)
def test_masks_that_are_none(tmp_path, segmentation, says):
    instances, refs = rrsisd_files()
    instances['annotations'][0]['segmentation'] = segmentation
    found = read_triplets(write_rrsisd(tmp_path / 'a', instances, refs))
    with pytest.raises(LabelReadError, match=says) as error:
        mask_of(tmp_path / 'a', found.triplets[0])
    assert str(error.value).startswith('rrsisd/refs(unc).p:0:0: the mask: ')


def test_a_picture_that_is_no_mask(tmp_path):
    (write_refsegrs(tmp_path / 'a') / 'masks/7.tif').write_bytes(b'')
    triplet = read_triplets(tmp_path / 'a').triplets[1]
    with pytest.raises(LabelReadError, match=r'output_phrase_train.txt:2: the mask: .*is empty'):
        mask_of(tmp_path / 'a', triplet)


class Evil:
    def __reduce__(self):
        return print, ('run',)


@pytest.mark.parametrize(
    ('data', 'says'),
    [
        (pickle.dumps([Evil()]), 'asks for'),
        (b'no pickle', 'damaged, or no pickle'),
        (pickle.dumps({'refs': []}), 'holds a dict; expected a list of dicts'),
    ],
)
def test_pickles_that_are_refused(tmp_path, capsys, data, says):
    root = write_rrsisd(tmp_path / 'a')
    (root / 'rrsisd/refs(unc).p').write_bytes(data)
    with pytest.raises(RefusedError, match=re.escape('refs(unc).p') + f'.*{says}') as error:
        read_triplets(root)
    assert '\n' not in str(error.value)
    assert capsys.readouterr().out == ''


def test_folders_that_are_none_of_them(tmp_path):
    with pytest.raises(RefusedError, match='no phrases found; expected output_phrase_'):
        read_triplets(tmp_path)
    with pytest.raises(RefusedError, match='no phrases found'):
        read_triplets(tmp_path / 'nowhere')
    root = write_rrsisd(tmp_path / 'b')
    with pytest.raises(RefusedError, match='RRSIS-D: no phrases of valid'):
        read_triplets(root, 'valid')
    (root / 'rrsisd/instances.json').write_text('{"images": []}')
    with pytest.raises(RefusedError, match=r'instances.json: annotations is None; expected a list'):
        read_triplets(root)
    (root / 'rrsisd/instances.json').unlink()
    with pytest.raises(RefusedError, match='cannot read the label file: No such file'):
        read_triplets(root)
    root = write_refsegrs(tmp_path / 'c')
    with pytest.raises(RefusedError, match=r"dataset.split='dev'; allowed: test, train, val"):
        read_triplets(root, 'dev')
    with pytest.raises(RefusedError, match='RefSegRS: no phrases of test'):
        read_triplets(root, 'test')
    (root / 'output_phrase_val.txt').write_bytes(b'945 \xff\xfe\n')
    with pytest.raises(RefusedError, match=r'output_phrase_val.txt: not text in UTF-8'):
        read_triplets(root)


def test_a_mask_with_a_palette_is_what_is_not_0(tmp_path):
    root = write_risbench(tmp_path / 'a')
    indices = Image.fromarray(mask(*CARS).astype(np.uint8) * 3).convert('P')
    indices.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 255, 0, 0])
    indices.save(root / 'mask/00001.png')
    triplet = read_triplets(root, 'train').triplets[0]
    assert np.array_equal(mask_of(root, triplet), mask(*CARS))
