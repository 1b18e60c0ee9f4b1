"""CVAT's XML for images read in place.

``tests/data/box_formats/cvat`` was written by datumaro 0.5.0 (format ``cvat``, which writes no
turned boxes, ellipses and masks: those follow docs.cvat.ai, format CVAT for images 1.1).
"""

import numpy as np
import pytest
from format_cases import SIZES, assert_boxes, boxes_of, draw, take

from samrs_mm.core import masks, segmentations
from samrs_mm.core.errors import RefusedError
from samrs_mm.registry import BOX_DATASETS

NAME = 'train.xml'


def build(root, **options):
    return BOX_DATASETS.build(dict(type='CVATBoxDataset', data_root=str(root), **options))


@pytest.fixture
def cvat(tmp_path):
    return take('cvat', tmp_path / 'data', suffix='.jpg')


def insert(root, *shapes):
    """Put shapes into the second image."""
    path = root / NAME
    text = path.read_text()
    at = text.rindex('</image>')
    path.write_text(text[:at] + '\n'.join(shapes) + '\n' + text[at:])


def test_boxes_and_class_order_of_a_file_by_datumaro(cvat):
    dataset = build(cvat)
    assert_boxes(dataset)
    assert dataset.classes == ('ship', 'harbour')
    harbour, pier = (dataset.labels(index) for index in range(2))
    assert harbour.size == SIZES['harbour one']
    assert harbour.boxes[0].flags == {'occluded': 1}
    assert harbour.boxes[0].box_id == 'train.xml:30'
    assert [each.box_id for each in pier.problems] == ['train.xml:38']
    assert pier.problems[0].message == 'a points is no box; read are box, polygon, mask, ellipse'
    assert dataset.ground_truth_of(0) == {'train.xml:32': [[30, 10, 50, 22, 40, 34]]}


def test_turned_boxes_ellipses_and_masks(cvat):
    insert(
        cvat,
        '<box label="ship" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90"/>',
        '<ellipse label="ship" cx="10" cy="20" rx="5" ry="3"/>',
        '<mask label="ship" rle="2, 3, 4, 1" left="7" top="9" width="5" height="2"/>',
    )
    dataset = build(cvat)
    turned, ellipse, mask = dataset.labels(1).boxes[-3:]
    corners = {tuple(point) for point in turned.polygon.round(6).tolist()}
    assert corners == {(25, 5), (25, 25), (15, 25), (15, 5)}
    assert 'turned by 90 degrees' in turned.notes[0]
    assert ellipse.hbox.tolist() == [5, 17, 15, 23]
    assert mask.hbox.tolist() == [9, 9, 12, 11]
    expected = np.zeros((48, 32), bool)
    expected[9, 9:12] = expected[10, 11] = True
    truth = segmentations.from_coco(dataset.ground_truth_of(1)[mask.box_id], 48, 32)
    np.testing.assert_array_equal(masks.decode(truth), expected)


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        ('<box label="ship" xtl="1" ytl="2" xbr="3"/>', '<box> lacks ybr'),
        ('<box label="ship" xtl="1" ytl="2" xbr="x" ybr="2"/>', "xbr is 'x', not a number"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="4"/>', 'label is null; allowed: a class name'),
        ('<polygon label="ship" points="1,2;3,4"/>', 'a polygon of 2 points'),
        ('<polygon label="ship" points="1,2;3;5,6"/>', "points are '1,2;3;5,6'"),
        ('<polygon label="ship" points="1,2;nan,4;5,6"/>', 'points is NaN, beyond any image'),
        (
            '<mask label="ship" rle="1,2" left="0" top="0" width="2" height="2"/>',
            'rle has 3 pixels, but width and height are 2 and 2',
        ),
        (
            '<mask label="ship" rle="0,99999999" left="0" top="0" width="9999" height="9999"/>',
            'rle has 99999999 pixels',
        ),
        (
            '<mask label="ship" rle="0,1,-1" left="0" top="0" width="1" height="1"/>',
            "rle is '0,1,-1'",
        ),
    ],
)
def test_a_bad_shape_is_a_problem_and_the_others_stay(cvat, shape, message):
    insert(cvat, shape)
    labels = build(cvat).labels(1)
    assert len(labels.boxes) == 1
    assert labels.problems[-1].message.startswith(message)
    assert labels.problems[-1].box_id.startswith('train.xml:')


def test_parts_by_subset_and_images_in_folders_of_them(tmp_path):
    images = {'Train': 'a.jpg', 'Validation': 'b.jpg'}
    lines = []
    for number, (subset, name) in enumerate(images.items()):
        draw(tmp_path / f'images/{subset}/{name}', (20, 10))
        lines.append(
            f'<image id="{number}" name="{name}" subset="{subset}" width="20" height="10">'
            '<box label="ship" xtl="1" ytl="2" xbr="9" ybr="8"/></image>'
        )
    (tmp_path / 'annotations.xml').write_text(f'<annotations>{"".join(lines)}</annotations>')
    dataset = build(tmp_path)
    assert [(scene.image, scene.split) for scene in dataset.scenes] == [
        ('images/Train/a.jpg', 'train'), ('images/Validation/b.jpg', 'val'),
    ]  # fmt: skip
    assert dataset.classes == ('ship',)
    ids = [dataset.labels(index).boxes[0].box_id for index in range(2)]
    assert ids == ['annotations.xml:1', 'annotations.xml:1.2']


def test_an_image_that_is_not_there_and_one_that_is_not_named(cvat):
    (cvat / 'images/pier.jpg').rename(cvat / 'images/other.jpg')
    dataset = build(cvat)
    scenes = {scene.stem: scene for scene in dataset.scenes}
    assert scenes['other'].label is None
    assert scenes['pier'].image is None
    assert dataset.no_image(dataset.scenes.index(scenes['pier'])) == 'pier.jpg is not there'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('<annotations><meta/><track id="0" label="a"/></annotations>', 'CVAT for video'),
        ('<annotations><image name="a.jpg">', 'malformed XML'),
        (
            '<!DOCTYPE a [<!ENTITY x "y">]><annotations><image name="&x;"/></annotations>',
            'declares an entity',
        ),
    ],
)
def test_files_that_are_refused(cvat, text, message):
    (cvat / NAME).write_text(text)
    with pytest.raises(RefusedError, match=message):
        build(cvat)


def test_a_name_that_leads_out_of_the_root_is_looked_for_inside(cvat):
    path = cvat / NAME
    path.write_text(path.read_text().replace('"pier.jpg"', '"../../../etc/pier.jpg"'))
    assert boxes_of(build(cvat)).keys() == {'harbour one', 'pier'}


def test_two_files_of_one_image(cvat):
    (cvat / 'copy.xml').write_text((cvat / NAME).read_text())
    with pytest.raises(RefusedError, match='names it too; give --cfg-options'):
        build(cvat)
    assert_boxes(build(cvat, labels=NAME))


def test_an_image_in_another_case_is_found(cvat):
    images = sorted((cvat / 'images').rglob('*.jpg'))
    expected = [scene.stem for scene in build(cvat).scenes if scene.image]
    for path in images:
        path.rename(path.with_suffix('.JPG'))
    found = [scene for scene in build(cvat).scenes if scene.label]
    assert [scene.stem for scene in found if scene.image] == expected
    assert all(scene.image.endswith('.JPG') for scene in found if scene.image)
