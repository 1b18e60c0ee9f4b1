"""Tiny folders in the real layout of each dataset, with the traps known of the real ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_image(path: Path, mode: str = 'RGB', size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {'L': (), 'RGB': (3,), 'RGBA': (4,)}[mode]
    values = np.arange(size[1] * size[0] * (channels or (1,))[0]) % 251
    Image.fromarray(values.astype(np.uint8).reshape(size[1], size[0], *channels)).save(path)


def write_text(path: Path, text: str, encoding: str = 'utf-8') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def dior_object(name: str, box: tuple, tag: str = 'bndbox', kind: str = 'sides') -> str:
    """Return an object with a box x0, y0, x1, y1 in one of DIOR's four forms."""
    x0, y0, x1, y1 = box
    sides = dict(xmin=x0, ymin=y0, xmax=x1, ymax=y1)
    corners = dict(
        x_left_top=x0, y_left_top=y0, x_right_top=x1, y_right_top=y0,
        x_right_bottom=x1, y_right_bottom=y1, x_left_bottom=x0, y_left_bottom=y1,
    )  # fmt: skip
    values = sides if kind == 'sides' else corners
    inner = ''.join(f'<{key}>{value}</{key}>' for key, value in values.items())
    return f'<object><name>{name}</name><{tag}>{inner}</{tag}></object>'


def voc(*objects: str) -> str:
    return '\n'.join(['<annotation>', *objects, '</annotation>'])


def fair1m_object(name: str, *points: tuple[float, float]) -> str:
    ring = ''.join(f'<point>{x:f},{y:f}</point>' for x, y in (*points, points[0]))
    return (
        f'<object><possibleresult><name>{name}</name></possibleresult>'
        f'<points>{ring}</points></object>'
    )


def hrsc(*angles: float, extra: str = '') -> str:
    """Return an HRSC file with a ship of 30 x 8 px at (32, 30) for each angle."""
    objects = ''.join(
        '\n<HRSC_Object><Class_ID>100000005</Class_ID><box_xmin>16</box_xmin>'
        '<box_ymin>20</box_ymin><box_xmax>48</box_xmax><box_ymax>40</box_ymax>'
        '<mbox_cx>32</mbox_cx><mbox_cy>30</mbox_cy><mbox_w>30</mbox_w><mbox_h>8</mbox_h>'
        f'<mbox_ang>{angle}</mbox_ang>{extra}</HRSC_Object>'
        for angle in angles
    )
    return f'<HRSC_Image><HRSC_Objects>{objects}\n</HRSC_Objects></HRSC_Image>'


@pytest.fixture
def make_image() -> Callable:
    return write_image


@pytest.fixture
def make_text() -> Callable:
    return write_text


@pytest.fixture
def dota_root(tmp_path: Path) -> Path:
    """Four scenes: OBB with header and CRLF, HBB without, empty labels, grey without labels."""
    root = tmp_path / 'dota'
    for stem, mode in (('P1', 'RGB'), ('P2', 'RGB'), ('P3', 'RGB'), ('P4', 'L')):
        write_image(root / f'images/{stem}.png', mode)
    obb = (
        'imagesource:GoogleEarth\r\ngsd:null\r\n'
        '10 5 30 8 28 20 8 17 ship 0\r\n'
        '40 40 66 40 66 66 40 66 small-vehicle 2\r\n'
        '200 200 220 200 220 220 200 220 ship 0\r\n'
        'nan 5 30 8 28 20 8 17 ship\r\n'
    )
    write_text(root / 'labelTxt/P1.txt', obb)
    write_text(root / 'labelTxt/P2.txt', '1.0 2.0 9.0 2.0 9.0 12.0 1.0 12.0 plane 0\nbroken line\n')
    write_text(root / 'labelTxt/P3.txt', '')
    return root


@pytest.fixture
def dior_root(tmp_path: Path) -> Path:
    """Train, val, test (one without label), and a label without image."""
    root = tmp_path / 'dior'
    for stem in ('00001', '00002'):
        write_image(root / f'JPEGImages-trainval/{stem}.jpg')
    for stem in ('11726', '11727'):
        write_image(root / f'JPEGImages-test/{stem}.jpg')
    write_text(root / 'ImageSets/Main/train.txt', '00001\r\n')
    write_text(root / 'ImageSets/Main/val.txt', '00002\n')
    box = (3, 4, 20, 30)
    horizontal = {
        '00001': [dior_object('Expressway-Service-area', box), dior_object('ship', box)],
        '00002': [dior_object('golffield', box, 'robndbox')],
        '11726': [dior_object('ship', box)],
        '90000': [dior_object('ship', box)],
    }
    oriented = {
        '00001': [dior_object('ship', box, 'robndbox', 'corners')],
        '00002': [dior_object('ship', box)],
    }
    for folder, files in (('Horizontal', horizontal), ('Oriented', oriented)):
        for stem, objects in files.items():
            write_text(root / f'Annotations/{folder} Bounding Boxes/{stem}.xml', voc(*objects))
    return root


@pytest.fixture
def fair1m_root(tmp_path: Path) -> Path:
    """Parts with either label folder; train and validation share the id 1."""
    root = tmp_path / 'fair1m'
    square = (5, 5), (25, 9), (22, 20), (2, 16)
    files = {
        'train/part1': ('labelXml', 1, [fair1m_object('Dry Cargo Ship', *square)]),
        'train/part2': ('labelXmls', 2, [fair1m_object('other-vehicle', *[(7, 7)] * 4)]),
        'validation': ('labelXmls', 1, [fair1m_object('A220', *square)]),
    }
    for part, (folder, number, objects) in files.items():
        write_image(root / f'{part}/images/{number}.tif', 'RGBA')
        objects = f'<objects>{"".join(objects)}</objects>'
        write_text(root / f'{part}/{folder}/{number}.xml', voc(objects))
    write_image(root / 'test/images/1.tif')
    return root


@pytest.fixture
def hrsc_root(tmp_path: Path) -> Path:
    """A train, two test images (one empty), a listed one that is missing, and an unlisted one."""
    root = tmp_path / 'hrsc'
    for stem in ('100000001', '100000002', '100000003', '100000009'):
        write_image(root / f'FullDataSet/AllImages/{stem}.bmp')
    labels = root / 'FullDataSet/Annotations'
    write_text(labels / '100000001.xml', hrsc(0.5))
    head = '<?xml version="1.0" encoding="GB2312"?>'
    colour = '<seg_color>\n</seg_color><note>港</note>'
    write_text(labels / '100000002.xml', head + hrsc(-1.25, 1.5, extra=colour), 'gb2312')
    write_text(labels / '100000003.xml', hrsc())
    write_text(labels / '100000009.xml', hrsc(0.0, extra='<seg_color/>'))
    write_text(root / 'ImageSets/train.txt', '100000001\n')
    write_text(root / 'ImageSets/test.txt', '100000002\r\n100000003\r\n100000004\r\n')
    return root


@pytest.fixture
def coco_root(tmp_path: Path) -> Path:
    """Images in a sub-folder and on top, one missing, one not listed; a stray annotation."""
    root = tmp_path / 'coco'
    for name in ('sub/a.png', 'b.png', 'c.png'):
        write_image(root / 'images' / name)
    names = 'sub/a.png', 'b.png', 'missing.png'
    box = dict(category_id=1, bbox=[4, 5, 10, 20])
    document = dict(
        images=[dict(id=i, file_name=name) for i, name in enumerate(names)],
        categories=[dict(id=5, name='zebra'), dict(id=1, name='ship')],
        annotations=[
            dict(box, image_id=0, rbox=[1, 2, 9, 3, 8, 12, 0, 11]),
            dict(box, image_id=0, category_id=5, segmentation=[[0, 0, 5, 0, 5, 5]]),
            dict(box, image_id=2),
            dict(box, image_id=77),
            dict(box, image_id=1, bbox=[1, 2]),
        ],
    )
    write_text(root / 'annotations.json', json.dumps(document))
    return root
