"""Filters as they are used: by config and option, resumed, changed afterwards."""

import csv
import json
import signal

import numpy as np
import pytest
from folders import CONFIG, run_apart, tree
from PIL import Image

from samrs_mm.core import masks

BOX_FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')
FILTERED = (*BOX_FILL, 'filters.min_fill=0.6', 'filters.drop_at_border=True')


def read(path):
    return json.loads(path.read_bytes())


def boxes(out):
    return [box for path in sorted((out / 'instances').iterdir()) for box in read(path)['boxes']]


def passes(box):
    return box['fill'] >= 0.6 and not box['at_border']


def test_filtered_masks_stay_in_record_and_ledger_only(annotate, tmp_path):
    assert annotate(*FILTERED) == 0
    out = tmp_path / 'out'
    found = boxes(out)
    kept = [box for box in found if passes(box)]
    assert 0 < len(kept) < len(found)
    for box in found:
        assert box['status'] == ('kept' if passes(box) else 'filtered')
        assert bool(box['reason']) != passes(box)
        assert masks.area(box['segmentation']) == box['area'] > 0
        assert (box['visible_area'] > 0) <= passes(box)
    coco = read(out / 'annotations.json')['annotations']
    assert [entry['box_id'] for entry in coco] == [box['box_id'] for box in kept]
    with open(out / 'ledger.csv', newline='') as file:
        rows = {row['box_id']: row for row in csv.DictReader(file)}
    assert len(rows) == len(found)
    for box in found:
        row = rows[box['box_id']]
        for key in ('status', 'reason', 'fill', 'coverage', 'leakage', 'components', 'at_border'):
            assert row[key] == str(box[key])
    meta = read(out / 'meta.json')
    assert meta['settings']['filters'] == dict(min_fill=0.6, drop_at_border=True)
    assert meta['counts']['ledger'] == dict(filtered=len(found) - len(kept), kept=len(kept))


def test_the_label_map_holds_the_kept_masks(annotate, tmp_path):
    assert annotate(*FILTERED) == 0
    for path in (tmp_path / 'out/instances').iterdir():
        kept = [box for box in read(path)['boxes'] if box['status'] == 'kept']
        covered = np.zeros((96, 128), bool)
        for box in kept:
            covered |= masks.decode(box['segmentation'])
        label = np.asarray(Image.open(tmp_path / f'out/semantic/{path.stem}.png'))
        np.testing.assert_array_equal(label != 255, covered)


def test_every_mask_of_a_small_sam_has_all_measures(annotate, tmp_path):
    config = tmp_path / 'small_sam.py'
    arch = dict(embed_dim=24, depth=2, num_heads=3, global_attn_indexes=[1], img_size=256, seed=0)
    model = dict(type='SAMSegmentor', arch=arch, threads=1, _delete_=True)
    limit = 'filters = dict(min_score=0.5, min_stability=0.5)'
    config.write_text(f"_base_ = [{CONFIG!r}]\nmodel = {model}\nprompt = 'cp'\n{limit}\n")
    assert annotate('--limit', 2, config=str(config)) == 0
    for box in boxes(tmp_path / 'out'):
        if box['area']:
            passed = box['score'] >= 0.5 and box['stability'] >= 0.5
            assert box['status'] == ('kept' if passed else 'filtered')
            for key in ('fill', 'coverage', 'leakage', 'components', 'at_border'):
                assert box[key] is not None
    assert annotate('--verify', config=str(config)) == 0


def test_filters_are_settings(annotate, tmp_path, capsys):
    assert annotate(*FILTERED) == 0
    before = tree(tmp_path / 'out')
    assert annotate(*BOX_FILL, 'filters.min_fill=0.5') == 2
    assert 'filters.min_fill: 0.6 -> 0.5' in capsys.readouterr().err
    assert tree(tmp_path / 'out') == before


def test_resumed_and_sharded_with_filters(annotate, tmp_path):
    assert annotate(*FILTERED, out='whole') == 0
    assert annotate('--limit', 2, *FILTERED) == 0
    for shard in ('0/2', '1/2'):
        assert annotate('--shard', shard, *FILTERED) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        (['filters.min_fil=0.5'], 'filters.min_fil is unknown; allowed: min_score'),
        (['filters.min_score=0.5'], 'filters.min_score: BoxFillSegmentor gives its masks no score'),
        (['filters.min_stability=0.5'], 'BoxFillSegmentor gives its masks no stability'),
        (['filters.max_fill=2'], 'filters.max_fill=2; allowed: 0 to 1'),
    ],
)
def test_filters_that_cannot_be_are_refused(annotate, tmp_path, capsys, options, says):
    assert annotate(*BOX_FILL, *options) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if 'error' in line]
    assert says in line
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('key', 'value', 'says'),
    [
        ('fill', 0.123, 'fill: 0.123 -> '),
        ('coverage', 0.5, 'coverage: 0.5 -> '),
        ('leakage', None, 'leakage: null -> '),
        ('components', 7, 'components: 7 -> '),
        ('at_border', None, 'at_border: null -> '),
        ('status', 'empty', 'status: "empty" -> '),
        ('reason', 'ugly', 'reason: "ugly" -> '),
        ('segmentation', None, 'status filtered, but no mask'),
    ],
)
def test_verify_checks_measures_and_status(annotate, tmp_path, capsys, key, value, says):
    assert annotate(*FILTERED) == 0
    assert annotate('--verify', *FILTERED) == 0
    path = tmp_path / 'out/instances/P0003.json'
    record = read(path)
    record['boxes'][0][key] = value
    path.write_text(json.dumps(record))
    capsys.readouterr()
    assert annotate('--verify', *FILTERED) == 1
    assert f'labelTxt/P0003.txt:1: {says}' in capsys.readouterr().err


@pytest.mark.parametrize(('started', 'then'), [(BOX_FILL, FILTERED), (FILTERED, BOX_FILL)])
def test_refilter_gives_the_folder_of_a_new_run(annotate, tmp_path, started, then):
    assert annotate(*then, out='whole') == 0
    assert annotate('--limit', 3, *started) == 0
    assert annotate('--refilter', *then) == 0
    assert annotate('--verify', *then) == 0
    assert annotate(*then) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_refilter_killed_at_every_write(annotate, dota, tmp_path, capsys):
    assert annotate(*FILTERED, out='whole') == 0
    assert annotate(*BOX_FILL) == 0
    argv = [CONFIG, '--data-root', str(dota), '--out', str(tmp_path / 'out'), '--workers', '0',
            '--refilter']  # fmt: skip
    for nth in (1, 2, 3, 4):
        assert run_apart([*argv, *FILTERED], ('kill', 'replace', nth)) == -signal.SIGKILL
    for flag, options in (
        ((), BOX_FILL),
        ((), FILTERED),
        (['--refilter'], BOX_FILL),
        (['--refilter'], (*BOX_FILL, 'filters.min_fill=0.1')),
        (['--verify'], FILTERED),
        (['--finalise'], BOX_FILL),
    ):
        assert annotate(*flag, *options) == 2
        said = capsys.readouterr().err
        assert 'a --refilter was interrupted there; finish it with the same filters' in said
    assert run_apart([*argv, *FILTERED]) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_refilter_killed_in_its_first_image_and_started_again(annotate, dota, tmp_path):
    assert annotate(*BOX_FILL, out='whole') == 0
    assert annotate(*BOX_FILL) == 0
    argv = [CONFIG, '--data-root', str(dota), '--out', str(tmp_path / 'out'), '--workers', '0']
    assert run_apart([*argv, '--refilter', *FILTERED], ('kill', 'replace', 3)) == -signal.SIGKILL
    assert annotate(*BOX_FILL, '--restart') == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_refilter_refuses_what_filters_do_not_change(annotate, tmp_path, capsys):
    assert annotate('--refilter', *FILTERED) == 2
    assert 'no annotated folder there' in capsys.readouterr().err
    assert annotate(*BOX_FILL) == 0
    assert annotate('--refilter', *FILTERED, '--prompt', 'hbox') == 2
    assert 'prompt: "rbox" -> "hbox"' in capsys.readouterr().err


def test_a_damaged_mask_is_named_and_can_be_made_again(annotate, tmp_path, capsys):
    assert annotate(*FILTERED, out='whole') == 0
    assert annotate(*BOX_FILL) == 0
    path = tmp_path / 'out/instances/P0001.json'
    record = read(path)
    record['boxes'][0]['segmentation']['counts'] = '0'
    path.write_text(json.dumps(record))
    assert annotate('--verify', *BOX_FILL) == 1
    said = capsys.readouterr()
    assert f'{path}: damaged record: boxes[0].segmentation: a mask whose runs do not' in said.err
    assert annotate('--refilter', *FILTERED) == 2
    assert f'{path}: damaged record' in capsys.readouterr().err
    path.unlink()
    assert annotate('--refilter', *FILTERED) == 0
    assert annotate(*FILTERED) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')
