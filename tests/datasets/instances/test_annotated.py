import json
from pathlib import Path

import numpy as np
import pytest
from instance_folders import write_instances
from mask_folders import CLASSES
from mmengine.config import Config
from mmseg.registry import DATASETS

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset
from samrs_mm.datasets.segmentation.full_check import Memories, check_all
from samrs_mm.datasets.segmentation.parts import parts_of
from samrs_mm.engine.data_check import check_data
from samrs_mm.formats.annotated.record import Record, RecordError

LOAD = dict(type='mmdet.LoadAnnotations', with_bbox=True)


@pytest.fixture
def root(tmp_path):
    return write_instances(tmp_path / 'masks')


def entries(root, number):
    return Record.load(root / f'instances/P000{number}.json')


def test_gives_the_masks_of_the_records_and_their_boxes(root):
    dataset = AnnotatedInstanceDataset(str(root), source='city')
    assert dataset.metainfo['classes'] == CLASSES
    assert dataset.metainfo['source'] == 'city'
    assert len(dataset) == 4, 'the fifth image has no mask'
    for number in range(4):
        info = dataset.get_data_info(number)
        record = entries(root, number)
        assert (info['height'], info['width']) == (record.image.height, record.image.width)
        assert info['seg_map_path'] is None
        found = [each for each in info['instances'] if not each['ignore_flag']]
        assert len(found) == len(record.kept) > 0
        for each, box in zip(found, record.kept, strict=True):
            assert each['mask'] == box.segmentation
            assert each['bbox_label'] == box.category_id - 1
            rows, columns = np.nonzero(masks.decode(each['mask']))
            outer = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert each['bbox'] == outer


def test_gives_the_upright_boxes_of_the_labels_within_the_image(root):
    dataset = AnnotatedInstanceDataset(str(root), boxes='hbox')
    for number in range(4):
        info, record = dataset.get_data_info(number), entries(root, number)
        for each, box in zip(info['instances'], record.kept, strict=False):
            corners = np.array(box.polygon)
            low = corners.min(0).clip(0)
            high = corners.max(0).clip(0, [record.image.width, record.image.height])
            np.testing.assert_allclose(each['bbox'], [*low, *high])


def test_gives_the_corners_of_the_labels(root):
    dataset = AnnotatedInstanceDataset(str(root), boxes='rbox')
    info, record = dataset.get_data_info(2), entries(root, 2)
    kept = [each for each in info['instances'] if not each['ignore_flag']]
    assert [each['bbox'] for each in kept] == [
        np.ravel(box.polygon).tolist() for box in record.kept
    ]


@pytest.mark.parametrize('boxes', ['mask', 'hbox', 'rbox'])
def test_ignores_where_objects_may_be_that_have_no_mask(root, boxes):
    """The crowd and the empty box of the first image, the filtered mask of the third."""
    dataset = AnnotatedInstanceDataset(str(root), boxes=boxes)
    crowd, empty = [i for i in dataset.get_data_info(0)['instances'] if i['ignore_flag']]
    assert masks.bbox(crowd['mask']) == [0, 0, 20, 20]
    assert masks.bbox(empty['mask']) == [100, 70, 20, 20]
    if boxes == 'rbox':
        assert empty['bbox'] == [100, 70, 120, 70, 120, 90, 100, 90]
    else:
        assert empty['bbox'] == [100, 70, 120, 90]
    # the second image has boxes outside of it and without area, which cover nothing
    assert not any(each['ignore_flag'] for each in dataset.get_data_info(1)['instances'])
    [filtered] = [i for i in dataset.get_data_info(2)['instances'] if i['ignore_flag']]
    assert filtered['mask'] == entries(root, 2).boxes[4].segmentation

    chosen = AnnotatedInstanceDataset(str(root), boxes=boxes, ignore=('crowd',))
    assert [sum(each['ignore_flag'] for each in chosen.get_data_info(i)['instances'])
            for i in range(4)] == [1, 0, 0, 0]  # fmt: skip


def test_folders_of_other_classes_get_the_one_list_of_a_detector(root, tmp_path):
    second = write_instances(tmp_path / 'second', classes=('tank', 'plane', 'harbour'))
    classes = ('harbour', 'plane', 'ship', 'small-vehicle', 'tank')
    found = {}
    for path in (root, second):
        dataset = AnnotatedInstanceDataset(
            str(path), metainfo=dict(classes=classes), source=path.name, semantic=True
        )
        assert dataset.metainfo['classes'] == classes
        assert len(dataset.metainfo['palette']) == 5
        info = dataset.get_data_info(1)
        kept = entries(path, 1).kept
        found[path] = info
        own = dataset.found
        assert [classes[i['bbox_label']] for i in info['instances']] == [own[b.label] for b in kept]
        assert info['label_map'] == {old: classes.index(name) for old, name in enumerate(own)}
    assert found[root]['img_id'] != found[second]['img_id']


def test_refuses_classes_that_a_detector_does_not_know(root):
    with pytest.raises(RefusedError, match=r"source x: its class 'small-vehicle' is not in meta"):
        AnnotatedInstanceDataset(str(root), source='x', metainfo=dict(classes=CLASSES[:2]))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(boxes='obb'), "boxes='obb': choose from mask, hbox, rbox"),
        (dict(ignore=('kept',)), "ignore: 'kept': choose from crowd, ignored, empty, filtered"),
        (dict(packed='packed'), "packed='packed': a store has no instances"),
        (dict(ann_file='none.txt'), 'none.txt'),
        (
            dict(pipeline=[dict(type='PackMultiTaskInputs', tasks=['instance'])]),
            'source instances: PackMultiTaskInputs packs label maps, too; .* semantic=True',
        ),
        (
            dict(pipeline=[dict(LOAD, box_type='qbox')]),
            "boxes='mask', but LoadAnnotations has box_type='qbox'; .* fits box_type='hbox'",
        ),
        (
            dict(boxes='rbox', pipeline=[LOAD]),
            "boxes='rbox', but LoadAnnotations has box_type='hbox'; .* fits box_type='qbox'",
        ),
    ],
)
def test_refuses_what_it_does_not_take(root, arguments, message):
    with pytest.raises(RefusedError, match=message):
        AnnotatedInstanceDataset(str(root), **arguments)


def test_refuses_a_folder_without_instances(root):
    (root / 'instances/P0001.json').unlink()
    with pytest.raises(RefusedError, match=r'P0001.json: no such record \(1 are missing\)'):
        AnnotatedInstanceDataset(str(root))
    (root / 'meta.json').unlink()
    with pytest.raises(RefusedError, match=r'no meta.json, so it has no instances; make it with'):
        AnnotatedInstanceDataset(str(root))


def test_refuses_a_source_of_nothing_but_crowds(root):
    (root / 'images.csv').write_text(
        'stem,file,scene,split,width,height,kept,labelled\nP0000,P0000.png,P0000,,128,96,0,0\n'
    )
    with pytest.raises(RefusedError, match='no image is left'):
        AnnotatedInstanceDataset(str(root))


def make_upright(root, images='*'):
    for path in (root / 'instances').glob(f'{images}.json'):
        record = Record.load(path)
        for box in record.kept:
            x0, y0 = box.corners.min(0).tolist()
            x1, y1 = box.corners.max(0).tolist()
            box.polygon = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
        record.write(path)


def test_labels_without_r_boxes_are_told_to_oriented_detectors(root, monkeypatch):
    monkeypatch.setattr('samrs_mm.datasets.instances.annotated.UPRIGHT', 5)
    steps = [dict(type='PackMultiTaskInputs', tasks=['instance'])]
    oriented = AnnotatedInstanceDataset(str(root), boxes='rbox', source='sior')
    assert oriented.without_rboxes() is None, 'they are turned'
    make_upright(root)
    assert oriented.without_rboxes() == (
        f"source sior: boxes='rbox', but of the 17 boxes in 4 of 4 images of {root} none is "
        'turned, as if its labels had no R-Boxes; leave the oriented detector of this source out: '
        'detectors of upright boxes (configs/instance) fit level objects as well'
    )
    about = dict(type='AnnotatedInstanceDataset', data_root=str(root), boxes='rbox', semantic=True)
    run = dict(
        default_scope='mmseg', train_dataloader=dict(dataset=about),
        model=dict(type='EncoderDecoder', decode_head=dict(type='UPerHead')),
    )  # fmt: skip
    with pytest.raises(RefusedError, match=r'17 boxes in 4 .*check_data=warn in --cfg-options'):
        check_data(Config(run), 'x.py')
    for others in (dict(boxes='hbox'), dict(boxes='rbox', pipeline=steps, semantic=True)):
        assert AnnotatedInstanceDataset(str(root), **others).without_rboxes() is None
    monkeypatch.setattr('samrs_mm.datasets.instances.annotated.UPRIGHT', 50)
    assert oriented.without_rboxes() is None, 'too few to tell'


def test_turned_boxes_are_looked_for_over_the_whole_list(root, monkeypatch):
    monkeypatch.setattr('samrs_mm.datasets.instances.annotated.UPRIGHT', 1)
    dataset = AnnotatedInstanceDataset(str(root), boxes='rbox')
    make_upright(root, 'P000[0-2]')
    assert dataset.without_rboxes() is None, 'level ones at the head of the list say nothing'
    monkeypatch.setattr('samrs_mm.datasets.instances.annotated.LOOKED_AT', 2)
    assert dataset.without_rboxes() is None, 'the last image is looked at'
    make_upright(root, 'P0003')
    assert ' in 2 of 4 images of ' in dataset.without_rboxes(), 'no more than was looked at'


def test_reads_records_when_they_are_asked_for(root):
    (root / 'instances/P0001.json').write_text('{')
    dataset = AnnotatedInstanceDataset(str(root))
    dataset.get_data_info(0)
    with pytest.raises(RecordError, match=r'P0001.json: not a JSON record'):
        dataset.get_data_info(1)


def test_the_check_before_training_reads_records_too(root):
    dataset = AnnotatedInstanceDataset(str(root), pipeline=[dict(type='LoadWindow')])
    path = root / 'instances/P0002.json'
    record = json.loads(path.read_text())
    record['image']['width'] += 1
    path.write_text(json.dumps(record))
    [part] = parts_of(dataset)
    (read, before, faults) = check_all([part], 0, Memories(), lambda items, total: items)
    assert (read, before) == (4, 0)
    [fault] = faults
    assert 'P0002' in fault
    assert 'segmentation' in fault or 'annotate it again' in fault
    record['image']['width'] -= 1
    path.write_text(json.dumps(record))
    assert check_all([part], 0, Memories(), lambda items, total: items) == (1, 3, [])
    record['boxes'] = record['boxes'][1:]
    path.write_text(json.dumps(record))
    assert check_all([part], 0, Memories(), lambda items, total: items)[0] == 1, 'it has changed'


def test_an_image_of_another_size_than_its_record_is_refused(root):
    from PIL import Image

    dataset = AnnotatedInstanceDataset(str(root), pipeline=[dict(type='LoadWindow')])
    Image.new('RGB', (64, 64)).save(root / 'P0000.png')
    with pytest.raises(LabelReadError, match=r'is of \[64, 64\] px .* its record of \[96, 128\]'):
        dataset[0]


PIPELINE = [
    dict(type='LoadWindow'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='mmdet.RandomCrop', crop_size=(64, 64), recompute_bbox=True, allow_negative_crop=True
    ),
    dict(type='RandomRotate90', prob=1.0),
    dict(type='mmdet.PackDetInputs'),
]


def test_several_sources_are_one_training_set(root, tmp_path):
    import mmdet.datasets.transforms  # noqa: F401

    import samrs_mm.datasets.segmentation.multi_source  # noqa: F401 (registers)

    second = write_instances(tmp_path / 'second', classes=('tank', 'plane', 'harbour'))
    metainfo = dict(classes=('harbour', 'plane', 'ship', 'small-vehicle', 'tank'))
    entry = dict(type='AnnotatedInstanceDataset', metainfo=metainfo, pipeline=PIPELINE)
    both = DATASETS.build(dict(
        type='MultiSourceDataset',
        datasets=[dict(entry, data_root=str(path), source=path.name) for path in (root, second)],
    ))  # fmt: skip
    assert both.source_sizes == dict(masks=4, second=4)
    assert both.metainfo['classes'] == metainfo['classes']
    drawn = [both[index, 7] for index in (1, 5, 5)]
    assert [each['data_samples'].source for each in drawn] == ['masks', 'second', 'second']
    assert drawn[1]['inputs'].equal(drawn[2]['inputs']), 'the seed decides'
    boxes = [each['data_samples'].gt_instances.bboxes.tensor for each in drawn]
    assert boxes[1].equal(boxes[2])
    assert any(not both[5, seed]['inputs'].equal(drawn[1]['inputs']) for seed in range(8))


@pytest.mark.parametrize('scope', ['mmdet', 'mmrotate', 'mmseg'])
def test_is_found_from_each_library(root, scope):
    import importlib

    from samrs_mm.compat import mmrotate_boxes

    if scope == 'mmrotate':
        mmrotate_boxes()
    registry = importlib.import_module(f'{scope}.registry').DATASETS
    entry = dict(type='mmseg.AnnotatedInstanceDataset', data_root=str(root))
    assert len(registry.build(entry)) == 4
    assert DATASETS.get('AnnotatedInstanceDataset') is AnnotatedInstanceDataset
    assert Path(registry.build(entry).file_info(0)['img_path']).name == 'P0000.png'
