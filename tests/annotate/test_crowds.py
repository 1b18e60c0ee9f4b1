"""Crowds and ignored regions from the labels to annotations.json, ledger, tiles and checks."""

import csv
import json

import numpy as np
import pytest
from folders import load_tool
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.drawing.colours import STATUS_COLOURS
from samrs_mm.drawing.overlays import is_lost
from samrs_mm.formats.annotated.record import Record

CONFIG = 'coco_grabcut_hbox.py'
CAR = dict(image_id=1, category_id=1)
REGION = np.zeros((100, 100), bool)
REGION[30:90, 30:60] = True


@pytest.fixture
def data(tmp_path):
    """An image with two cars, a crowd by RLE, one by polygon, one to be ignored."""
    root = tmp_path / 'data'
    (root / 'images').mkdir(parents=True)
    pixels = np.full((100, 100, 3), 60, np.uint8)
    pixels[10:20, 10:20] = pixels[40:46, 40:46] = 220, 70, 60
    Image.fromarray(pixels).save(root / 'images/a.png')
    annotations = [
        dict(CAR, bbox=[10, 10, 10, 10], truncated=1, difficult=0),
        dict(CAR, iscrowd=1, segmentation=masks.encode(REGION)),
        dict(CAR, bbox=[40, 40, 6, 6]),
        dict(CAR, bbox=[60, 60, 30, 30], iscrowd=1, segmentation=[[60, 60, 90, 60, 60, 90]]),
        dict(CAR, bbox=[70, 2, 20, 20], ignore=1),
    ]
    image = dict(id=1, file_name='a.png', width=100, height=100)
    categories = [dict(id=1, name='car')]
    text = json.dumps(dict(images=[image], annotations=annotations, categories=categories))
    (root / 'annotations.json').write_text(text)
    return root


def annotate(root, out, *words, config=f'configs/annotate/{CONFIG}'):
    options = ['--cfg-options', 'model.type=BoxFillSegmentor']
    argv = [config, '--data-root', str(root), '--out', str(out), '--workers', '0', *words]
    if '--cfg-options' in words:
        options = options[1:]
    return load_tool('sam_annotate').main([*argv, *options])


def rows(out):
    with open(out / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


def test_regions_have_a_status_of_their_own_and_no_pixel(data, tmp_path, capsys):
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    found = json.loads((out / 'annotations.json').read_text())['annotations']
    assert [(a['iscrowd'], a.get('ignore')) for a in found] == [
        (0, None), (1, None), (0, None), (1, None), (1, 1)
    ]  # fmt: skip
    assert [a['area'] for a in found[:2]] == [100, 1800]
    assert found[1]['segmentation'] == masks.encode(REGION)
    assert masks.decode(found[3]['segmentation'])[60:90, 60:90].sum() == pytest.approx(450, abs=31)
    assert found[0]['truncated'] == 1
    assert 'difficult' not in found[0]
    labels = np.asarray(Image.open(out / 'semantic/a.png'))
    expected = np.full((100, 100), 255)
    expected[10:20, 10:20] = expected[40:46, 40:46] = 0  # the car in the crowd keeps its pixels
    np.testing.assert_array_equal(labels, expected)
    assert [row['status'] for row in rows(out)] == ['kept', 'crowd', 'kept', 'crowd', 'ignored']
    assert [row['flags'] for row in rows(out)] == ['truncated=1', '', '', '', '']
    assert 'not prompted' in rows(out)[1]['reason']
    assert annotate(data, out, '--verify') == 0
    assert 'sound' in capsys.readouterr().out


def test_verify_compares_the_region_with_the_labels(data, tmp_path, capsys):
    out = tmp_path / 'out'
    annotate(data, out)
    path = out / 'instances/a.json'
    record = json.loads(path.read_text())
    record['boxes'][1]['segmentation'] = masks.encode(~REGION)
    path.write_text(json.dumps(record))
    assert annotate(data, out, '--verify') == 1
    assert 'annotations[1]: segmentation' in capsys.readouterr().err


def test_filters_leave_regions_alone(data, tmp_path):
    out = tmp_path / 'out'
    annotate(data, out)
    assert annotate(data, out, '--refilter', '--cfg-options', 'filters.min_area=50') == 0
    statuses = [row['status'] for row in rows(out)]
    assert statuses == ['kept', 'crowd', 'filtered', 'crowd', 'ignored']


def test_a_region_is_in_every_tile_that_it_reaches_into(data, tmp_path):
    out = tmp_path / 'out'
    options = 'tile.size=50', 'tile.overlap=0'
    assert annotate(data, out, '--cfg-options', 'tile.iof=0.7', *options) == 0
    crowd = [row for row in rows(out) if row['box_id'].endswith('[1]')]
    assert [row['tile'] for row in crowd] == [
        'a__50__0___0', 'a__50__50___0', 'a__50__0___50', 'a__50__50___50'
    ]  # fmt: skip
    record = json.loads((out / 'instances/a__50__50___50.json').read_text())
    (part,) = [box for box in record['boxes'] if box['box_id'].endswith('[1]')]
    np.testing.assert_array_equal(masks.decode(part['segmentation']), REGION[50:, 50:])


def test_a_dry_run_counts_them(data, tmp_path, capsys):
    assert annotate(data, tmp_path / 'out', '--dry-run') == 0
    text = capsys.readouterr().out
    assert '5 in the labels, 2 prompts' in text
    assert 'crowd      2 would be skipped' in text


def test_a_file_of_crowds_alone_is_told(data, tmp_path, capsys):
    path = data / 'annotations.json'
    text = json.loads(path.read_text())
    for entry in text['annotations']:
        entry['iscrowd'] = 1
    path.write_text(json.dumps(text))
    annotate(data, tmp_path / 'out')
    assert '5 of 5 boxes are crowds or to be ignored and not prompted' in capsys.readouterr().out


def test_a_region_of_another_size_is_a_misfit_or_noted(data, tmp_path):
    path = data / 'annotations.json'
    text = json.loads(path.read_text())
    text['images'] = [dict(id=1, file_name='a.png')]
    text['annotations'][1] |= dict(
        segmentation=masks.encode(REGION[:50, :50]), bbox=[30, 30, 30, 60]
    )
    path.write_text(json.dumps(text))
    assert annotate(data, tmp_path / 'checked') == 1
    assert {row['status'] for row in rows(tmp_path / 'checked')} == {'misfit'}
    out = tmp_path / 'out'
    assert annotate(data, out, '--label-size', 'ignore') == 0
    assert 'its region is of [50, 50]' in rows(out)[1]['notes']
    crowd = json.loads((out / 'annotations.json').read_text())['annotations'][1]
    assert crowd['area'] == 1800


def export(out, target, *words):
    main = load_tool('dataset_converters/export_dataset').main
    return main([str(out), '--out', str(target), '--workers', '0', *words])


def test_exports_keep_crowds_or_say_that_they_are_lost(data, tmp_path, capsys):
    out = tmp_path / 'out'
    annotate(data, out)
    own = json.loads((out / 'annotations.json').read_text())['annotations']
    for words in ((), ('--polygons',), ('--polygons', 'inner')):
        target = tmp_path / '_'.join(['coco', *words])
        assert export(out, target, '--to', 'coco', *words) == 0
        found = json.loads((target / 'annotations.json').read_text())['annotations']
        assert [a['iscrowd'] for a in found] == [0, 1, 0, 1, 1]
        assert [a for a in found if a['iscrowd']] == [a for a in own if a['iscrowd']]
        assert found[0]['truncated'] == 1
        assert 'crowd    3 regions that are no objects, iscrowd 1' in capsys.readouterr().out
    for name in ('yolo-seg', 'dota', 'samrs'):
        assert export(out, tmp_path / name, '--to', name) == 0
        printed = capsys.readouterr().out
        assert f'left out 2 crowd, 1 ignored: regions that are no objects; {name} has no' in printed
        assert 'lost     1 objects with flags' in printed


def test_an_export_is_annotated_again_with_the_same_crowds(data, tmp_path):
    out = tmp_path / 'out'
    annotate(data, out)
    export(out, tmp_path / 'coco', '--to', 'coco', '--images', 'copy')
    assert annotate(tmp_path / 'coco', tmp_path / 'again') == 0
    assert [row['status'] for row in rows(tmp_path / 'again')] == [
        'kept', 'crowd', 'kept', 'crowd', 'ignored'
    ]  # fmt: skip


def test_ids_of_categories_come_back_from_an_export(data, tmp_path, capsys):
    path = data / 'annotations.json'
    text = json.loads(path.read_text())
    text['categories'] = [dict(id=9, name='ship'), dict(id=0, name='bus'), dict(id=4, name='car')]
    for entry in text['annotations']:
        entry['category_id'] = 4
    path.write_text(json.dumps(text))
    out = tmp_path / 'out'
    annotate(data, out)
    assert 'category ids 0, 4, 9 of the labels are numbered anew' in capsys.readouterr().out
    meta = json.loads((out / 'meta.json').read_text())
    assert (meta['classes'], meta['category_ids']) == (['bus', 'car', 'ship'], [0, 4, 9])
    assert np.asarray(Image.open(out / 'semantic/a.png'))[12, 12] == 1
    assert annotate(data, out, '--verify') == 0
    export(out, tmp_path / 'coco', '--to', 'coco')
    found = json.loads((tmp_path / 'coco/annotations.json').read_text())
    assert found['categories'] == [
        dict(id=0, name='bus'), dict(id=4, name='car'), dict(id=9, name='ship')
    ]  # fmt: skip
    assert {entry['category_id'] for entry in found['annotations']} == {4}


def test_statistics_and_pictures_tell_them_from_objects(data, tmp_path, capsys):
    out = tmp_path / 'out'
    annotate(data, out)
    stats = load_tool('analysis_tools/dataset_stats').main
    assert stats([str(out), '--out', str(tmp_path / 'stats')]) == 0
    (file,) = (tmp_path / 'stats').rglob('*.json')
    assert '"crowd":2' in file.read_text().replace(' ', '')
    record = Record.load(out / 'instances/a.json')
    assert [is_lost(box) for box in record.boxes] == [False, True, False, True, True]
    assert len({STATUS_COLOURS[box.status] for box in record.boxes}) == 3


def test_an_ablation_does_not_ask_for_them_and_leaves_what_they_cover_out_of_ap(data, tmp_path):
    path = data / 'annotations.json'
    text = json.loads(path.read_text())
    first, crowd, second, *_ = text['annotations']
    first['bbox'], second['bbox'] = second['bbox'], first['bbox']
    # the mask of the first box, which lies in the crowd, is a false one
    first['segmentation'] = [[0, 0, 2, 0, 4, 0, 4, 4, 0, 4]]
    second['segmentation'] = [[10, 10, 15, 10, 20, 10, 20, 20, 10, 20]]
    rows = {}
    for name, entries in (('crowd', [first, second, crowd]), ('none', [first, second])):
        path.write_text(json.dumps(dict(text, annotations=entries)))
        out, fill = tmp_path / name, ('--cfg-options', 'model.type=BoxFillSegmentor')
        argv = [f'configs/annotate/{CONFIG}', '--data-root', str(data), '--out', str(out)]
        assert load_tool('prompt_ablation').main([*argv, '--workers', '0', *fill]) == 0
        table = json.loads((out / 'ablation.json').read_text())
        (segmentor,) = table['segmentors']
        rows[name] = next(row for row in segmentor['rows'] if row['setting'] == 'hbox')
        assert table['instances'] == rows[name]['n'] == 2
        truth = json.loads((out / 'coco/ground_truth.json').read_text())
        assert 'info' in truth
        assert [entry['iscrowd'] for entry in truth['annotations']] == [0, 0, 1][: len(entries)]
    assert rows['crowd']['AP'] == pytest.approx(0.5, abs=0.01)  # no error, as in pycocotools
    assert rows['none']['AP'] == pytest.approx(0.25, abs=0.01)
    assert rows['crowd']['mIOU_I'] == rows['none']['mIOU_I'] == 0.5
