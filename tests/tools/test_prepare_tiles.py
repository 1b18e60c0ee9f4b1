import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from folders import CONFIG, ROOT, load_tool, tree, write_dota
from PIL import Image
from sessions import run_in_session, session_lives

NAME = 'dataset_converters/prepare_tiles'
TOOL = str(ROOT / 'tools' / f'{NAME}.py')
TILE = ('--size', '60', '--overlap', '20')


@pytest.fixture(scope='module')
def tool():
    return load_tool(NAME)


@pytest.fixture
def prepare(tool, dota, tmp_path):
    """Run the tool in this process: ``prepare('--size', 50, out='a')`` -> exit code."""

    def run(*flags, out='out', source=None, workers=0):
        source = source or (CONFIG, '--data-root', str(dota))
        flags = (*source, '--out', str(tmp_path / out), '--workers', workers, *flags)
        return tool.main([str(flag) for flag in flags])

    return run


def test_as_users_start_it(dota, tmp_path, prepare):
    out = tmp_path / 'out'
    command = [sys.executable, TOOL, CONFIG, '--data-root', str(dota), '--out', str(out), *TILE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r'^scenes   5, 0 failed$', done.stdout, re.M)
    assert re.search(r'^tiles    30, \d+ without boxes, 0 were there before$', done.stdout, re.M)
    assert re.search(r'^boxes    18 in the labels$', done.stdout, re.M)
    assert prepare(*TILE, out='again') == 0
    assert tree(tmp_path / 'again') == tree(out)


def test_killed_again_and_again_ends_with_the_same_bytes(tmp_path, prepare):
    """SIGKILL goes to the tool alone: its processes have to end by themselves."""
    data = write_dota(tmp_path / 'data', scenes=6, size=(160, 200))
    source = (CONFIG, '--data-root', str(data))
    assert prepare(*TILE, out='whole', source=source) == 0
    out = tmp_path / 'out'
    argv = [*source, '--out', str(out), *TILE, '--workers', '2']
    whole = tree(tmp_path / 'whole')
    for nth in (2, 3, 9, 12, 15):  # the first is that of tiles.json, before there are processes
        process = run_in_session(NAME, argv, tmp_path / 'log', signal.SIGKILL, nth)
        assert process.exitcode == -signal.SIGKILL, (tmp_path / 'log').read_text()
        deadline = time.monotonic() + 10
        while session_lives(process.pid):
            assert time.monotonic() < deadline, 'processes were left behind'
            time.sleep(0.01)
        assert {name: whole[name] for name in tree(out) if '.tmp' not in name} != whole
    assert prepare(*TILE, source=source) == 0
    assert tree(out) == whole


def test_interrupted(dota, tmp_path):
    argv = [CONFIG, '--data-root', str(dota), '--out', str(tmp_path / 'out'), *TILE]
    process = run_in_session(NAME, [*argv, '--workers', '2'], tmp_path / 'log', signal.SIGTERM, 2)
    told = (tmp_path / 'log').read_text()
    assert process.exitcode == 1, told
    assert 'interrupted; the same command goes on from here' in told
    assert 'Traceback' not in told
    assert not session_lives(process.pid)


def test_the_tile_of_the_config_and_the_flags_over_it(prepare, tmp_path, dota):
    options = ('--cfg-options', 'tile.size=70', 'tile.overlap=0', 'tile.pad=[1,2,3]')
    assert prepare('--overlap', '30', *options) == 0
    names = {path.name for path in (tmp_path / 'out/images').glob('P0000*')}
    assert names == {
        'P0000__70__0___0.png', 'P0000__70__40___0.png', 'P0000__70__58___0.png',
        'P0000__70__0___26.png', 'P0000__70__40___26.png', 'P0000__70__58___26.png',
    }  # fmt: skip
    assert prepare('--size', '200', '--cfg-options', 'tile.pad=[1,2,3]', out='padded',
                   source=(CONFIG, '--data-root', dota)) == 2  # fmt: skip
    assert prepare('--size', '300', '--cfg-options', 'tile.pad=[1,2,3]', out='padded') == 0
    tile = np.asarray(Image.open(tmp_path / 'padded/images/P0000__300__0___0.png'))
    assert tile[-1, -1].tolist() == [1, 2, 3]


def test_annotating_tiles_equals_tiling_while_annotating(prepare, annotate, dota, tmp_path):
    for path in (dota / 'labelTxt').iterdir():  # whole numbers: moving them into a tile is exact
        path.write_text(re.sub(r'\.\d+', '', path.read_text()))
    fill = 'model.type=BoxFillSegmentor'
    tile = ('tile.size=60', 'tile.overlap=20', 'tile.iof=0.6')
    assert prepare(*TILE, '--iof', '0.6', out='tiles') == 0
    assert annotate('--cfg-options', fill, *tile, out='at once') == 0
    assert annotate('--cfg-options', fill, out='in two', data=tmp_path / 'tiles') == 0
    for part in ('semantic', 'images'):
        two = tmp_path / ('tiles' if part == 'images' else 'in two') / part
        assert tree(tmp_path / 'at once' / part) == tree(two)


def test_clips_of_a_plain_folder(prepare, dota, tmp_path, capsys):
    source = ('--images', dota / 'images')
    assert prepare('--size', '64', '--overlap', '14', source=source, workers=2) == 0
    assert not (tmp_path / 'out/labelTxt').exists()
    assert 'P0004__64__64___32.png' in os.listdir(tmp_path / 'out/images')
    assert 'boxes    0 in the labels' in capsys.readouterr().out


def test_clips_of_listed_images(prepare, dota, tmp_path):
    (tmp_path / 'train.txt').write_text('P0003\nP0001\n')
    source = ('--images', dota / 'images', '--list', tmp_path / 'train.txt')
    assert prepare('--size', '64', '--overlap', '14', source=source) == 0
    stems = {path.name.split('__')[0] for path in (tmp_path / 'out/images').iterdir()}
    assert stems == {'P0001', 'P0003'}


def test_counting_without_data(tool, tmp_path, monkeypatch, capsys):
    """The paper's number of clips of SAMRS's training set."""
    monkeypatch.chdir(tmp_path)
    sizes = ('1024x1024:16606', '800x800:11139', '600x600:60940')
    assert tool.main(['--count', *sizes, '--size', '384', '--overlap', '84']) == 0
    told = capsys.readouterr().out
    assert '600x600: 60,940 images, 4 tiles each, 243,760 tiles\n' in told
    assert 'tiles    609707\ndisk     about 188,800.4 MB\n' in told
    assert not list(tmp_path.iterdir())


def test_the_count_is_what_is_cut(prepare, tool, dota, tmp_path, capsys):
    with Image.open(dota / 'images/P0000.png') as image:
        width, height = image.size
    tool.main([CONFIG, '--count', f'{width}x{height}:5', *TILE])
    assert 'tiles    30\n' in capsys.readouterr().out
    assert prepare(*TILE) == 0
    assert len(list((tmp_path / 'out/images').iterdir())) == 30


def test_a_config_lends_its_tile_to_a_plain_folder(prepare, dota, tmp_path):
    source = (CONFIG, '--images', dota / 'images')
    options = ('tile.size=64', 'tile.overlap=0', 'tile.drop_empty=True')
    assert prepare('--cfg-options', *options, source=source) == 0
    assert len(os.listdir(tmp_path / 'out/images')) == 5 * 4


def test_dry_run(prepare, tmp_path, capsys):
    assert prepare(*TILE, '--dry-run') == 0
    assert not (tmp_path / 'out').exists()
    told = capsys.readouterr().out
    assert 'tiles    30' in told
    assert 'disk     about 0.2 MB' in told


def test_what_cannot_be_read(prepare, dota, capsys):
    (dota / 'images/P0001.png').write_bytes(b'')
    (dota / 'images/P0002.png').unlink()
    (dota / 'labelTxt/P0000.txt').write_text('1 1 9 1 9 9 1 9 ship 0\nx\n')
    assert prepare(*TILE) == 1
    told = capsys.readouterr()
    assert 'failed: ' in told.err
    assert 'P0001.png: the image file is empty (0 bytes)' in told.err
    assert 'failed: labelTxt/P0002.txt: no image for its 5 boxes' in told.err
    assert "malformed: labelTxt/P0000.txt:2: 1 columns in 'x'" in told.err
    assert 'scenes   5, 2 failed' in told.out
    assert '  malformed 1\n  failed    9\n' in told.out
    assert re.search(r'boxes    17 in the labels\n  tiled     7, ', told.out)


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('none.py',), 'error: config none.py: no such file'),
        ((CONFIG, '--data-root', 'none'), 'no such folder'),
        ((CONFIG, '--size', '100'), 'error: tile: overlap 200 must be in 0..99'),
        ((CONFIG, '--iof', '2'), 'error: tile: iof 2.0 must be in (0, 1]'),
        ((CONFIG, '--cfg-options', 'tile.sise=3'), "error: tile: unknown key 'sise'"),
        (('--images', 'none'), 'error: images none: no such folder, or no images in it'),
        ((), 'error: give a CONFIG, or --images DIR'),
        ((CONFIG, '--images', '.', '--data-root', '.'), '--images and --data-root exclude'),
        (('--images', '.', '--cfg-options', 'tile.size=3'), '--cfg-options needs a CONFIG'),
        ((CONFIG, '--list', 'train.txt'), '--list needs --images'),
        (('--count', '5x5'), "argument --count: '5x5' is not WIDTHxHEIGHT:IMAGES"),
        ((CONFIG, '--workers', '-1'), '--workers -1 is not a whole number of at least 0'),
    ],
)
def test_refused(tool, dota, tmp_path, capsys, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    root = () if '--images' in flags or '--data-root' in flags else ('--data-root', str(dota))
    try:
        code = tool.main([*flags, *(root if flags else ()), '--out', 'out'])
    except SystemExit as error:
        code = error.code
    assert code == 2
    err = capsys.readouterr().err
    assert message in err
    assert not (tmp_path / 'out').exists()


def test_other_settings_into_the_same_folder(prepare, tmp_path, capsys):
    assert prepare(*TILE) == 0
    before = tree(tmp_path / 'out')
    assert prepare('--size', '64', '--overlap', '20') == 2
    assert 'was started with other settings (tile.size: 60 -> 64)' in capsys.readouterr().err
    assert prepare(*TILE) == 0
    assert tree(tmp_path / 'out') == before


def test_a_full_disk_stops_it_at_once(prepare, monkeypatch, capsys, tmp_path):
    assert prepare(*TILE, out='whole') == 0
    original, written = os.replace, []

    def full(*args):
        written.append(args)
        if len(written) > 7:
            raise OSError(28, 'No space left on device')
        original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', full)
        assert prepare(*TILE) == 1
    told = capsys.readouterr().err
    assert told.count('failed: ') == 1
    assert 'out: no space left on the device; free some and run the same command' in told
    assert prepare(*TILE) == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_what_changed_since_is_told(prepare, dota, tmp_path, capsys):
    assert prepare(*TILE) == 0
    (dota / 'labelTxt/P0002.txt').write_text('1 1 9 1 9 9 1 9 plane 0\n')
    for name in ('images/P0001.png', 'labelTxt/P0001.txt'):
        (dota / name).unlink()
    capsys.readouterr()
    assert prepare(*TILE) == 1
    told = capsys.readouterr()
    line = r'^changed  [1-9] label files of tiles that were there before, of 1 scene: P0002$'
    assert re.search(line, told.out, re.M)
    out = tmp_path / 'out'
    assert f'gone: 1 scene with tiles in {out} is not in {dota} any more: P0001; ' in told.err
    assert prepare(*TILE, '--prune') == 0
    assert 'prune: deleted 6 tiles of 1 scene' in capsys.readouterr().out
    assert prepare(*TILE, out='new') == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')
    assert '\nchanged ' not in capsys.readouterr().out
