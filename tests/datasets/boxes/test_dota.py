import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.dota import DOTABoxDataset, parse_dota
from samrs_mm.registry import BOX_DATASETS

HEADER = 'imagesource:GoogleEarth\ngsd:0.25\n'
OBB = '1 2 9.5 3 8 12 0 11 large-vehicle 1\n'
HBB = '1 2 9 2 9 12 1 12 ship 0\n'


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize(
    ('header', 'first_line'),
    [(HEADER, 3), (HEADER.replace('0.25', 'null'), 3), ('imagesource:GF\ngsd:None\n', 3), ('', 1)],
)
def test_header_or_none_with_any_line_end(header, first_line, newline):
    labels = parse_dota((header + OBB + '\n' + HBB).replace('\n', newline), 'labelTxt/P1.txt')
    oriented, horizontal = labels.boxes
    assert oriented.box_id == f'labelTxt/P1.txt:{first_line}'
    assert horizontal.box_id == f'labelTxt/P1.txt:{first_line + 2}'
    assert oriented.category == 'large-vehicle'
    np.testing.assert_array_equal(oriented.polygon, [[1, 2], [9.5, 3], [8, 12], [0, 11]])
    np.testing.assert_array_equal(horizontal.polygon, [[1, 2], [9, 2], [9, 12], [1, 12]])
    assert not labels.problems


@pytest.mark.parametrize('text', ['', '\n\r\n', HEADER])
def test_file_without_boxes(text):
    assert parse_dota(text, 'a.txt').boxes == []


def test_byte_order_mark_and_nine_columns():
    labels = parse_dota('\ufeff' + OBB.replace(' 1\n', '\n'), 'a.txt')
    assert [box.box_id for box in labels.boxes] == ['a.txt:1']


@pytest.mark.parametrize(
    ('column', 'flags'), [('0', {}), ('1', {'difficult': 1}), ('2', {'difficult': 2})]
)
def test_difficult_is_kept_as_a_flag(column, flags):
    (box,) = parse_dota(f'1 2 3 4 5 6 7 8 ship {column}', 'a.txt').boxes
    assert (box.flags, box.meaning) == (flags, '')


def test_byte_order_mark_before_a_header():
    assert not parse_dota('\ufeff' + HEADER + OBB, 'a.txt').problems


def test_nan_is_kept_as_a_box():
    (box,) = parse_dota('nan 2 9 2 9 12 1 12 ship 0', 'a.txt').boxes
    assert np.isnan(box.polygon[0, 0])


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1 2 3 4 5 6 7 ship 0', "coordinate 'ship' is not a number"),
        ('1 2 3 4 ship', '5 columns'),
        ('1 2 3 4 5 6 7 8 ship 7', "'ship 7' after the coordinates"),
        ('1 2 3 4 5 6 7 8 boeing 737', 'difficult one of 0, 1, 2'),
        ('1 2 3 4 5 6 7 8 ship 0 0.93', 'join the words of a category by -'),
        ('1 2 3 4 5 6 7 8 ship 1 0', 'join the words of a category by -'),
        ('1 2 3 4_0 5 6 7 8 ship 0', "coordinate '4_0' is not a number"),
        ('1,2,3,4,5,6,7,8,ship,0', 'separated by blanks, not by commas'),
        ('1 2 3 4 5 6,5 7 8 ship 0', "coordinate '6,5' is not a number"),
        ('1 2 3 4 5 6 7 8 ship 0.93', 'difficult one of 0, 1, 2'),
    ],
)
def test_bad_line_is_a_problem_and_the_rest_is_kept(line, message):
    labels = parse_dota(f'{HBB}{line}\n{OBB}', 'a.txt')
    assert [box.box_id for box in labels.boxes] == ['a.txt:1', 'a.txt:3']
    (problem,) = labels.problems
    assert problem.box_id == 'a.txt:2'
    assert message in problem.message


@pytest.mark.parametrize(
    ('end', 'category', 'flags'),
    [
        ('oil tank', 'oil tank', {}),
        ('oil tank 0', 'oil tank', {}),
        ('oil tank 1', 'oil tank', dict(difficult=1)),
        ('ship 2', 'ship', dict(difficult=2)),
        ('ship 1.0', 'ship', dict(difficult=1)),
        ('ship', 'ship', {}),
        ('747', '747', {}),
    ],
)
def test_categories_of_several_words(end, category, flags):
    (box,) = parse_dota(f'1 1 9 1 9 5 1 5 {end}', 'a.txt').boxes
    assert (box.category, box.flags) == (category, flags)


def test_corners_row_by_row_are_put_in_order():
    around, rows = parse_dota('1 1 9 1 9 5 1 5 ship\n1 1 9 1 1 5 9 5 ship', 'a.txt').boxes
    np.testing.assert_array_equal(around.polygon, rows.polygon)
    assert not around.notes
    assert rows.notes == ('the edges crossed; the corners were put in order',)


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'utf-16-le', 'gb18030'])
def test_encodings(tmp_path, encoding):
    text = ('\ufeff' if encoding == 'utf-16-le' else '') + f'imagesource:谷歌\r\n{OBB}\r\n'
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labelTxt').mkdir()
    (tmp_path / 'images/a.png').touch()
    (tmp_path / 'labelTxt/a.txt').write_bytes(text.encode(encoding))
    labels = BOX_DATASETS.build(dict(type='DOTABoxDataset', data_root=str(tmp_path))).labels(0)
    assert len(labels.boxes) == 1
    assert not labels.problems


def test_a_guessed_encoding_is_noted(tmp_path):
    for name, line in (('a', 'ship'), ('b', 'décharge')):
        for folder in ('images', 'labelTxt'):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / f'images/{name}.png').touch()
        text = f'imagesource:é\n1 1 9 1 9 5 1 5 {line} 0\n'
        (tmp_path / f'labelTxt/{name}.txt').write_bytes(text.encode('latin-1'))
    dataset = DOTABoxDataset(tmp_path)
    assert dataset.labels(0).notes == []
    assert 'class names may be wrong' in dataset.labels(1).notes[0]


@given(st.lists(st.floats(width=64), min_size=8, max_size=8))
def test_any_float_survives(values):
    line = ' '.join(map(repr, values)) + ' ship 0'
    (box,) = parse_dota(line, 'a.txt').boxes
    np.testing.assert_array_equal(np.sort(box.polygon, axis=None), np.sort(values))


@given(st.text())
def test_any_text_gives_a_box_or_a_problem_for_every_line(text):
    labels = parse_dota(text, 'a.txt')
    lines = [line.split() for line in text.lstrip('\ufeff').splitlines()]
    meant = [f for f in lines if f and f[0].lower().split(':')[0] not in ('imagesource', 'gsd')]
    assert len(labels.boxes) + len(labels.problems) == len(meant)


REAL = Path(__file__).parents[3] / '../shared/real/dota/P0706.txt'


def test_scenes_boxes_and_problems(dota_root):
    dataset = BOX_DATASETS.build(dict(type='DOTABoxDataset', data_root=str(dota_root)))
    assert dataset.scenes[0] == Scene('P1', 'images/P1.png', 'labelTxt/P1.txt')
    assert dataset.scenes[3] == Scene('P4', 'images/P4.png', None)
    boxes = dataset.labels(0).boxes
    assert [box.box_id for box in boxes] == [f'labelTxt/P1.txt:{line}' for line in (3, 4, 5, 6)]
    assert np.isnan(boxes[3].polygon[0, 0])
    assert [problem.box_id for problem in dataset.labels(1).problems] == ['labelTxt/P2.txt:2']
    assert [len(dataset.labels(index).boxes) for index in range(4)] == [4, 1, 0, 0]
    assert dataset.classes == ('plane', 'ship', 'small-vehicle')


def test_train_and_val_folders(dota_root, make_image, make_text):
    (dota_root / 'train').mkdir()
    for folder in ('images', 'labelTxt'):
        (dota_root / folder).rename(dota_root / 'train' / folder)
    make_image(dota_root / 'val/images/P0.png')
    make_text(dota_root / 'val/labelTxt/P0.txt', '')
    scenes = DOTABoxDataset(dota_root).scenes
    assert scenes[:2] == [
        Scene('P0', 'val/images/P0.png', 'val/labelTxt/P0.txt', 'val'),
        Scene('P1', 'train/images/P1.png', 'train/labelTxt/P1.txt', 'train'),
    ]
    assert len(scenes) == 5


def test_label_without_image(dota_root, make_text):
    make_text(dota_root / 'labelTxt/P9.txt', '1 2 9 2 9 12 1 12 ship 0')
    dataset = DOTABoxDataset(dota_root)
    assert dataset.scenes[-1] == Scene('P9', None, 'labelTxt/P9.txt')
    assert len(dataset.labels(4).boxes) == 1


def test_label_folder_by_name(dota_root):
    (dota_root / 'labelTxt').rename(dota_root / 'labelTxt-v2.0')
    with pytest.raises(RefusedError, match=r'no folder .*labelTxt'):
        DOTABoxDataset(dota_root)
    assert DOTABoxDataset(dota_root, labels='labelTxt-v2.0').scenes[0].label == (
        'labelTxt-v2.0/P1.txt'
    )


@pytest.mark.skipif(not REAL.exists(), reason='the real DOTA label file is not on this machine')
def test_real_label_file(tmp_path):
    (tmp_path / 'images').symlink_to(REAL.parent.resolve())
    (tmp_path / 'labelTxt').symlink_to(REAL.parent.resolve())
    dataset = DOTABoxDataset(tmp_path)
    (index,) = (i for i, scene in enumerate(dataset.scenes) if scene.stem == 'P0706')
    labels = dataset.labels(index)
    names = [box.category for box in labels.boxes]
    assert (len(names), names.count('ship'), names.count('harbor')) == (536, 531, 5)
    assert len({box.box_id for box in labels.boxes}) == 536
    assert not labels.problems


def split_root(root, make_image, make_text, *parts, labels='labelTxt'):
    for part in parts:
        stem = part.replace('.', 'p') + '1'
        make_image(root / part / f'images/{stem}.png')
        make_text(root / part / labels / f'{stem}.txt', OBB)
    return root


def test_parts_that_are_not_taken_are_told(tmp_path, make_image, make_text):
    root = split_root(tmp_path, make_image, make_text, 'train', 'test', 'val')
    make_image(root / 'more/images/x.png')  # without labels, as DOTA's test set
    dataset = DOTABoxDataset(root)
    assert [scene.stem for scene in dataset.scenes] == ['train1', 'val1']
    (note,) = dataset.collect_classes().label_notes
    assert note.startswith('test not taken')
    assert note.endswith('dataset.splits=[train,val,test] takes it')
    assert not DOTABoxDataset(root, splits=['train', 'val', 'test']).label_notes


def test_parts_of_other_names_are_refused_with_the_option(tmp_path, make_image, make_text):
    root = split_root(tmp_path, make_image, make_text, 'trainval')
    with pytest.raises(RefusedError, match=r'but trainval; .* dataset\.splits=\[trainval\]'):
        DOTABoxDataset(root)
    assert len(DOTABoxDataset(root, splits=['trainval'])) == 1


@pytest.mark.parametrize(
    ('part', 'folder'),
    [('.', 'annfiles'), ('train', 'annfiles'), ('.', 'labelTxt-v1.5/DOTA-v1.5_train')],
)
def test_label_folders_of_other_names_are_told(tmp_path, make_image, make_text, part, folder):
    root = split_root(tmp_path, make_image, make_text, part, labels=folder)
    with pytest.raises(RefusedError, match=rf'dataset\.labels={re.escape(folder)}$'):
        DOTABoxDataset(root)
    assert DOTABoxDataset(root, labels=folder).scenes[0].image
