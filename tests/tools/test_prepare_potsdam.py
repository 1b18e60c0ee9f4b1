import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import POTSDAM_COLOURS, put_together, write_potsdam
from folders import ROOT, load_tool, tree
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, windows
from samrs_mm.formats.scenes.potsdam import SCENES
from samrs_mm.formats.scenes.tile_index import read_scene_sizes

TOOL = ROOT / 'tools/dataset_converters/prepare_potsdam.py'
SOME = ('2_10', '4_12', '6_7', '2_13')
SIZE = (640, 560)  # 2 x 2 tiles


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/prepare_potsdam')


@pytest.fixture
def prepare(tool, tmp_path):
    def run(*flags, out='out', workers=0):
        flags = (tmp_path / 'raw', '--out', tmp_path / out, '--workers', workers, *flags)
        return tool.main([str(flag) for flag in flags])

    return run


def test_a_scene_gives_361_tiles_and_the_set_the_papers_numbers():
    spec = TileSpec(size=512, overlap=512 - 320)
    (first, *_, last) = tiles = windows(6000, 6000, spec)
    assert len(tiles) == 361
    assert (first.x, first.y, last.x, last.y) == (0, 0, 5488, 5488)
    assert [len(SCENES[split]) * 361 for split in ('train', 'test')] == [8664, 5054]
    assert not set(SCENES['train']) & set(SCENES['test'])
    assert {'2_10', '5_12', '7_7', '7_12', '7_10'} <= set(SCENES['train'])


def test_as_users_start_it(tmp_path):
    write_potsdam(tmp_path / 'raw', [*SCENES['train'], *SCENES['test']], (96, 80))
    command = [sys.executable, str(TOOL), str(tmp_path / 'raw'), '--out', str(tmp_path / 'out')]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'train    24 tiles = 24 scenes x 1 (the paper has 8,664)\n' in done.stdout
    assert 'test     14 tiles = 14 scenes x 1 (the paper has 5,054)\n' in done.stdout
    assert len(os.listdir(tmp_path / 'out/train/images')) == 24


def test_tiles_put_together_are_the_scenes_defects_and_all(prepare, tmp_path, capsys):
    written = write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    assert 'train    12 tiles = 3 scenes x 4' in capsys.readouterr().out
    for name, (image, label) in written.items():
        root = tmp_path / 'out' / ('test' if name == '2_13' else 'train')
        found_image, found_label = put_together(root, name, SIZE)
        np.testing.assert_array_equal(found_image, image)
        np.testing.assert_array_equal(found_label, label, err_msg=name)
        assert set(np.unique(label)) == {0, 1, 2, 3, 4, 255}
    assert read_scene_sizes(tmp_path / 'out/train') == dict.fromkeys(SOME[:3], SIZE[::-1])


def test_the_other_labels_and_not_both_in_one_folder(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE, kind='')
    assert prepare('--partial', '--labels', 'all') == 0
    whole = tree(tmp_path / 'out')
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 2
    assert 'other settings (source: "all" -> "noBoundary")' in capsys.readouterr().err
    assert tree(tmp_path / 'out') == whole


@pytest.mark.parametrize(
    'lost', ['top_potsdam_3_11_RGB.tif', 'top_potsdam_7_13_label_noBoundary.tif']
)
def test_an_incomplete_download_names_what_is_missing(prepare, tmp_path, capsys, lost):
    write_potsdam(tmp_path / 'raw', [*SCENES['train'], *SCENES['test']], (32, 32))
    (path,) = (tmp_path / 'raw').rglob(lost)
    path.unlink()
    assert prepare() == 2
    err = capsys.readouterr().err
    assert f'1 of 76 files is missing, such as {lost}; unpack 2_Ortho_RGB.zip and' in err
    assert 'or give --partial to take the 37 scenes' in err
    assert err.count('\n') == 1
    assert not (tmp_path / 'out').exists()
    assert prepare('--partial') == 0


def test_nothing_there(prepare, tmp_path, capsys):
    assert prepare() == 2
    assert 'raw: no such folder' in capsys.readouterr().err
    (tmp_path / 'raw').mkdir()
    assert prepare('--partial') == 2
    assert 'no scene with both files, such as top_potsdam_2_10_RGB.tif' in capsys.readouterr().err


def test_copies_in_two_folders_are_fine_and_others_refused(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    (label,) = (tmp_path / 'raw').rglob('top_potsdam_2_10_label_noBoundary.tif')
    copy = tmp_path / 'raw/5_Labels_for_participants' / label.name
    copy.parent.mkdir()
    copy.write_bytes(label.read_bytes())
    assert prepare('--partial') == 0
    copy.write_bytes(b'x')
    assert prepare('--partial') == 2
    assert 'have one name but differ; keep only the right one' in capsys.readouterr().err


def test_one_bad_file_does_not_lose_the_rest(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    (path,) = (tmp_path / 'raw').rglob('top_potsdam_4_12_RGB.tif')
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (empty,) = (tmp_path / 'raw').rglob('top_potsdam_6_7_label_noBoundary.tif')
    empty_before = empty.read_bytes()
    empty.write_bytes(b'')
    assert prepare('--partial', workers=2) == 1
    told = capsys.readouterr()
    assert re.search(r'failed: \S*top_potsdam_4_12_RGB.tif: cannot read the image', told.err)
    assert re.search(r'failed: \S*6_7_label_noBoundary.tif: the image file is empty', told.err)
    assert 'train    4 tiles = 1 scene x 4; 2 scenes failed' in told.out
    assert 'test     4 tiles' in told.out
    with pytest.raises(RefusedError, match='not all scenes are cut yet'):
        read_scene_sizes(tmp_path / 'out/train')
    path.write_bytes(whole)
    empty.write_bytes(empty_before)
    assert prepare('--partial') == 0
    assert 'train    12 tiles = 3 scenes x 4, 4 were there before' in capsys.readouterr().out


def test_labels_of_another_size_or_colour_are_named(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    labels = tmp_path / 'raw/5_Labels_all_noBoundary'
    Image.new('RGB', (9, 8)).save(labels / 'top_potsdam_2_10_label_noBoundary.tif')
    colours = np.broadcast_to(POTSDAM_COLOURS[0], (*SIZE, 3)).copy()
    colours[300, 7] = (250, 20, 251)
    Image.fromarray(colours).save(labels / 'top_potsdam_2_13_label_noBoundary.tif')
    assert prepare('--partial') == 1
    err = capsys.readouterr().err
    assert '2_10_label_noBoundary.tif: 9 x 8 px, but its image' in err
    assert 'has 560 x 640; they must be of one size' in err
    assert '2_13_label_noBoundary.tif: colour (250, 20, 251) at x=7, y=300 is of no class' in err


def test_a_changed_file_is_noticed_and_cut_anew(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    (path,) = (tmp_path / 'raw').rglob('top_potsdam_6_7_RGB.tif')
    smaller = np.asarray(Image.open(path))[:600] // 2
    Image.fromarray(smaller).save(path)
    (label,) = (tmp_path / 'raw').rglob('top_potsdam_6_7_label_noBoundary.tif')
    Image.fromarray(np.asarray(Image.open(label))[:600]).save(label)
    capsys.readouterr()
    assert prepare('--partial') == 0
    assert '12 tiles = 3 scenes x 4, 8 were there before' in capsys.readouterr().out
    np.testing.assert_array_equal(
        put_together(tmp_path / 'out/train', '6_7', (600, 560))[0], smaller
    )


def test_only_missing_tiles_are_made(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    whole = tree(tmp_path / 'out')
    (tmp_path / 'out/train/images/2_10__512__0___0.png').unlink()
    (tmp_path / 'out/train/labels/2_10__512__0___0.png').unlink()
    kept = tmp_path / 'out/train/images/2_10__512__48___0.png'
    before = kept.stat().st_mtime_ns
    assert prepare('--partial') == 0
    assert '12 tiles = 3 scenes x 4, 11 were there before' in capsys.readouterr().out
    assert tree(tmp_path / 'out') == whole
    assert kept.stat().st_mtime_ns == before
    (tmp_path / 'out/train/labels/2_10__512__0___0.png').unlink()
    (tmp_path / 'out/train/images/x.png').write_bytes(b'')
    assert prepare('--partial') == 1
    told = capsys.readouterr()
    assert '12 tiles = 3 scenes x 4, 11 were there before' in told.out, 'the label alone'
    err = told.err
    assert 'images: 1 file is not of these scenes; remove them: x.png' in err


def test_interrupted_anywhere_and_killed_it_ends_with_the_same_bytes(
    prepare, tmp_path, monkeypatch, capsys
):
    write_potsdam(tmp_path / 'raw', SOME[1:], SIZE)
    assert prepare('--partial', out='whole') == 0
    whole, original = tree(tmp_path / 'whole'), os.replace
    for nth in (1, 2, 3, 4, 5, 8):
        written = []

        def stop(*args, nth=nth, written=written):
            written.append(args)
            if len(written) == nth:
                raise KeyboardInterrupt
            original(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, 'replace', stop)
            assert prepare('--partial') == 1
        assert 'interrupted; the same command goes on from here' in capsys.readouterr().err
    assert killed_at(5, tmp_path) == -signal.SIGKILL
    assert tree(tmp_path / 'out') != whole
    assert prepare('--partial') == 0
    assert tree(tmp_path / 'out') == whole


def killed_at(nth: int, folder: Path) -> int:
    """Run the tool by itself until the nth file is renamed; return its exit code."""
    code = (
        'import os, runpy, signal, sys\n'
        'original, count = os.replace, iter(range(1, 10**6))\n'
        'def deadly(*args):\n'
        f'    if next(count) == {nth}: os.kill(os.getpid(), signal.SIGKILL)\n'
        '    original(*args)\n'
        'os.replace = deadly\n'
        f'sys.argv = ["x", {str(folder / "raw")!r}, "--out", {str(folder / "out")!r},'
        ' "--partial", "--workers", "0"]\n'
        f'runpy.run_path({str(TOOL)!r}, run_name="__main__")'
    )
    return subprocess.run([sys.executable, '-c', code], capture_output=True).returncode


def test_a_full_disk_stops_it_at_once(prepare, tmp_path, monkeypatch, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    original, written = os.replace, []

    def full(*args):
        written.append(args)
        if len(written) > 6:
            raise OSError(28, 'No space left on device')
        original(*args)

    monkeypatch.setattr(os, 'replace', full)
    assert prepare('--partial') == 1
    told = capsys.readouterr().err
    assert told.count('failed: ') == 1
    assert 'out: no space left on the device; free some and run the same command' in told


def test_a_folder_of_something_else_is_left_alone(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    (tmp_path / 'out/train').mkdir(parents=True)
    (tmp_path / 'out/train/mine.txt').write_text('x')
    assert prepare('--partial') == 2
    assert 'holds files that are not of this tool' in capsys.readouterr().err
    assert os.listdir(tmp_path / 'out/train') == ['mine.txt']


@pytest.mark.slow
def test_a_scene_of_the_real_size(prepare, tmp_path, capsys):
    written = write_potsdam(tmp_path / 'raw', ['4_12'], (6000, 6000))
    assert prepare('--partial') == 0
    assert 'train    361 tiles = 1 scene x 361' in capsys.readouterr().out
    image, label = put_together(tmp_path / 'out/train', '4_12', (6000, 6000))
    assert (image == written['4_12'][0]).all()
    assert (label == written['4_12'][1]).all()


def test_a_replaced_scene_is_cut_anew_and_a_touched_one_is_not(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*.png')}
    for path in (tmp_path / 'raw').rglob('*.tif'):
        os.utime(path, (1, 1))
    (changed,) = (tmp_path / 'raw').rglob('top_potsdam_2_10_RGB.tif')
    Image.fromarray(np.asarray(Image.open(changed))[::-1]).save(changed)
    capsys.readouterr()
    assert prepare('--partial') == 0
    assert '1 scene cut anew, their files changed: 2_10\n' in capsys.readouterr().out
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out').rglob('*.png')}
    others = [path for path in before if not path.stem.startswith('2_10')]
    assert others
    assert all(before[path] == after[path] for path in others)
    whole = tree(tmp_path / 'out')
    shutil.rmtree(tmp_path / 'out')
    assert prepare('--partial') == 0
    assert tree(tmp_path / 'out') == whole


def test_tiles_of_an_older_version_are_taken_up(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    whole = tree(tmp_path / 'out')
    for path in (tmp_path / 'out').rglob('scenes/*.json'):
        record = json.loads(path.read_bytes())
        files = [next((tmp_path / 'raw').rglob(name)) for name in record['files']]
        record['files'] = [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]
        path.write_text(json.dumps(record))
    for path in (tmp_path / 'out').rglob('inputs.tsv'):
        path.unlink()
    (changed,) = (tmp_path / 'raw').rglob('top_potsdam_2_10_RGB.tif')
    os.utime(changed, (1, 1))
    capsys.readouterr()
    assert prepare('--partial') == 0
    assert '1 scene cut anew' in capsys.readouterr().out, 'it knew no hashes'
    assert tree(tmp_path / 'out') == whole


def test_tiles_of_a_scene_whose_changed_files_cannot_be_read_are_deleted(prepare, tmp_path, capsys):
    write_potsdam(tmp_path / 'raw', SOME, SIZE)
    assert prepare('--partial') == 0
    for name in ('2_10_RGB', '4_12_label_noBoundary'):
        (path,) = (tmp_path / 'raw').rglob(f'top_potsdam_{name}.tif')
        path.write_bytes(b'')
    capsys.readouterr()
    assert prepare('--partial') == 1
    assert capsys.readouterr().err.count('; its 4 old tiles are deleted, its files changed') == 2
    left = {path.name[:4] for path in (tmp_path / 'out').rglob('*.png')}
    assert left == {'6_7_', '2_13'}


def test_unchanged_scenes_are_not_hashed_again(prepare, tmp_path, monkeypatch):
    write_potsdam(tmp_path / 'raw', SOME[:1], SIZE)
    assert prepare('--partial') == 0
    monkeypatch.setattr('samrs_mm.core.input_notes.file_sha256', lambda path: 1 / 0)
    assert prepare('--partial') == 0
