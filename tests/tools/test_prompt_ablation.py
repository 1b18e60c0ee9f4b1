import contextlib
import csv
import dataclasses
import io
import json
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import sam2_reference
from folders import CONFIG, ROOT, load_tool, run_apart, tree, write_dota
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sam3_reference import SMALL as SAM3
from sam_cases import SMALL, as_published, in_chunks, prompts_of

from samrs_mm.core.prompts import AUTHORS, PAPER_SETTINGS, PROMPT_STYLES, SETTINGS
from samrs_mm.drawn.dataset import write_demo_dataset
from samrs_mm.evaluation import score_folder
from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

COCO_CONFIG = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
ISAID_CONFIG = str(ROOT / 'configs/annotate/isaid_grabcut_hbox.py')
FILL = str(ROOT / 'configs/_base_/prompt_segmentors/box_fill.py')
BOX_FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')
REAL = ROOT.parent / 'shared/real/isaid'
FILLED = ['hbox', 'hbox-m', 'hbox+hbox-m', 'rbox-m', 'rhbox', 'rhbox-m', 'rhbox+rhbox-m', 'rbox']


@pytest.fixture(scope='module')
def tool():
    return load_tool('prompt_ablation')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Four drawn scenes; boxes without a mask, outside the image and without area among them."""
    root = tmp_path_factory.mktemp('demo')
    list(write_demo_dataset(root, scenes=4, size=128))
    path = root / 'annotations.json'
    labels = json.loads(path.read_text())
    entries = labels['annotations']
    del entries[0]['segmentation']
    about = dict(entries[1], rbox=[300, 300, 310, 300, 310, 310, 300, 310], bbox=[300, 300, 10, 10])
    entries.append(dict(about, id=1001, box_id='outside'))
    about = dict(entries[2], rbox=[9, 9, 30, 9, 30, 9, 9, 9], bbox=[9, 9, 21, 12])
    entries.append(dict(about, id=1002, box_id='flat'))
    path.write_text(json.dumps(labels))
    return root


@pytest.fixture(scope='module')
def ablate(tool, data, tmp_path_factory):
    """Run the tool in this process: ``ablate('a', '--limit', 2)`` -> (exit code, folder)."""
    base = tmp_path_factory.mktemp('out')

    def run(name, *flags, config=COCO_CONFIG, root=None):
        out = base / name
        argv = [config, '--data-root', str(root or data), '--out', str(out), '--workers', '0']
        return tool.main([*argv, *map(str, flags)]), out

    return run


@pytest.fixture(scope='module')
def filled(ablate):
    code, out = ablate('filled', *BOX_FILL)
    assert code == 0
    return out


@pytest.fixture(scope='module')
def small_sam(tmp_path_factory):
    path = tmp_path_factory.mktemp('configs') / 'small_sam.py'
    arch = dict(SMALL, global_attn_indexes=[1])
    model = dict(type='SAMSegmentor', arch=arch, threads=1, chunk=3, device='cpu', _delete_=True)
    path.write_text(f"_base_ = [{COCO_CONFIG!r}]\nmodel = {model}\nprompt = 'rhbox'\n")
    return str(path)


def table_of(out):
    return json.loads((out / 'ablation.json').read_text())


def rows_of(out, segmentor=None):
    part = next(s for s in table_of(out)['segmentors'] if segmentor in (None, s['name']))
    return {row['setting']: row for row in part['rows']}


def records_of(out, segmentor):
    folder = out / 'runs' / segmentor / 'instances'
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.iterdir())}


def test_a_row_for_every_setting(filled):
    table, rows = table_of(filled), rows_of(filled)
    assert tuple(rows) == SETTINGS
    assert [name for name, row in rows.items() if row['reason'] is None] == [
        name for name in SETTINGS if name in FILLED
    ]
    assert not table['partial']
    (segmentor,) = table['segmentors']
    assert (segmentor['done'], segmentor['encodes'], segmentor['failed']) == (4, 4, 0)
    empty = rows['cp+hbox']
    assert empty['reason'] == 'takes no centre point; leave out cp'
    about = 'setting', 'reason', 'paper'
    assert {value for key, value in empty.items() if key not in about} == {None}
    assert rows['cp']['paper'] == dict(mIOU_I=0.1614, mIOU_P=0.0272)
    assert rows['rbox']['paper'] is None
    boxes = len(json.loads((filled / 'coco/ground_truth.json').read_text())['annotations'])
    assert table['instances'] == boxes == rows['hbox']['n']
    assert table['images'] == 4
    assert table['ground_truth']['boxes_without_mask'] == 1
    assert rows['rbox']['statuses'] == dict(kept=boxes - 2, outside=1, degenerate=1)


@pytest.mark.parametrize('prompt', ['hbox', 'rbox'])
def test_a_row_equals_an_annotation_run_scored_by_itself(filled, data, tmp_path, prompt):
    out = tmp_path / 'annotated'
    argv = [COCO_CONFIG, '--data-root', str(data), '--out', str(out), '--workers', '0']
    assert load_tool('sam_annotate').main([*argv, '--prompt', prompt, *BOX_FILL]) == 0
    score = score_folder(out, data / 'annotations.json').overall
    row = rows_of(filled)[prompt]
    assert row['n'] == len(score)
    assert row['mIOU_I'] == pytest.approx(score.miou_i, abs=1e-6)
    assert row['mIOU_P'] == pytest.approx(score.miou_p, abs=1e-6)


def pixels(segmentation):
    return coco_mask.decode(segmentation).astype(bool)


@pytest.mark.parametrize('setting', ['hbox', 'rbox'])
def test_measures_equal_a_slow_loop_over_the_files(filled, setting):
    truth = json.loads((filled / 'coco/ground_truth.json').read_text())
    found = json.loads((filled / f'coco/coco_grabcut_hbox/{setting}.json').read_text())
    ids = [entry['id'] for entry in truth['annotations']]
    assert len(set(ids)) == len(ids) > 10
    row, left = rows_of(filled)[setting], iter(found)
    ious, sums, edges, by_size = [], np.zeros(2), [], {}
    sizes = dict(tiny=100, small=32**2, medium=96**2, large=1e10)
    lost = {'outside', 'flat'}
    for entry in truth['annotations']:
        mask = pixels(entry['segmentation'])
        mine = (
            np.zeros_like(mask) if entry['box_id'] in lost else pixels(next(left)['segmentation'])
        )
        counts = np.array([(mask & mine).sum(), (mask | mine).sum()])
        ious.append(counts[0] / counts[1])
        sums += counts
        rims = [each & ~eroded(each, 4) for each in (mask, mine)]
        edges.append((rims[0] & rims[1]).sum() / (rims[0] | rims[1]).sum())
        size = next(name for name, limit in sizes.items() if mask.sum() < limit)
        by_size.setdefault(size, []).append(ious[-1])
    assert next(left, None) is None
    assert row['mIOU_I'] == pytest.approx(np.mean(ious), abs=1e-6)
    assert row['mIOU_P'] == pytest.approx(sums[0] / sums[1], abs=1e-6)
    assert row['boundary_IoU'] == pytest.approx(np.mean(edges), abs=1e-6)
    assert len(by_size) > 1
    for size, values in by_size.items():
        assert row['sizes'][size]['n'] == len(values)
        assert row['sizes'][size]['mIOU_I'] == pytest.approx(np.mean(values), abs=1e-6)
    low, high = row['mIOU_I_ci']
    assert low < row['mIOU_I'] < high


def eroded(mask, times):
    """4 px is 2 % of the diagonal of 128 x 128 px."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=times)[1:-1, 1:-1] > 0


def test_ap_equals_pycocotools_on_the_files(filled):
    for setting in ('hbox', 'rbox'):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(filled / 'coco/ground_truth.json'))
            found = truth.loadRes(str(filled / f'coco/coco_grabcut_hbox/{setting}.json'))
            evaluation = COCOeval(truth, found, 'segm')
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        row = rows_of(filled)[setting]
        expected = evaluation.stats[:3]
        assert [row[name] for name in ('AP', 'AP50', 'AP75')] == pytest.approx(expected, abs=1e-6)


def test_csv_markdown_and_picture(ablate, data):
    code, out = ablate('two', *BOX_FILL, '--segmentor', FILL, '--limit', 2)
    assert code == 0
    lines = list(csv.DictReader((out / 'ablation.csv').open()))
    assert [line['setting'] for line in lines] == [*SETTINGS] * 2
    assert [line['segmentor'] for line in lines[::16]] == ['coco_grabcut_hbox', 'box_fill']
    row = rows_of(out)['rbox']
    assert float(lines[15]['mIOU_I']) == row['mIOU_I']
    assert float(lines[15]['mIOU_P_low']) == row['mIOU_P_ci'][0]
    assert lines[0]['mIOU_I'] == ''
    assert lines[0]['paper_mIOU_P'] == '0.0272'
    text = (out / 'ablation.md').read_text()
    assert '**Partial: images are missing.**' in text
    table = [line.split('|')[1:-1] for line in text.splitlines() if line.startswith('|')]
    assert [cell.strip() for cell in table[0][:7]] == [
        'CP', 'H-Box', 'H-Box-M', 'R-Box', 'R-Box-M', 'RH-Box', 'RH-Box-M',
    ]  # fmt: skip
    hbox = next(cells for cells in table[2:] if [c.strip() for c in cells[:3]] == ['', '✓', ''])
    mine = f'{100 * rows_of(out)["hbox"]["mIOU_I"]:.2f}'
    assert [hbox[i].strip(' *') for i in (7, 9, 11, 12)] == [mine, mine, '89.97', '79.40']
    with Image.open(out / 'ablation.png') as picture:
        assert picture.width > 800


@pytest.mark.parametrize('style', PROMPT_STYLES)
def test_every_setting_is_what_sam_predictor_gives(ablate, data, small_sam, monkeypatch, style):
    package = pytest.importorskip('segment_anything', reason='segment_anything is not installed')
    built, encoded = [], []
    load, encode = SAMSegmentor.load, SAMSegmentor.encode

    def loading(self):
        load(self)
        built.append(self)

    def encoding(self, images):
        encoded.append(len(images))
        return encode(self, images)

    monkeypatch.setattr(SAMSegmentor, 'load', loading)
    monkeypatch.setattr(SAMSegmentor, 'encode', encoding)
    flags = [] if style == AUTHORS else ['--prompt-style', style]  # the authors' is the default
    code, out = ablate(f'sam_{style}', '--limit', 2, *flags, config=small_sam)
    assert code == 0
    assert table_of(out)['segmentors'][0]['settings']['prompt_style'] == style
    assert encoded == [1, 1]
    assert table_of(out)['segmentors'][0]['encodes'] == 2
    rows = rows_of(out)
    assert rows['rbox']['reason'] == 'SAM takes no oriented box'
    assert [name for name, row in rows.items() if row['reason'] is None] == list(PAPER_SETTINGS)

    predictor = package.SamPredictor(as_published(built[0].model))
    for stem, record in records_of(out, 'small_sam').items():
        image = np.asarray(Image.open(data / f'images/{stem}.png'))
        predictor.set_image(image)
        for name in PAPER_SETTINGS:
            prompts = prompts_of_labels(data, record, name, *image.shape[:2], style)
            masks, scores = in_chunks(predictor, prompts, *image.shape[:2], size=3)
            ours = [
                box['results'][name] if box['results'] else None
                for box in record['boxes']
                if not _is_lost(box)
            ]
            for mine, mask, score in zip(ours, masks, scores, strict=True):
                if mine is None:
                    continue
                assert mine['area'] == mask.sum()
                if mine['area']:
                    np.testing.assert_array_equal(pixels(mine['segmentation']), mask)
                    assert mine['score'] == pytest.approx(score, abs=2e-6)


def _is_lost(box):
    return any(result['status'] in ('outside', 'degenerate') for result in box['results'].values())


def prompts_of_labels(data, record, name, height, width, style):
    """Return a setting's prompts, from the label file's numbers alone."""
    labels = json.loads((data / 'annotations.json').read_text())['annotations']
    polygons, centres = [], []
    for box in record['boxes']:
        if _is_lost(box):
            continue
        (entry,) = (each for each in labels if each['box_id'] == box['box_id'])
        x, y, w, h = entry['bbox']
        upright = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
        oriented = np.reshape(entry['rbox'], (4, 2))
        polygons.append(oriented if 'r' in name else upright)
        centres.append(oriented.mean(axis=0))
    prompts = prompts_of(name, np.array(polygons, float), height, width, style)
    if prompts.points is None:
        return prompts
    if style == AUTHORS:
        return dataclasses.replace(prompts, points=np.array(centres))
    return dataclasses.replace(prompts, points=np.clip(prompts.points, 0, [width, height]))


@pytest.mark.parametrize('flags', [('--workers', '2'), ('--workers', '0', '--limit', '1')])
def test_workers_and_limits_change_no_byte(filled, data, tmp_path, flags):
    out = tmp_path / 'out'
    argv = [COCO_CONFIG, '--data-root', str(data), '--out', str(out), *BOX_FILL]
    assert run_apart([*argv, *flags], (), 'prompt_ablation') == 0
    assert run_apart([*argv, '--workers', '0'], (), 'prompt_ablation') == 0
    assert tree(out) == tree(filled)


def test_killed_while_it_segments_scores_and_writes(filled, data, tmp_path):
    out = tmp_path / 'out'
    argv = [COCO_CONFIG, '--data-root', str(data), '--out', str(out), '--workers', '0', *BOX_FILL]
    # The first file is meta.json, then come four records, eight settings' masks, and the tables.
    for nth, call in ((3, 'replace'), (4, 'fsync'), (9, 'replace'), (12, 'replace')):
        assert run_apart(argv, ('kill', call, nth), 'prompt_ablation') == -signal.SIGKILL
    assert run_apart(argv, (), 'prompt_ablation') == 0
    assert tree(out) == tree(filled)


def test_shards_wait_for_nobody_and_the_last_one_writes(ablate, filled):
    for shard in ('1/2', '0/2'):
        code, out = ablate('shards', *BOX_FILL, '--shard', shard)
        assert code == 0
        assert (out / 'ablation.json').exists() == (shard == '0/2')
    assert tree(out) == tree(filled)


def test_a_bad_image_is_recorded_and_can_be_mended(ablate, filled, data, tmp_path, capsys):
    root = tmp_path / 'data'
    shutil.copytree(data, root)
    image = sorted((root / 'images').iterdir())[1]
    good = image.read_bytes()
    image.write_bytes(good[:500])
    code, out = ablate('bad', *BOX_FILL, root=root)
    assert code == 1
    assert f'failed: images/{image.name}: cannot read the image' in capsys.readouterr().err
    table = table_of(out)
    assert table['partial']
    assert (table['segmentors'][0]['done'], table['segmentors'][0]['failed']) == (3, 1)
    failed = json.loads((out / f'runs/coco_grabcut_hbox/failed/{image.stem}.json').read_text())
    assert 'cannot read the image' in failed['error']
    image.write_bytes(good)
    assert ablate('bad', *BOX_FILL, root=root)[0] == 0
    assert tree(out) == tree(filled)


def test_a_segmentor_that_fails_is_named(ablate, monkeypatch, capsys):
    decode = BoxFillSegmentor.decode

    def moody(self, encoded, prompts):
        if prompts.setting.name == 'rbox':
            raise ValueError('no decoder today')
        return decode(self, encoded, prompts)

    monkeypatch.setattr(BoxFillSegmentor, 'decode', moody)
    code, out = ablate('moody', *BOX_FILL, '--limit', 1)
    assert code == 1
    assert 'the segmentor failed: ValueError: no decoder today' in capsys.readouterr().err
    assert table_of(out)['segmentors'][0]['failed'] == 1


def test_restart_starts_over(ablate, filled, data, tmp_path, capsys):
    code, out = ablate('again', *BOX_FILL, '--limit', 1)
    assert code == 0
    assert ablate('again', *BOX_FILL, '--restart')[0] == 0
    assert 'restart: removed 3 files' in capsys.readouterr().out
    assert tree(out) == tree(filled)


def refused(ablate, capsys, *args, **kwargs):
    code, _ = ablate(*args, **kwargs)
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    return line


def test_what_is_refused(ablate, filled, data, tmp_path, capsys):
    dota = write_dota(tmp_path / 'dota', scenes=2)
    line = refused(ablate, capsys, 'dota', config=CONFIG, root=dota)
    assert 'DOTABoxDataset has no true masks' in line
    assert 'COCOPartsBoxDataset, CVATBoxDataset, HRSC2016BoxDataset, ISAIDInstanceDataset' in line
    line = refused(ablate, capsys, 'tiles', '--cfg-options', 'tile.size=64', 'tile.overlap=8')
    assert 'set tile=None' in line
    line = refused(ablate, capsys, 'filled')
    assert 'was started with other settings (model.' in line
    line = refused(ablate, capsys, 'twice', '--segmentor', COCO_CONFIG)
    assert "there is one called 'coco_grabcut_hbox' already" in line
    modelless = str(ROOT / 'configs/_base_/default_annotate.py')
    line = refused(ablate, capsys, 'none', '--segmentor', modelless)
    assert "has no 'model'" in line
    line = refused(ablate, capsys, 'shards2', '--restart', '--shard', '0/2')
    assert 'run it once by itself' in line
    foreign = tmp_path / 'foreign'
    foreign.mkdir()
    (foreign / 'thesis.tex').touch()
    line = refused(ablate, capsys, foreign)
    assert 'thesis.tex' in line


def test_labels_without_masks_are_named(ablate, data, tmp_path, capsys):
    root = tmp_path / 'data'
    shutil.copytree(data, root)
    labels = json.loads((root / 'annotations.json').read_text())
    for entry in labels['annotations']:
        entry.pop('segmentation', None)
    (root / 'annotations.json').write_text(json.dumps(labels))
    code, out = ablate('maskless', *BOX_FILL, root=root)
    assert code == 1
    assert 'none of the images that are done has a true mask' in capsys.readouterr().err
    assert table_of(out)['segmentors'][0]['encodes'] == 0


@pytest.mark.parametrize(
    ('segmentation', 'message'),
    [
        (dict(size=None, counts=[0]), None),
        (dict(size=[9, 9], counts=[40, 41]), 'a mask of [9, 9] in an image of [128, '),
        (dict(size=None), 'counts are None'),
        ('masks/1.png', 'neither a list of polygons nor run lengths'),
    ],
)
def test_a_true_mask_that_is_none(ablate, data, tmp_path, capsys, segmentation, message):
    root = tmp_path / 'data'
    shutil.copytree(data, root)
    labels = json.loads((root / 'annotations.json').read_text())
    entry = labels['annotations'][5]
    image = next(image for image in labels['images'] if image['id'] == entry['image_id'])
    if isinstance(segmentation, dict) and segmentation['size'] is None:
        size = [image['height'], image['width']]
        segmentation = dict(segmentation, size=size)
        if 'counts' in segmentation:
            segmentation['counts'] = [size[0] * size[1]]
    entry['segmentation'] = segmentation
    (root / 'annotations.json').write_text(json.dumps(labels))
    code, out = ablate(tmp_path.name, *BOX_FILL, '--limit', 1, root=root)
    if message is None:  # a mask without a pixel is as good as none
        assert code == 0
        assert table_of(out)['ground_truth']['boxes_without_mask'] == 1
        assert table_of(out)['ground_truth']['masks_without_pixel'] == 0
        return
    assert code == 1
    assert message in capsys.readouterr().err


def write_hrsc(root):
    """Two test images of two ships each; only the first ship of the first has a colour."""
    for number in (1, 2):
        for folder in ('AllImages', 'Annotations', 'LandMask'):
            (root / 'FullDataSet' / folder).mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (80, 60)).save(root / f'FullDataSet/AllImages/{number}.bmp')
        ships = ''.join(
            f'<HRSC_Object><box_xmin>10</box_xmin><box_ymin>{y}</box_ymin><box_xmax>50</box_xmax>'
            f'<box_ymax>{y + 10}</box_ymax><mbox_cx>30</mbox_cx><mbox_cy>{y + 5}</mbox_cy>'
            f'<mbox_w>40</mbox_w><mbox_h>10</mbox_h><mbox_ang>0</mbox_ang>{colour}</HRSC_Object>\n'
            for y, colour in (
                (5, '<seg_color>0,128,0</seg_color>' if number == 1 else '<seg_color/>'),
                (40, '<seg_color>\n</seg_color>'),
            )
        )
        text = f'<HRSC_Image><HRSC_Objects>{ships}</HRSC_Objects></HRSC_Image>'
        (root / f'FullDataSet/Annotations/{number}.xml').write_text(text)
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[5:15, 10:40] = 0, 128, 0
    Image.fromarray(picture).save(root / 'FullDataSet/LandMask/1.png')
    (root / 'ImageSets').mkdir()
    (root / 'ImageSets/test.txt').write_text('1\n2\n')


def test_hrsc_images_without_masks_are_not_even_encoded(ablate, tmp_path):
    write_hrsc(tmp_path / 'hrsc')
    config = tmp_path / 'hrsc_fill.py'
    base = ROOT / 'configs/annotate/hrsc2016_sam-vit-h_hbox.py'
    model = dict(type='BoxFillSegmentor', _delete_=True)
    config.write_text(f"_base_ = ['{base}']\nmodel = {model}\n")
    code, out = ablate('hrsc', config=str(config), root=tmp_path / 'hrsc')
    assert code == 0
    table, rows = table_of(out), rows_of(out)
    assert (table['ground_truth']['images'], table['images']) == (2, 1)
    assert (table['instances'], table['ground_truth']['boxes_without_mask']) == (1, 3)
    assert (table['segmentors'][0]['done'], table['segmentors'][0]['encodes']) == (2, 1)
    for name in FILLED:
        assert rows[name]['mIOU_I'] == rows[name]['mIOU_P'] == 0.75  # 30 of the box's 40 columns
        assert rows[name]['AP50'] == 1


def test_ships_whose_colour_is_nowhere(ablate, tmp_path, capsys):
    """As in the authors' script: IoU 0, and what was segmented of them is part of the union."""
    root = tmp_path / 'hrsc'
    write_hrsc(root)
    label = root / 'FullDataSet/Annotations/1.xml'
    label.write_text(label.read_text().replace('<seg_color>\n<', '<seg_color>9,9,9<'))
    config = tmp_path / 'hrsc_fill.py'
    base = ROOT / 'configs/annotate/hrsc2016_sam-vit-h_hbox.py'
    model = dict(type='BoxFillSegmentor', _delete_=True)
    config.write_text(f"_base_ = ['{base}']\nmodel = {model}\n")
    for number, flags in enumerate([(), ('--empty-truth', 'skip')]):
        code, out = ablate(f'nowhere{number}', *flags, config=str(config), root=root)
        assert code == 0
        table, rows = table_of(out), rows_of(out)
        lost = table['ground_truth']['masks_without_pixel']
        assert (table['instances'], lost) == ((2, 1), (1, 0))[number]
        said = '1 true mask without a pixel: IoU 0' in capsys.readouterr().out
        assert said == (number == 0)
        for name in FILLED:
            # ship 1: 300 of 400 px; ship 2: none of 400
            assert rows[name]['mIOU_I'] == (0.75, 0.375)[number == 0]
            assert rows[name]['mIOU_P'] == (0.75, 0.375)[number == 0]
            assert rows[name]['n'] == (1, 2)[number == 0]
    code, _ = ablate('nowhere0', '--empty-truth', 'skip', config=str(config), root=root)
    assert code == 2
    assert 'empty_truth: "zero" -> "skip"' in capsys.readouterr().err


def test_the_sam_family_in_one_table(ablate, small_sam, tmp_path):
    pytest.importorskip('transformers', reason='transformers is not installed')
    named = {'sam2': ('SAM2Segmentor', sam2_reference.SMALL), 'sam3': ('SAM3Segmentor', SAM3)}
    for name, (kind, arch) in named.items():
        model = dict(type=kind, arch=arch | dict(seed=0), threads=1, device='cpu')
        (tmp_path / f'{name}.py').write_text(f'model = {model}\n')
    files = [str(tmp_path / f'{name}.py') for name in named]
    code, out = ablate('family', '--limit', 1, '--segmentor', *files, COCO_CONFIG, config=small_sam)
    assert code == 0
    table = table_of(out)['segmentors']
    assert [each['name'] for each in table] == ['small_sam', 'sam2', 'sam3', 'coco_grabcut_hbox']
    assert [each['encodes'] for each in table] == [1] * 4
    for each in table[:3]:
        made = {row['setting'] for row in each['rows'] if row['mIOU_I'] is not None}
        assert made == set(SETTINGS) - {'rbox'}
    assert table[1]['settings']['model']['dynamic_multimask'] is True


@pytest.mark.slow
def test_two_shards_at_once(filled, data, tmp_path):
    out = tmp_path / 'out'
    argv = [sys.executable, str(ROOT / 'tools/prompt_ablation.py'), COCO_CONFIG, '--data-root',
            str(data), '--out', str(out), '--workers', '1', *BOX_FILL]  # fmt: skip
    shards = [
        subprocess.Popen([*argv, '--shard', f'{i}/2'], stdout=subprocess.DEVNULL) for i in range(2)
    ]
    assert [shard.wait() for shard in shards] == [0, 0]
    assert tree(out) == tree(filled)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason='the real scene of iSAID is not on this machine')
def test_a_real_scene(ablate):
    """The figures that come with the scene, of other code: GrabCut 0.76 / 0.79, fill 0.81, 0.91."""
    code, out = ablate('real', '--segmentor', FILL, config=ISAID_CONFIG, root=REAL)
    assert code == 0
    grabcut, fill = rows_of(out), rows_of(out, 'box_fill')
    assert grabcut['hbox']['mIOU_I'] == pytest.approx(0.76, abs=0.015)
    assert grabcut['hbox']['mIOU_P'] == pytest.approx(0.79, abs=0.015)
    assert fill['hbox']['mIOU_I'] == pytest.approx(0.81, abs=0.01)
    assert fill['rbox']['mIOU_P'] == pytest.approx(0.91, abs=0.015)
    assert grabcut['rbox']['mIOU_I'] > 0.84
    assert [s['encodes'] for s in table_of(out)['segmentors']] == [1, 1]
    assert grabcut['hbox']['mIOU_I_ci'] is None
