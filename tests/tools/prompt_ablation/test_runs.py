"""Ablations in processes and shards, killed and gone on with; what fails and what is refused."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
from ablation_cases import COCO_CONFIG, table_of
from folders import BOX_FILL, CONFIG, ROOT, run_apart, tree, write_dota

from samrs_mm.models.prompt_segmentors.box_fill import BoxFillSegmentor


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
