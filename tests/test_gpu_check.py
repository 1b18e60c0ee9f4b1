"""The check for a GPU, rehearsed on a CPU; figures are of no use here, rows and JSON are."""

import json

import pytest
import torch
from folders import load_tool, tree

from samrs_mm.models.prompt_segmentors import exact_attention


@pytest.fixture(scope='module')
def parts():
    return load_tool('../benchmarks/gpu_parts')


@pytest.fixture(scope='module')
def check():
    return load_tool('../benchmarks/gpu_check')


def test_each_member_of_the_family_is_compared(parts, monkeypatch):
    pytest.importorskip('transformers', reason='make test-sam-family has it')
    monkeypatch.setattr(parts, 'SHAPES', dict(wide=(60, 100)))
    rows = {}
    parts.part_parity(parts.REHEARSAL, rows)
    assert 'problem' not in rows
    kinds = parts.PROMPT_SEGMENTORS.load_all().items()
    members = {name for name, kind in kinds if issubclass(kind, parts.SAMFamilySegmentor)}
    assert members <= parts.NETWORKS.keys(), 'name a small network of each'
    for row in (f'{name}, {shape}' for name in members for shape in parts.SHAPES):
        assert rows[row]['pixels'].startswith('0 of '), 'a device differs from itself'
        assert rows[row].get('as_predictor') is not False
        assert int(rows[row]['fast_pixels'].split()[0]) <= 3
        assert rows[row]['fast_least'] > 0.99


def test_the_predictor_computes_as_its_package_does(parts, monkeypatch):
    """Not by our attention, which would be compared with itself."""
    pytest.importorskip('segment_anything', reason='segment_anything is not installed')
    wrong = lambda attention, x: attention.proj(torch.zeros_like(x))  # noqa: E731
    monkeypatch.setattr(exact_attention, 'attend_in_place', wrong)
    monkeypatch.setattr(parts, 'SHAPES', dict(wide=(60, 100)))
    kind, rows = parts.PROMPT_SEGMENTORS.get('SAMSegmentor'), {}
    parts.compare_devices('SAMSegmentor', kind, parts.REHEARSAL, rows)
    assert rows['SAMSegmentor, wide']['as_predictor'] is False


def test_tiles_are_timed_by_stage_and_end_to_end(parts):
    rows = {}
    parts.part_tiles(parts.REHEARSAL, rows)
    assert 'problem' not in rows
    assert rows['loop of SamPredictor'].keys() == {'read', 'encode', 'decode', 'code', 'all'}
    assert rows['exact']['pixels'] == f'0 of {2 * 3 * 256**2}'
    for way in ('exact', 'fast', 'fp16'):
        assert rows[way]['iou_mean'] > 0.98
        assert rows[way]['tiles_a_second'] > 0
        assert rows[way]['times_the_loop'] > 0
    assert rows['fp16, written by threads'].keys() <= rows['fp16'].keys()


def test_a_pretended_gpu_is_given_work_by_the_product(tmp_path):
    bench = load_tool('../benchmarks/pretended_gpu')
    scale = bench.Scale('cpu', '', side=128, boxes=3, staged=0, seconds=60, workers=0)
    found = bench.compare(tmp_path, scale, 8, 1, bench.Pace(0.002, 0.001), (0, 1))
    assert found.keys() == {0, 1}
    assert found[0].keys() == {'tiles', 'ms_a_tile', 'tiles_a_second', 'own_cpu_ms'}
    assert {row['tiles'] for row in found.values()} == {8}
    written = [tree(tmp_path / f'{processes}-0/instances') for processes in found]
    assert written[0] == written[1]
    assert len(written[0]) == 8


def test_a_row_that_fails_leaves_the_others(parts, monkeypatch):
    monkeypatch.setattr(parts, 'masks_of', lambda *_: 1 / 0)
    rows = {}
    parts.part_parity(parts.REHEARSAL, rows)
    assert rows['SAMSegmentor'].startswith('failed: ZeroDivisionError')
    assert rows['problem']


def test_agreement_counts_pixels_and_overlap(parts):
    import numpy as np

    one, other = np.zeros((2, 10, 10), bool)
    one[2:6, 2:6] = other[2:6, 2:5] = True
    found = parts.agreement([parts.encode(one)] * 2, [parts.encode(other), parts.encode(one)])
    expected = dict(pixels='4 of 200', iou_mean=0.875, iou_least=0.75, below_099='1 of 2')
    assert found == expected


def test_parts_run_apart_and_a_broken_one_is_named(check, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, 'machine', lambda _: dict(gpus=[]))
    out = tmp_path / 'gpu.json'

    def broken(part, file, small, environment):
        return dict(seconds=1.0, rows=dict(problem='no luck') if part == 'sep' else {})

    monkeypatch.setattr(check, 'run_part', broken)
    flags = ['--small', '--out', str(out), '--wheels', str(tmp_path)]
    assert check.main([*flags, '--parts', 'parity']) == 0
    assert check.main([*flags, '--parts', 'parity,sep']) == 1
    assert json.loads(out.read_bytes())['sep']['rows'] == dict(problem='no luck')
    assert 'no luck' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        check.main(['--small', '--parts', 'parity,sap'])
    assert "'sap' is none of parity, tiles, sep, ranks" in capsys.readouterr().err


def test_a_part_that_takes_too_long_or_dies_gives_the_reason(check, tmp_path, monkeypatch):
    monkeypatch.setattr(check, 'LIMITS', dict(parity=0.01))
    result = check.run_part('parity', tmp_path / 'gpu.json', False, {})
    assert result['rows'] == dict(problem='ended after 0.01 s')
    monkeypatch.setattr(check, 'ROOT', tmp_path)
    result = check.run_part('parity', tmp_path / 'gpu.json', True, {})
    assert 'gpu_parts.py' in result['rows']['problem']


@pytest.mark.slow
def test_the_whole_rehearsal(check, tmp_path, monkeypatch):
    out = tmp_path / 'gpu.json'
    assert check.main(['--small', '--out', str(out), '--wheels', str(tmp_path)]) == 0
    found = json.loads(out.read_bytes())
    assert found['ranks']['rows']['two ranks']['backend'] == 'gloo'
    assert float(found['ranks']['rows']['two ranks']['gradients_differ_by']) < 1e-4
    assert 'ms_a_step' in found['sep']['rows']['upernet_resnet50_scratch, bf16']
