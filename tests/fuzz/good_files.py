"""Small good folders of each kind that people bring."""

import base64
import json
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import torch
from folders import ROOT, load_tool
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.resumable import signature_of
from samrs_mm.formats import embeddings as files

WIDTH, HEIGHT = 60, 40
DOTA = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
COCO = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')


def picture(path: Path, mode: str = 'RGB', **options: object) -> None:
    """Write a small picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)


def text(path: Path, content: str) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding='utf-8')


def dota(root: Path) -> None:
    """Write a folder in DOTA's layout."""
    picture(root / 'images/a.png')
    text(
        root / 'labelTxt/a.txt',
        'imagesource:GoogleEarth\ngsd:0.146343\n2 3 20.5 3 20.5 15 2 15 ship 0\n'
        '30 5 50 12 45 30 28 22 large-vehicle 1\n1.0 1.0 1.0 9.0 9.0 9.0 9.0 1.0 plane\n',
    )


def dior(root: Path) -> None:
    """Write a folder in DIOR's layout."""
    picture(root / 'JPEGImages-trainval/00001.jpg')
    picture(root / 'JPEGImages-test/11726.jpg')
    body = (
        '<annotation>\n<filename>00001.jpg</filename>\n<size><width>60</width><height>40</height>'
        '<depth>3</depth></size>\n<object><name>ship</name><difficult>0</difficult><bndbox>'
        '<xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>\n</annotation>'
    )
    for name in ('00001', '11726'):
        text(root / f'Annotations/Horizontal Bounding Boxes/{name}.xml', body)
    text(root / 'ImageSets/Main/train.txt', '00001\n')


def fair1m(root: Path) -> None:
    """Write a folder in FAIR1M's layout."""
    picture(root / 'train/part1/images/1.tif')
    points = ''.join(
        f'<point>{x:f},{y:f}</point>' for x, y in ((1, 2), (9.5, 3), (8, 12), (0, 11), (1, 2))
    )
    text(
        root / 'train/part1/labelXml/1.xml',
        '<?xml version="1.0" encoding="utf-8"?>\n<annotation><objects>\n<object><type>rectangle'
        '</type><possibleresult><name>Dry Cargo Ship</name></possibleresult>\n<points>'
        f'{points}</points></object>\n</objects></annotation>\n',
    )


def hrsc(root: Path) -> None:
    """Write a folder in HRSC2016's layout, with a picture of true masks."""
    picture(root / 'Test/AllImages/100000001.bmp')
    picture(root / 'Test/AllImages/100000001_mask.png')
    numbers = dict(
        box_xmin=4, box_ymin=6, box_xmax=40, box_ymax=36, mbox_cx=22.5, mbox_cy=20, mbox_w=30.25,
        mbox_h=12, mbox_ang=-0.5,
    )  # fmt: skip
    body = ''.join(f'<{tag}>{value}</{tag}>' for tag, value in numbers.items())
    text(
        root / 'Test/Annotations/100000001.xml',
        '<HRSC_Image>\n<Img_SizeWidth>60</Img_SizeWidth><HRSC_Objects>\n<HRSC_Object><Class_ID>'
        f'100000013</Class_ID>{body}<seg_color>1,2,3</seg_color></HRSC_Object>\n</HRSC_Objects>'
        '</HRSC_Image>\n',
    )


def coco(root: Path) -> None:
    """Write a folder in COCO's layout: boxes, polygons, RLE, a crowd."""
    picture(root / 'images/a.png')
    picture(root / 'images/b.jpg')
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[5:20, 30:50] = True
    rle = masks.encode(pixels)
    shared = dict(image_id=1, category_id=1, iscrowd=0)
    square = [[2.0, 3, 20, 3, 20, 15, 2, 15]]
    data = dict(
        info=dict(year=2024),
        images=[
            dict(id=1, file_name='a.png', width=WIDTH, height=HEIGHT),
            dict(id=2, file_name='b.jpg', width=WIDTH, height=HEIGHT),
        ],
        annotations=[
            dict(shared, id=1, bbox=[2, 3, 18, 12], segmentation=square, area=216),
            dict(shared, id=2, bbox=[30, 5, 20, 15], segmentation=rle, area=300),
            dict(shared, id=3, image_id=2, bbox=[1, 1, 9.5, 9], rbox=[1, 1, 9, 2, 10, 9, 2, 8]),
            dict(shared, id=4, category_id=7, iscrowd=1, bbox=[0, 0, 60, 40],
                 segmentation=dict(size=[HEIGHT, WIDTH], counts=[0, 100, 2300])),
        ],
        categories=[dict(id=1, name='ship'), dict(id=7, name='storage tank')],
    )  # fmt: skip
    text(root / 'annotations.json', json.dumps(data, indent=1))


def marked(root: Path) -> None:
    """Write a COCO file whose annotations have marks and attributes, as other tools write them."""
    coco(root)
    path = root / 'annotations.json'
    content = json.loads(path.read_text())
    marks = (
        dict(iscrowd='0', difficult=1, attributes=dict(rotation=30.5, occluded=True)),
        dict(ignore='1', truncated=0.5, attributes=dict(rotation='12', truncated=False)),
        dict(iscrowd=1.0, occluded='yes'),
    )
    for entry, more in zip(content['annotations'], marks, strict=False):
        entry |= more
    text(path, json.dumps(content, indent=1))


def yolo(root: Path) -> None:
    """Write a folder in YOLO's layout."""
    picture(root / 'images/a.png')
    picture(root / 'images/b.png')
    text(root / 'labels/a.txt', '0 0.5 0.5 0.25 0.3\n1 0.1 0.2 0.15 0.25\n')
    text(root / 'labels/b.txt', '1 0.5 0.5 0.1 0.1\n')
    text(root / 'data.yaml', 'train: images\nval: images\nnc: 2\nnames: [ship, "storage tank"]\n')


def voc(root: Path) -> None:
    """Write a folder in Pascal VOC's layout."""
    dior(root)
    (root / 'JPEGImages-trainval').rename(root / 'JPEGImages')
    shutil.rmtree(root / 'JPEGImages-test')
    for path in (root / 'Annotations/Horizontal Bounding Boxes').iterdir():
        path.rename(root / 'Annotations' / path.name)


def labelme(root: Path) -> None:
    """Write a picture with shapes of every kind, as LabelMe and X-AnyLabeling have them."""
    picture(root / 'a.png')
    inside = cv2.imencode('.png', np.full((5, 6), 255, np.uint8))[1].tobytes()
    quad = [[5, 5], [25, 9], [22, 20], [2, 16]]
    shapes = [
        dict(label='ship', shape_type='rectangle', points=[[1, 2], [9, 12]]),
        dict(label='ship', shape_type='rotation', points=quad, difficult=True),
        dict(label='quay', shape_type='polygon', points=quad, group_id=1),
        dict(label='quay', shape_type='mask', points=[[30, 20], [35, 24]], group_id=1,
             mask=base64.b64encode(inside).decode()),
        dict(label='buoy', shape_type='circle', points=[[10, 30], [13, 30]]),
    ]  # fmt: skip
    head = dict(version='5.4', flags={}, shapes=shapes, imagePath='a.png', imageData=None)
    text(root / 'a.json', json.dumps(head | dict(imageHeight=HEIGHT, imageWidth=WIDTH)))


def cvat(root: Path) -> None:
    """Write a picture with shapes of every kind, as CVAT has them."""
    picture(root / 'images/a.png')
    shapes = (
        '<box label="ship" occluded="1" xtl="1" ytl="2" xbr="9" ybr="12" rotation="30"/>'
        '<polygon label="quay" points="5.0,5.0;25.0,9.0;22.0,20.0"/>'
        '<ellipse label="buoy" cx="10" cy="30" rx="3" ry="2"/>'
        '<mask label="quay" rle="2, 3, 4, 1" left="7" top="9" width="5" height="2"/>'
    )
    image = f'<image id="0" name="a.png" subset="train" width="{WIDTH}" height="{HEIGHT}">'
    names = ''.join(f'<label><name>{name}</name></label>' for name in ('ship', 'quay', 'buoy'))
    text(
        root / 'annotations.xml',
        f'<annotations><meta><task><labels>{names}</labels></task></meta>{image}{shapes}</image>'
        '</annotations>',
    )


def label_studio(root: Path) -> None:
    """Write a picture with regions, as Label Studio has them."""
    picture(root / 'a.png')
    size = dict(original_width=WIDTH, original_height=HEIGHT, image_rotation=0)
    box = dict(x=10, y=20, width=30, height=25, rotation=15, rectanglelabels=['ship'])
    ring = dict(points=[[10, 10], [50, 20], [30, 60]], polygonlabels=['quay'])
    result = [
        dict(size, id='r', type='rectanglelabels', value=box),
        dict(size, id='p', type='polygonlabels', value=ring),
    ]
    done = dict(id=1, completed_by=1, result=result, updated_at='2026-01-01')
    tasks = [dict(id=7, annotations=[done], data=dict(image='/data/upload/1/0a1b2c3d-a.png'))]
    text(root / 'export.json', json.dumps(tasks))


def listed(root: Path) -> None:
    """Write lists of a dataset's parts, and a label with marks, in YOLO's and in VOC's layout."""
    yolo(root / 'yolo')
    text(root / 'yolo/train.txt', './images/a.png\n')
    text(root / 'yolo/val.txt', 'images/b.png\nimages/c.png\n')
    voc(root / 'voc')
    text(root / 'voc/ImageSets/Main/val.txt', '00001\n00001 -1\n')
    path = root / 'voc/Annotations/00001.xml'
    marks = (
        '<truncated>1</truncated><occluded>0</occluded><attributes><attribute><name>rotation</name>'
        '<value>30.0</value></attribute></attributes></object>'
    )
    text(path, path.read_text().replace('</object>', marks))


def with_side_files(root: Path) -> None:
    """Write a picture and what belongs to it: mask, nodata and statistics, its place."""
    picture(root / 'a.png')
    picture(root / 'mask.tif', 'L')
    (root / 'mask.tif').rename(root / 'a.png.msk')
    text(
        root / 'a.png.aux.xml',
        '<PAMDataset>\n  <SRS>EPSG:32633</SRS>\n  <GeoTransform>0, 1, 0, 0, 0, -1</GeoTransform>\n'
        '  <PAMRasterBand band="1">\n    <NoDataValue>7</NoDataValue>\n    <Metadata>\n'
        '      <MDI key="STATISTICS_MAXIMUM">255</MDI>\n    </Metadata>\n  </PAMRasterBand>\n'
        '</PAMDataset>\n',
    )
    text(root / 'a.pgw', '0.5\n0\n0\n-0.5\n100\n200\n')


def boxnet(root: Path) -> None:
    """Write weights of a small BoxNet."""
    from samrs_mm.models.boxnet.network import BoxNet
    from samrs_mm.models.boxnet.weights import WeightsInfo, save_weights

    root.mkdir(parents=True, exist_ok=True)
    save_weights(root / 'a.safetensors', BoxNet((8,)), WeightsInfo(widths=(8,), side=16))


def annotated(root: Path) -> None:
    """Annotate two scenes with the boxes themselves."""
    raw = root.with_name(f'{root.name}.raw')
    dota(raw)
    picture(raw / 'images/b.png')
    folders = '--data-root', str(raw), '--out', str(root), '--workers', '0'
    changes = '--cfg-options', 'model.type=BoxFillSegmentor', 'tile=None'
    assert load_tool('sam_annotate').main([DOTA, *folders, *changes]) == 0


def packed(root: Path) -> None:
    """Pack an annotated folder, which lies beside."""
    source = root.with_name(f'{root.name}.source')
    annotated(source)
    assert load_tool('dataset_converters/pack_dataset').main([str(source), str(root)]) == 0


def some_masks(root: Path) -> None:
    """Write a segmentation."""
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[5:20, 30:50] = True
    text(root / 'mask.json', json.dumps(masks.encode(pixels)))
    text(root / 'counts.json', json.dumps(dict(size=[HEIGHT, WIDTH], counts=[0, 100, 2300])))
    text(root / 'polygons.json', '[[2, 3, 20.5, 3, 20, 15, 2, 15], [1, 1, 5, 1, 5, 5]]')


def some_pictures(root: Path) -> None:
    """Write pictures of several formats and kinds of pixels."""
    for name, mode in (('a.png', 'RGB'), ('p.png', 'P'), ('l.png', 'L'), ('a.jpg', 'RGB'),
                       ('a.bmp', 'RGB'), ('a.tif', 'RGB'), ('l.tif', 'L')):  # fmt: skip
        picture(root / name, mode)
    deep = np.random.default_rng(0).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
    Image.fromarray(deep).save(root / 'deep.tif')
    Image.fromarray(deep).save(root / 'deep.png')


def released(root: Path) -> None:
    """Write a pickle of masks as the authors released theirs."""
    mask = masks.encode(np.ones((8, 8), bool))
    h_box = dict(mask=mask, bbox=np.array([1.0, 2, 6, 7]), category='ship', label=9, size=64)
    r_box = dict(h_box, rbox=np.array([[1, 2], [6, 2], [6, 7], [1, 7]], np.float32))
    root.mkdir(parents=True, exist_ok=True)
    for protocol in (2, 4):
        (root / f'{protocol}.pkl').write_bytes(pickle.dumps([h_box, r_box], protocol))


def tiles(root: Path) -> None:
    """Write pictures and label maps of one's own."""
    for name in 'abc':
        picture(root / f'images/{name}.png')
        label = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
        (root / 'labels').mkdir(exist_ok=True)
        Image.fromarray(label).save(root / f'labels/{name}.png')
    text(root / 'train.txt', 'a\nb\n')


def weights(root: Path) -> None:
    """Write checkpoints of both formats."""
    root.mkdir(parents=True, exist_ok=True)
    state = dict(meta=dict(iter=3), state_dict={'a.weight': torch.arange(6.0).reshape(2, 3)})
    torch.save(state, root / 'zip.pth')
    torch.save(state, root / 'old.pth', _use_new_zipfile_serialization=False)
    (root / 'plain.pkl').write_bytes(pickle.dumps(dict(state_dict=dict(a=np.arange(3)))))


def embeddings(root: Path) -> None:
    """Write files of embeddings of one and of three tensors."""
    root.mkdir(parents=True, exist_ok=True)
    encoder = dict(type='SAMSegmentor', arch='vit_b', checkpoint_sha256='0' * 64, side=64)
    for name, dtype, count in (('a', 'fp16', 1), ('b', 'fp32', 3)):
        tensors = {
            f'level_{i}': np.full((1, 2, 4 << i, 4 << i), 0.5, files.DTYPES[dtype])
            for i in range(count)
        }
        info = files.EmbeddingInfo(
            format=1, encoder=encoder, encoder_signature=signature_of(encoder),
            rounding=dict(device='cpu', threads=1), image_sha256='1' * 64,
            original_size=[HEIGHT, WIDTH], input_size=[43, 64], dtype=dtype, notes=[],
            tensors_sha256=files.tensors_sha256(tensors),
        )  # fmt: skip
        files.write(root / f'{name}.safetensors', files.Embedding(info, tensors))


def options(root: Path) -> None:
    """Write the words after ``--cfg-options``, one a line, beside a dataset."""
    dota(root)
    text(
        root / 'options.txt',
        'model.type=BoxFillSegmentor\ntile.size=64\ntile.overlap=16\ndataset.classes=None\n'
        "filters.min_area=5\nprompt=hbox\noverlap_policy='small_on_top'\n",
    )


def config(root: Path) -> None:
    """Write a config of one's own beside a dataset."""
    dota(root)
    text(
        root / 'mine.py',
        f"_base_ = ['{DOTA}']\nmodel = dict(type='BoxFillSegmentor', _delete_=True)\n"
        'tile = dict(size=64, overlap=16)\nfilters = dict(min_area=5, max_leakage=0.5)\n'
        "prompt = 'hbox'\ndataset = dict(classes=('ship', 'plane', 'large-vehicle'))\n",
    )
