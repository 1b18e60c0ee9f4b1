import os
import re
import shutil
import time

import numpy as np
import pytest
from folders import load_tool
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.boxes.coco import COCOBoxDataset

TOOL = load_tool('dataset_converters/boxes_to_coco')


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def yolo(tmp_path):
    root = tmp_path / 'yolo'
    for name in ('train/a', 'train/b', 'val/a'):
        path = root / f'images/{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    write(root / 'labels/train/a.txt', '1 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'labels/val/a.txt', '0 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'data.yaml', 'names: [ship, large vehicle]\n')
    return root


def test_changed_labels_are_refused_with_the_command(yolo):
    assert TOOL.main([str(yolo), '--from', 'yolo', '--task', 'obb']) == 0
    COCOBoxDataset(str(yolo))
    label, later = yolo / 'labels/val/a.txt', (yolo / 'annotations.json').stat().st_mtime + 9
    os.utime(label, (later, later))
    COCOBoxDataset(str(yolo))  # only touched
    write(label, '0 0.3 0.2 0.7 0.2 0.7 0.6 0.3 0.6\n')
    os.utime(label, (later, later))
    with pytest.raises(RefusedError, match=r'val/a\.txt is newer than .* --from yolo --task'):
        COCOBoxDataset(str(yolo))
    assert TOOL.main([str(yolo), '--from', 'yolo', '--overwrite']) == 0
    os.utime(label, (0, 0))
    COCOBoxDataset(str(yolo))
    label.unlink()
    with pytest.raises(RefusedError, match='added to or taken from'):
        COCOBoxDataset(str(yolo))


def test_labels_put_in_place_with_an_old_time_are_noticed(yolo):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    later = time.time_ns() + 10**9
    os.utime(yolo / 'annotations.json', ns=(later, later - 2 * 10**9))
    one, two = yolo / 'labels/train/a.txt', yolo / 'labels/val/a.txt'
    for path in one, two:
        os.utime(path, (0, 0))
    COCOBoxDataset(str(yolo))
    one.rename(yolo / 'x')
    two.rename(one)
    (yolo / 'x').rename(two)
    with pytest.raises(RefusedError, match=r'a\.txt is newer than'):
        COCOBoxDataset(str(yolo))


@pytest.mark.parametrize('names', ['names: [large vehicle, ship]', 'names: [ship, Large vehicle]'])
def test_changed_class_names_are_refused_with_the_command(yolo, names):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    write(yolo / 'data.yaml', 'path: x\nnames: [ship, large vehicle]\n')
    COCOBoxDataset(str(yolo))  # the same names
    write(yolo / 'data.yaml', names)
    message = r'data\.yaml: the class names are not those .* --from yolo --overwrite'
    with pytest.raises(RefusedError, match=message):
        COCOBoxDataset(str(yolo))
    assert TOOL.main([str(yolo), '--from', 'yolo', '--overwrite']) == 0
    COCOBoxDataset(str(yolo))


@pytest.mark.parametrize('inside', [True, False])
def test_a_names_file_that_was_given_is_looked_at_again(yolo, tmp_path, monkeypatch, inside):
    names = (yolo if inside else tmp_path) / 'my.names'
    write(names, 'a\nb\n')
    monkeypatch.chdir(names.parent)
    assert TOOL.main([str(yolo), '--from', 'yolo', '--names', 'my.names']) == 0
    monkeypatch.chdir(tmp_path)
    COCOBoxDataset(str(yolo))
    write(names, 'b\na\n')
    with pytest.raises(RefusedError, match=rf'--names {re.escape(str(names))} --overwrite'):
        COCOBoxDataset(str(yolo))


def test_labels_that_are_gone_are_told(yolo):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    (yolo / 'data.yaml').rename(yolo / 'data.txt')
    (note,) = COCOBoxDataset(str(yolo)).collect_classes().label_notes
    assert 'not compared with the 2 label files that it was made of' in note
    assert 'no class names' in note
    shutil.rmtree(yolo / 'labels')
    (note,) = COCOBoxDataset(str(yolo)).collect_classes().label_notes
    assert note.endswith('no image has a label')


def test_lists_say_the_parts_and_are_looked_at_again(yolo, capsys):
    write(yolo / 'train.txt', 'images/val/a.png\nimages/train/b.png\n')
    write(yolo / 'val.txt', 'images/val/a.png\nimages/train/a.png\n')
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    said = capsys.readouterr()
    assert 'parts    train 2, val 1 (by train.txt, val.txt)' in said.out
    assert '1 image is in the lists of two parts, such as images/val/a.png' in said.err
    found = {scene.stem: scene.split for scene in COCOBoxDataset(str(yolo)).scenes}
    assert found == dict(train__a='val', train__b='train', val__a='train')
    write(yolo / 'val.txt', 'images/train/a.png\n')
    COCOBoxDataset(str(yolo))  # the same parts
    write(yolo / 'train.txt', 'images/val/a.png\n')
    with pytest.raises(RefusedError, match='the lists of parts are not those'):
        COCOBoxDataset(str(yolo))


def test_lists_that_come_later_are_noticed(yolo):
    assert TOOL.main([str(yolo), '--from', 'yolo']) == 0
    write(yolo / 'test.txt', 'images/val/a.png\n')
    with pytest.raises(RefusedError, match='the lists of parts are not those'):
        COCOBoxDataset(str(yolo))
