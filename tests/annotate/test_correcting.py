"""Corrections of a whole folder: by every way that comes back to it, killed, undone, restarted."""

import csv
import json
import os
import signal

import numpy as np
import pytest
from corrected import correct_some, undo_all
from folders import BOX_FILL, CONFIG, load_tool, run_apart, tree, write_dota
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

SET = ('annotations.json', 'ledger.csv', 'images.csv', 'meta.json')


@pytest.fixture
def annotate(tmp_path):
    """Run the tool in this process: ``annotate('--verify')`` -> exit code."""
    data, main = write_dota(tmp_path / 'dota', scenes=3), load_tool('sam_annotate').main

    def command(*flags, out='out'):
        common = '--data-root', str(data), '--out', str(tmp_path / out), '--workers', '0'
        return [CONFIG, *common, *map(str, flags), *BOX_FILL]

    def run(*flags, out='out'):
        return main(command(*flags, out=out))

    run.command = command
    return run


@pytest.fixture
def out(annotate, tmp_path) -> AnnotatedFolder:
    assert annotate() == 0
    return AnnotatedFolder(tmp_path / 'out')


def without_corrections(out):
    return {k: v for k, v in tree(out.root).items() if not k.startswith('corrections')}


def test_all_files_follow_the_corrections(annotate, out, capsys):
    found = correct_some(out)
    assert annotate('--verify') == 1
    assert f'{out.corrections("P0000")}: not entered yet; --finalise enters them' in (
        capsys.readouterr().err
    )
    assert annotate('--finalise') == 0
    assert 'corrected: 1 image, as people decided: P0000' in capsys.readouterr().out
    assert annotate('--verify') == 0
    record = Record.load(out.path('instances', 'P0000'))
    assert [b.status for b in record.boxes] == ['corrected', 'corrected', 'rejected', 'added']
    coco = json.loads((out.root / 'annotations.json').read_bytes())['annotations']
    mine = [each for each in coco if each['image_id'] == 1]
    assert [each['box_id'] for each in mine] == [box.box_id for box in record.kept]
    assert mine[0]['segmentation'] == found.actions[0].value
    with open(out.root / 'ledger.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['scene'] == 'P0000']
    assert [(row['status'], row['edited'], row['seconds']) for row in rows] == [
        ('corrected', 'mask', '4'), ('corrected', 'class', '1.5'), ('rejected', 'reject', ''),
        ('added', 'add', ''),
    ]  # fmt: skip
    meta = json.loads((out.root / 'meta.json').read_bytes())
    assert meta['counts']['ledger']['corrected'] == 2
    assert sum(meta['counts']['kept'].values()) == len(coco)
    label = np.asarray(Image.open(out.path('semantic', 'P0000')))
    covered = np.any([masks.decode(box.mask) for box in record.kept], axis=0)
    np.testing.assert_array_equal(label != 255, covered)


def test_undone_it_is_the_folder_of_before(annotate, out):
    before = without_corrections(out)
    correct_some(out)
    assert annotate() == 0
    corrected = without_corrections(out)
    changed = {name for name in before if before[name] != corrected[name]}
    assert changed == {'semantic/P0000.png', 'instances/P0000.json', *SET}
    assert annotate() == 0
    assert without_corrections(out) == corrected
    undo_all(out)
    assert annotate() == 0
    assert without_corrections(out) == before
    assert annotate('--verify') == 0


def test_the_same_however_it_came_about(annotate, out, tmp_path):
    correct_some(out)
    assert annotate() == 0
    corrected = tree(out.root)
    assert annotate('--restart') == 0
    assert tree(out.root) == corrected
    out.path('instances', 'P0000').unlink()
    assert annotate() == 0
    assert tree(out.root) == corrected
    (tmp_path / 'other').mkdir()
    (out.root / 'corrections').rename(tmp_path / 'other/corrections')
    assert annotate(out='other') == 0
    assert tree(tmp_path / 'other') == corrected


def test_filters_leave_what_people_decided(annotate, out, tmp_path):
    options = 'filters.min_area=1000000'
    main = load_tool('sam_annotate').main
    correct_some(out)
    assert annotate() == 0
    assert main([*annotate.command('--refilter'), options]) == 0
    record = Record.load(out.path('instances', 'P0000'))
    assert [b.status for b in record.boxes] == ['corrected', 'corrected', 'rejected', 'added']
    assert {b.machine.get('status', 'filtered') for b in record.boxes} == {'filtered'}
    assert main([*annotate.command('--verify'), options]) == 0
    refiltered = tree(out.root)
    (tmp_path / 'other').mkdir()
    (out.root / 'corrections').rename(tmp_path / 'other/corrections')
    assert main([*annotate.command(out='other'), options]) == 0
    assert tree(tmp_path / 'other') == refiltered


@pytest.mark.parametrize(
    ('call', 'numbers'),
    [
        pytest.param('replace', range(1, 40), marks=pytest.mark.slow),
        pytest.param('fsync', range(1, 40), marks=pytest.mark.slow),
    ],
    ids=['replace', 'fsync'],
)
def test_killed_anywhere_the_next_call_makes_it_good(annotate, out, call, numbers):
    before = tree(out.root)
    correct_some(out)
    correct_some(out, 'P0001')
    kept = {str(p.relative_to(out.root)): p.read_bytes() for p in out.root.rglob('*.*')}
    assert annotate('--finalise') == 0
    wanted = tree(out.root)
    assert wanted != before
    command = annotate.command('--finalise')
    for number in numbers:
        for name, data in kept.items():
            (out.root / name).write_bytes(data)
        code = run_apart(command, ('kill', call, number))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert annotate('--finalise') == 0
        assert tree(out.root) == wanted
    assert 5 < number < 39


def test_interrupted_anywhere_the_next_call_makes_it_good(annotate, out, monkeypatch):
    correct_some(out)
    correct_some(out, 'P0001')
    kept = {str(p.relative_to(out.root)): p.read_bytes() for p in out.root.rglob('*.*')}
    assert annotate('--finalise') == 0
    wanted, replace = tree(out.root), os.replace
    for number in range(1, 20):
        for name, data in kept.items():
            (out.root / name).write_bytes(data)
        left = number

        def interrupted(source, target):
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, 'replace', interrupted)
        code = annotate('--finalise')
        monkeypatch.setattr(os, 'replace', replace)
        if code == 0:
            break
        assert annotate('--finalise') == 0
        assert tree(out.root) == wanted
    assert 8 < number < 19


def test_what_no_longer_fits_is_named_and_the_rest_stands(annotate, out, tmp_path, capsys):
    correct_some(out)
    assert annotate() == 0
    labels = tmp_path / 'dota/labelTxt/P0000.txt'
    first, *rest = labels.read_text().splitlines()
    labels.write_text('\n'.join(rest) + '\n')
    capsys.readouterr()
    assert annotate() == 1
    (line,) = [each for each in capsys.readouterr().err.splitlines() if 'reconcile' in each]
    assert f'{out.corrections("P0000")}: mask of labelTxt/P0000.txt:1 by ann: ' in line
    assert '--undo-stale' in line
    record = Record.load(out.path('instances', 'P0000'))
    assert [box.status for box in record.boxes] == ['corrected', 'rejected', 'added']
    labels.write_text('\n'.join([first, *rest]) + '\n')
    assert annotate() == 0
    assert annotate('--verify') == 0


def test_damaged_and_missing_corrections_are_named(annotate, out, capsys):
    correct_some(out)
    assert annotate() == 0
    path = out.corrections('P0000')
    whole = path.read_bytes()
    path.unlink()
    assert annotate('--verify') == 1
    assert f'{path}: is gone, but its corrections are in the record' in capsys.readouterr().err
    path.write_bytes(whole[:100])
    for way in ('--verify', '--finalise'):
        assert annotate(way) == 1
        assert f'{path}: damaged corrections' in capsys.readouterr().err
    path.write_bytes(whole)
    assert annotate('--finalise') == 0
    assert annotate('--verify') == 0


def test_a_spoiled_mask_of_the_hand_or_the_machine_is_found(annotate, out, capsys):
    correct_some(out)
    assert annotate() == 0
    path = out.path('instances', 'P0000')
    text = path.read_text()
    for old, new in (('"edited":["mask"]', '"edited":["accept"]'), ('"rejected by', '"refused by')):
        path.write_text(text.replace(old, new))
        assert path.read_text() != text
        assert annotate('--verify') == 1
        assert f'{path}: labelTxt/P0000.txt' in capsys.readouterr().err
    path.write_text(text)
    assert annotate('--verify') == 0
