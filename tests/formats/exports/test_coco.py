import json
import pickle

import numpy as np
import pytest
from export_cases import CLASSES, SIZE, STEMS, kept, tool, write_folder
from pycocotools.coco import COCO

from samrs_mm.core import masks
from samrs_mm.formats.exports.coco import COCOExport
from samrs_mm.formats.exports.outlines import outline


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp('coco') / 'made')


@pytest.fixture(scope='module', params=[(), ('--polygons',)], ids=['rle', 'polygons'])
def exported(request, folder):
    target = folder.root.parent / f'coco{len(request.param)}'
    assert tool(folder.root, '--to', 'coco', '--out', target, *request.param) == 0
    return target


def test_other_processes_convert_and_this_one_writes(tmp_path):
    export = COCOExport(tmp_path, CLASSES, polygons=True)
    other = pickle.loads(pickle.dumps(export))
    assert (other.out, other.classes, other.losses) == (export.out, export.classes, export.losses)
    export.finish()
    assert json.loads((tmp_path / 'annotations.json').read_bytes())['images'] == []


def test_pycocotools_reads_the_masks_back(folder, exported, capsys):
    coco = COCO(str(exported / 'annotations.json'))
    polygons = exported.name == 'coco1'
    images = coco.loadImgs(coco.getImgIds())
    assert [image['file_name'] for image in images] == [f'images/{stem}.png' for stem in STEMS]
    found = 0
    for image, stem in zip(images, STEMS, strict=True):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image['id']))
        boxes = kept(folder, stem)
        assert len(annotations) == len(boxes)
        for annotation, box in zip(annotations, boxes, strict=True):
            found += 1
            mask, expected = (
                coco.annToMask(annotation).astype(bool),
                masks.decode(box.segmentation),
            )
            shape = outline(box.segmentation)
            if polygons:
                assert mask.sum() - expected.sum() == shape.hole_pixels
                assert (mask | expected == mask).all()
            else:
                np.testing.assert_array_equal(mask, expected)
            assert annotation['area'] == mask.sum()
            assert annotation['iscrowd'] == 0
            assert annotation['bbox'] == box.bbox
            assert coco.cats[annotation['category_id']]['name'] == box.category
    assert found == 10
    assert sorted(coco.anns) == list(range(1, 11))


def test_what_polygons_lose_is_counted(folder, exported, capsys):
    about = json.loads((exported / 'export.json').read_bytes())
    lost = about['subsets']['']['lost']
    assert lost == (dict(holes=4, hole_pixels=102) if about['polygons'] else {})
    assert about['subsets']['']['left_out'] == dict(empty=1, filtered=1)
    assert 'background' in about['unlabelled']


def test_mmdet_reads_it(folder, exported):
    from mmdet.datasets import CocoDataset

    dataset = CocoDataset(
        data_root=str(exported),
        ann_file='annotations.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
        pipeline=[
            dict(type='mmdet.LoadImageFromFile'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
        ],
    )
    assert len(dataset) == 3
    sample = dataset[0]
    boxes = kept(folder, STEMS[0])
    assert sample['gt_bboxes_labels'].tolist() == [box.label for box in boxes]
    assert sample['img'].shape[:2] == SIZE
    found = sample['gt_masks'].to_ndarray().astype(bool)
    for mask, box in zip(found, boxes, strict=True):
        shape = outline(box.segmentation)
        assert mask.sum() == box.area + shape.hole_pixels * (exported.name == 'coco1')


def test_fiftyone_reads_it(folder, exported):
    """Its readers work without the database that the rest of it needs."""
    fouc = pytest.importorskip('fiftyone.utils.coco')
    *_, annotations = fouc.load_coco_detection_annotations(str(exported / 'annotations.json'))
    polygons, boxes = exported.name == 'coco1', kept(folder, STEMS[0])
    assert [len(annotations[number]) for number in (1, 2)] == [8, 2]
    for found, box in zip(annotations[1], boxes, strict=True):
        detection = found.to_detection(SIZE[::-1], load_segmentation=True)
        filled = outline(box.segmentation).hole_pixels * polygons
        assert detection.mask.sum() == box.area + filled
