from types import SimpleNamespace

import pytest

from samrs_mm.core.errors import SamrsError
from samrs_mm.prepare.preparation import preparation_parser, prepare
from samrs_mm.prepare.tile_cutter import SceneTiles


class Cutter:
    """Four scenes of two splits, one of which can't be read, already cut."""

    splits, out = ('a', 'b'), 'OUT'
    scenes = tuple(SimpleNamespace(split=split) for split in 'abab')

    def __init__(self, error=None):
        self.error, self.started = error, False

    def start(self):
        self.started = True

    def run(self, workers):
        assert self.started
        assert workers == 3
        last = SceneTiles(3, error='d.tif: no such file')
        return [SceneTiles(0, 4, 4), SceneTiles(1, 2, 1), SceneTiles(2, 4, 4), last]

    def finish(self, results):
        if self.error:
            raise self.error
        return {'a': [], 'b': ['OUT/b/images: 2 files are missing: d.png, ...']}


def test_lines_go_to_the_caller_and_nowhere_else(capsys):
    counts, problems = [], []
    assert prepare(Cutter(), 3, {'a': 9}, counts.append, problems.append) == 1
    assert counts == [
        'a        8 tiles = 2 scenes x 4 (the paper has 9)',
        'b        2 tiles = 1 scene x 2, 1 were there before; 1 scene failed',
        'written  OUT',
    ]
    assert problems == ['failed: OUT/b/images: 2 files are missing: d.png, ...']
    assert capsys.readouterr() == ('', '')


def test_what_cannot_be_written_is_told_in_a_line():
    cutter = Cutter(OSError(13, 'Permission denied', 'OUT/tiles.json'))
    with pytest.raises(SamrsError, match=r'^OUT/tiles.json: Permission denied$'):
        prepare(cutter, 3, {}, print, print)


def test_the_parser_has_the_flags_of_both_tools():
    args = preparation_parser('What it does.', 'examples', 'data/x').parse_args(['down'])
    assert (args.root, args.out, args.partial) == ('down', 'data/x', False)
    assert args.workers >= 1
