"""The rows of the table: which settings they are of, and their numbers."""

import contextlib
import csv
import dataclasses
import io
import json

import cv2
import numpy as np
import pytest
import sam2_reference
from ablation_cases import COCO_CONFIG, FILLED, records_of, rows_of, table_of
from folders import BOX_FILL, ROOT, load_tool
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sam3_reference import SMALL as SAM3
from sam_cases import as_published, in_chunks, prompts_of

from samrs_mm.core.prompts import AUTHORS, PAPER_SETTINGS, PROMPT_STYLES, SETTINGS
from samrs_mm.evaluation import score_folder
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

ISAID_CONFIG = str(ROOT / 'configs/annotate/isaid_grabcut_hbox.py')
FILL = str(ROOT / 'configs/_base_/prompt_segmentors/box_fill.py')
REAL = ROOT.parent / 'shared/real/isaid'


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
