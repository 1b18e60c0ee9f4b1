"""Masks of labels as prompts, from the labels to records, tiles, checks and refusals."""

import csv
import json

import numpy as np
import pytest
from folders import load_tool, tree
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset
from samrs_mm.formats.annotated.record import Record

RING = np.zeros((90, 120), bool)
RING[20:60, 30:80] = True
RING[35:45, 50:60] = False
PARTS = [[5, 70, 25, 70, 25, 85], [40, 70, 60, 70, 60, 85, 40, 85]]


@pytest.fixture
def data(tmp_path):
    """A ring by RLE, an object of two parts by polygons, a box without a mask, a crowd."""
    root = tmp_path / 'data'
    (root / 'images').mkdir(parents=True)
    pixels = np.full((90, 120, 3), 60, np.uint8)
    pixels[RING] = 220, 70, 60
    Image.fromarray(pixels).save(root / 'images/a.png')
    x, y, w, h = masks.bbox(masks.encode(RING))
    of = dict(image_id=1, category_id=1)
    annotations = [
        dict(of, bbox=[x, y, w, h], segmentation=masks.encode(RING)),
        dict(of, bbox=[5, 70, 55, 15], segmentation=PARTS),
        dict(of, bbox=[90, 10, 20, 20]),
        dict(of, bbox=[90, 60, 20, 20], iscrowd=1, segmentation=[[90, 60, 110, 60, 100, 80]]),
    ]
    write(root, annotations)
    return root


def write(root, annotations):
    doc = dict(images=[dict(id=1, file_name='a.png', width=120, height=90)])
    doc |= dict(categories=[dict(id=1, name='pond')], annotations=annotations)
    (root / 'annotations.json').write_text(json.dumps(doc))


def annotate(root, out, *words, config='any_boxfill_mask'):
    argv = [f'configs/annotate/{config}.py', '--data-root', str(root), '--out', str(out)]
    return load_tool('sam_annotate').main([*argv, '--workers', '0', *words])


def rows(out):
    with open(out / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


def test_masks_of_labels_are_kept_pixel_for_pixel(data, tmp_path):
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    assert [row['status'] for row in rows(out)] == ['kept', 'kept', 'maskless', 'crowd']
    assert rows(out)[2]['reason'] == 'its label has no mask'
    ring, parts, *_ = Record.load(out / 'instances/a.json').boxes
    assert (masks.decode(ring.mask) == RING).all()
    assert (parts.area, parts.components, ring.prompt) == (15 * 20 + 150, 2, 'mask')
    assert ring.prompt_box == [30, 20, 80, 60]
    assert annotate(data, out, '--verify') == 0


def test_tiles_show_their_part_of_a_mask(data, tmp_path):
    out = tmp_path / 'out'
    tiled = ('--cfg-options', 'tile.size=64', 'tile.overlap=16', 'tile.iof=0.01')
    assert annotate(data, out, *tiled) == 0
    seen = np.zeros((160, 200), bool)
    for path in sorted((out / 'instances').iterdir()):
        record = Record.load(path)
        x, y = record.image.offset
        for box in record.boxes:
            if box.box_id.endswith('[0]') and box.segmentation:
                part = masks.decode(box.mask)
                whole = np.zeros_like(seen)
                whole[:90, :120] = RING
                assert (part == whole[y : y + 64, x : x + 64]).all()
                seen[y : y + 64, x : x + 64] |= part
    assert (seen[:90, :120] == RING).all()
    assert annotate(data, out, *tiled, '--verify') == 0


def test_a_box_whose_mask_lies_elsewhere_is_outside(data, tmp_path):
    far = [[100, 70, 118, 70, 118, 88]]
    write(data, [dict(image_id=1, category_id=1, bbox=[0, 0, 119, 89], segmentation=far)])
    out = tmp_path / 'out'
    tiled = ('--cfg-options', 'tile.size=64', 'tile.overlap=16', 'tile.iof=0.01')
    assert annotate(data, out, *tiled) == 0
    told = {(row['tile'], row['status'], row['reason']) for row in rows(out)}
    assert ('a__64__0___0', 'outside', 'the mask of its label has no pixel here') in told
    assert {tile for tile, status, _ in told if status == 'kept'} == {
        'a__64__48___26', 'a__64__56___26',
    }  # fmt: skip


def test_a_mask_that_changes_is_made_again(data, tmp_path, capsys):
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    doc = json.loads((data / 'annotations.json').read_text())
    doc['annotations'][0]['segmentation'] = masks.encode(RING & (np.arange(120) < 70))
    (data / 'annotations.json').write_text(json.dumps(doc))
    capsys.readouterr()
    assert annotate(data, out) == 0
    assert Record.load(out / 'instances/a.json').boxes[0].bbox == [30, 20, 40, 40]
    before = tree(out)
    assert annotate(data, out) == 0
    assert tree(out) == before


def test_boxes_alone_know_nothing_of_masks(data, tmp_path):
    out = tmp_path / 'out'
    assert annotate(data, out, '--prompt', 'hbox') == 0
    assert [row['status'] for row in rows(out)] == ['kept', 'kept', 'kept', 'crowd']
    assert Record.load(out / 'instances/a.json').boxes[0].area == 2000


def test_a_mask_of_another_size_fails_its_image(data, tmp_path, capsys):
    small = masks.encode(RING[:50])
    write(data, [dict(image_id=1, category_id=1, bbox=[30, 20, 50, 30], segmentation=small)])
    assert annotate(data, tmp_path / 'out') == 1
    problem = 'annotations.json:annotations[0]: the true mask: a mask of [50, 120] in an image'
    assert problem in capsys.readouterr().err


def test_what_has_no_masks_is_refused(data, tmp_path, capsys):
    labels = tmp_path / 'dota'
    for folder in ('images', 'labelTxt'):
        (labels / folder).mkdir(parents=True)
    Image.new('RGB', (40, 40)).save(labels / 'images/a.png')
    (labels / 'labelTxt/a.txt').write_text('1 1 9 1 9 9 1 9 pond 0\n')
    for config in ('dota_boxnet_rbox', 'any_boxnet_rbox'):
        assert annotate(labels, tmp_path / 'out', '--prompt', 'mask', config=config) == 2
        told = capsys.readouterr().err
        assert "DOTABoxDataset has no masks for the prompt 'mask'; datasets that have: " in told


def test_segmentors_that_do_not_look_at_masks_are_refused(data, tmp_path, capsys, monkeypatch):
    from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor

    monkeypatch.setattr(BoxFillSegmentor, 'takes_masks', False)
    assert annotate(data, tmp_path / 'out') == 2
    assert "prompt 'mask': it takes no masks of labels" in capsys.readouterr().err


def test_where_labels_are_not_read_the_settings_are_refused():
    with pytest.raises(RefusedError, match="'hbox\\+mask' is about masks of labels"):
        PromptSetting.parse('hbox+mask')
    assert PromptSetting.parse('mask+hbox', masks=True).name == 'hbox+mask'


def test_decisions_enter_without_the_config(data, tmp_path):
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    tool = load_tool('dataset_converters/export_dataset')
    argv = [str(out), '--to', 'labelme', '--out', str(tmp_path / 'lm')]
    assert tool.main(argv) == 0
    path = next((tmp_path / 'lm').rglob('a.json'))
    doc = json.loads(path.read_text())
    del doc['shapes'][0]
    path.write_text(json.dumps(doc))
    assert load_tool('import_corrections').main([str(out), str(tmp_path / 'lm')]) == 0
    assert sorted(row['status'] for row in rows(out)).count('rejected') == 1


def test_masks_turn_and_scale_with_their_boxes(tmp_path):
    """Labels made on the picture as EXIF turns it, and on one of twice its size."""
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[5:15, 20:50] = 200
    exif = Image.Exif()
    exif[274] = 6  # a viewer shows it turned clockwise: 40 wide, 60 high
    root = tmp_path / 'data'
    root.mkdir()
    Image.fromarray(stored).save(root / 'a.png', exif=exif)
    Image.fromarray(stored).save(root / 'b.png')
    seen = np.rot90(stored[..., 0], -1)
    rows, columns = np.nonzero(seen)
    x0, y0, x1, y1 = (int(v) for v in (columns.min(), rows.min(), columns.max(), rows.max()))
    for name, ring, size in (
        ('a', [[x0, y0], [x1 + 1, y0], [x1 + 1, y1 + 1], [x0, y1 + 1]], (40, 60)),
        ('b', [[40, 10], [100, 10], [100, 30], [40, 30]], (120, 80)),
    ):
        shape = dict(label='roof', shape_type='polygon', points=ring)
        head = dict(shapes=[shape], imagePath=f'{name}.png', imageWidth=size[0])
        (root / f'{name}.json').write_text(json.dumps(head | dict(imageHeight=size[1])))
    out = tmp_path / 'out'
    assert annotate(root, out, '--exif', 'turned', '--label-size', 'rescale') == 0
    for name in ('a', 'b'):
        (box,) = Record.load(out / f'instances/{name}.json').boxes
        assert (masks.decode(box.mask) == (stored[..., 0] > 0)).all()


def test_a_polygon_that_is_none_leaves_its_box_maskless(data, tmp_path):
    of = dict(image_id=1, category_id=1, bbox=[30, 20, 50, 30])
    write(data, [dict(of, segmentation=[[1, 1, 2, 2]]), dict(of, segmentation=PARTS)])
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    first, second = rows(out)
    assert (first['status'], second['status']) == ('maskless', 'kept')
    assert first['notes'].startswith('the mask of its label: a polygon of 4 numbers; allowed: ')
    assert annotate(data, out, '--verify') == 0


def test_detectors_look_away_from_maskless_boxes(data, tmp_path):
    out = tmp_path / 'out'
    assert annotate(data, out) == 0
    (info,) = AnnotatedInstanceDataset(str(out), boxes='hbox').load_data_list()
    assert info['record_path'].endswith('a.json')
    found = AnnotatedInstanceDataset(str(out), boxes='hbox').get_data_info(0)['instances']
    assert [(each['ignore_flag'], each['bbox']) for each in found][2] == (1, [90, 10, 110, 30])
