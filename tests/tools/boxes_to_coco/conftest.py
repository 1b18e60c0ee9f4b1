"""Datasets of YOLO and Pascal VOC."""

import pytest
from converting import OBJECT, VOC, image, write


@pytest.fixture
def yolo(tmp_path):
    root = tmp_path / 'yolo'
    for name in ('images/train/a', 'images/train/b', 'images/val/a'):
        image(root / f'{name}.png')
    write(root / 'labels/train/a.txt', '1 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'labels/val/a.txt', '0 0.3 0.2 0.6 0.2 0.6 0.6 0.3 0.6\n')
    write(root / 'data.yaml', 'names:\n  0: ship\n  1: large vehicle\n')
    return root


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / 'voc'
    for name in ('one', 'two'):
        image(root / 'JPEGImages' / f'{name}.jpg')
    boxes = OBJECT.format('ship', 21, 11, 40, 30) + OBJECT.format('boat', 1, 1, 10, 9)
    write(root / 'Annotations/one.xml', VOC.format(boxes))
    return root
