"""``tile.once``: each box in one tile, whole, however the run is interrupted or shared."""

import csv
import json
import signal
from collections import Counter

import numpy as np
import pytest
from folders import CONFIG, load_tool, run_apart, tree
from PIL import Image

from samrs_mm.core.tiling import parse_tile_stem

TILE = ('tile.size=64', 'tile.overlap=16', 'tile.drop_empty=True')
LARGE = (10, 20, 150, 180)
"""No tile holds this box."""


def label(x0, y0, x1, y1, name='ship'):
    return f'{x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1} {name} 0\n'


@pytest.fixture
def data(tmp_path):
    """Two scenes of 300 x 200 px; small boxes on the seams of tiles, a large one, one outside."""
    rng = np.random.default_rng(0)
    for folder in ('images', 'labelTxt'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    for name in ('a', 'b'):
        pixels = rng.integers(0, 255, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'data/images/{name}.png')
        corners = rng.integers(5, (270, 170), (30, 2))
        boxes = [(x, y, x + 20, y + 14) for x, y in corners.tolist()]
        boxes += [LARGE, (-30, -30, -5, -5)]
        text = ''.join(label(*box) for box in boxes)
        (tmp_path / f'data/labelTxt/{name}.txt').write_text(text)
    return tmp_path / 'data'


@pytest.fixture
def arguments(tmp_path, data):
    def made(*flags, out='out', tile=(*TILE, 'tile.once=True')):
        flags = ['--data-root', str(data), '--out', str(tmp_path / out), '--workers', '0', *flags]
        return [CONFIG, *flags, '--cfg-options', 'model.type=BoxFillSegmentor', *tile]

    return made


@pytest.fixture(scope='module')
def annotate():
    return load_tool('sam_annotate').main


def ledger(out):
    with open(out / 'ledger.csv', newline='') as file:
        return list(csv.DictReader(file))


def test_each_box_once_and_whole(annotate, arguments, tmp_path):
    assert annotate(arguments()) == 0
    rows = ledger(tmp_path / 'out')
    assert len(rows) == 64
    assert Counter(row['status'] for row in rows) == {'kept': 62, 'untiled': 2}
    assert {row['reason'] for row in rows if row['status'] == 'untiled'} == {'it lies outside'}
    large = [row['tile'] for row in rows if row['box_id'].endswith(':31')]
    assert [parse_tile_stem(stem)[1].width for stem in large] == [232, 232]
    for path in (tmp_path / 'out/instances').glob('*.json'):
        image, *_ = (record := json.loads(path.read_text()))['image'], record
        for box in record['boxes']:
            corners = np.array(box['polygon'])
            assert (corners >= 0).all()
            assert (corners <= (image['width'], image['height'])).all()


def test_without_it_boxes_are_doubled_and_lost(annotate, arguments, tmp_path):
    assert annotate(arguments(tile=TILE)) == 0
    rows = ledger(tmp_path / 'out')
    assert len({row['box_id'] for row in rows}) == 64
    assert len(rows) > 80
    assert sum(row['status'] == 'untiled' for row in rows) == 4
    settings = json.loads((tmp_path / 'out/meta.json').read_text())['settings']['tile']
    assert 'once' not in settings, 'folders from before would be refused'


def test_killed_sharded_and_read_by_processes_it_ends_with_the_same_bytes(
    annotate, arguments, tmp_path
):
    assert annotate(arguments(out='whole')) == 0
    whole = tree(tmp_path / 'whole')
    for nth in (2, 9):
        code = run_apart(arguments(out='killed'), ('kill', 'replace', nth))
        assert code == -signal.SIGKILL
    assert annotate(arguments(out='killed')) == 0
    assert tree(tmp_path / 'killed') == whole
    for shard in ('1/2', '0/2'):
        assert annotate(arguments('--shard', shard, out='shards')) == 0
    assert tree(tmp_path / 'shards') == whole
    assert annotate(arguments('--workers', '2', out='read')) == 0
    assert tree(tmp_path / 'read') == whole
    assert annotate(arguments('--limit', '3', out='limited')) == 0
    assert annotate(arguments(out='limited')) == 0
    assert tree(tmp_path / 'limited') == whole


def test_a_moved_box_goes_to_another_tile(annotate, arguments, data, tmp_path, capsys):
    assert annotate(arguments()) == 0
    path = data / 'labelTxt/a.txt'
    lines = path.read_text().splitlines(keepends=True)
    lines[30] = label(100, 5, 298, 190)
    path.write_text(''.join(lines))
    assert annotate(arguments()) == 0
    assert annotate(arguments(out='new')) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_dry_run_counts_what_a_run_does(annotate, arguments, tmp_path, capsys):
    assert annotate(arguments('--dry-run')) == 0
    told = capsys.readouterr().out
    assert annotate(arguments()) == 0
    kept = len([row for row in ledger(tmp_path / 'out') if row['status'] == 'kept'])
    assert f'{kept}' in told


def test_tiles_for_training_have_them_once_too(data, tmp_path):
    argv = [CONFIG, '--data-root', str(data), '--out', str(tmp_path / 'tiles'), '--workers', '0']
    cut = load_tool('dataset_converters/prepare_tiles').main
    assert cut([*argv, '--cfg-options', *TILE, 'tile.once=True']) == 0
    texts = [path.read_text() for path in (tmp_path / 'tiles/labelTxt').glob('*.txt')]
    assert sum(len(text.splitlines()) for text in texts) == 62


@pytest.mark.parametrize('value', ['1', "'yes'", 'None'])
def test_a_value_that_is_no_switch(annotate, arguments, capsys, value):
    assert annotate(arguments(tile=(*TILE, f'tile.once={value}'))) == 2
    assert 'must be True or False' in capsys.readouterr().err
