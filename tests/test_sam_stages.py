"""A small run of the tables of SAM's stages in benchmarks/bench_annotate.py."""

import re
import sys
from pathlib import Path

import pytest
from folders import load_tool
from sam_cases import SMALL

pytest.importorskip('segment_anything', reason='segment_anything is not installed')


@pytest.fixture(scope='module')
def bench():
    sys.path.insert(0, str(Path(__file__).parents[1] / 'benchmarks'))
    try:
        yield load_tool('../benchmarks/bench_annotate')
    finally:
        sys.path.pop(0)


def test_both_ways_give_the_same_masks_of_every_size(bench, capsys):
    bench.print_after_decoder(SMALL, rounds=1, count=3)
    lines = capsys.readouterr().out.splitlines()[3:]
    assert len(lines) == 3
    for line in lines:
        assert re.search(r'( +\d+\.\d+){2} +\d+\.\dx( +\d+\.\d+){2} +\d+\.\dx ', line)
        assert line.endswith('3 of 3 masks equal, label map equal')


def test_each_stage_is_compared_exact_and_fast(bench, capsys):
    bench.print_whole_tiles(SMALL, rounds=1, counts=(2, 3))
    out = capsys.readouterr().out
    for name in ('encode', 'decode', 'finish', 'paint', 'total'):
        assert len(re.findall(rf'^{name} +\d+\.\d+s( +\d+\.\d+x){{2}}$', out, re.M)) == 2


def test_overhead_of_an_image_and_of_starting(bench, capsys, tmp_path):
    bench.print_overhead(tmp_path, images=3)
    assert re.search(
        r'CPU time: \d+\.\d ms an image .* --help \d+\.\d\d s', capsys.readouterr().out
    )


def test_writing_by_stage_and_by_threads(bench, capsys, tmp_path):
    bench.print_writing(tmp_path, rounds=1, tiles=3, side=128)
    out = capsys.readouterr().out
    for name in ('measured', 'painted', 'PNG', 'PNG, to disk', 'note', 'JSON', 'total'):
        assert re.search(rf'^{name} +(\d+\.\d\d +){{3}}\d+\.\d\d$', out, re.M), name
    for threads in (1, 2, 4):
        assert re.search(rf'^{threads} +\d+ +\d+\.\d +\d+\.\d\d ms +\d+\.\d\d$', out, re.M)
    assert len(list((tmp_path / 'threads-2/instances').iterdir())) == 3
