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

TOOL = str(ROOT / 'tools/dataset_converters/prepare_tiles.py')
TILE = ('--size', '60', '--overlap', '20')


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/prepare_tiles')


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


def test_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, prepare):
    """Run with SIGKILL sent to the tool alone: its processes must end by themselves."""
    big = write_dota(tmp_path / 'big', scenes=6, size=(700, 900))
    source, flags = (CONFIG, '--data-root', str(big)), ('--size', '100', '--overlap', '50')
    assert prepare(*flags, out='whole', source=source) == 0
    out = tmp_path / 'out'
    command = [sys.executable, TOOL, *source, '--out', str(out), *flags, '--workers', '2']
    for count in (5, 300):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        while process.poll() is None and len(list(out.glob('images/*'))) < count:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        deadline = time.monotonic() + 10
        while session_lives(process.pid):
            assert time.monotonic() < deadline, 'processes were left behind'
            time.sleep(0.02)
    assert len(list(out.glob('images/*.png'))) < len(list((tmp_path / 'whole/images').iterdir()))
    assert prepare(*flags, source=source) == 0
    assert tree(out) == tree(tmp_path / 'whole')


def session_lives(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


def test_interrupted(tmp_path, dota):
    command = [sys.executable, TOOL, CONFIG, '--data-root', str(dota), '--out', 'out', *TILE]
    hook = 'import sys, signal, os, runpy\n' + (
        'from samrs_mm.engine.tile_cutter import TileCutter\n'
        'TileCutter.cut = lambda self, scene: (os.kill(os.getppid(), signal.SIGTERM), '
        '__import__("time").sleep(60))\n'
        'sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name="__main__")\n'
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-c', hook, *command[1:], '--workers', '2'],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert time.monotonic() - start < 40
    assert done.returncode == 1
    assert 'interrupted; the same command goes on from here' in done.stderr
    assert 'Traceback' not in done.stderr


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


def test_annotating_tiles_equals_tiling_while_annotating(prepare, annotate, tmp_path):
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
    assert 'was begun with other settings (tile.size: 60 -> 64)' in capsys.readouterr().err
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
