"""Cut a second time: what is done, stopped, mended, replaced, gone, or of others."""

import os

import numpy as np
import pytest
from box_tile_cases import TILE, make, run
from folders import tree
from PIL import Image

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import TileSpec
from samrs_mm.prepare.box_tiles import BoxTileCutter


@pytest.mark.parametrize('nth', [1, 2, 3, 8, 9, 20])
def test_goes_on_where_it_stopped(dota, tmp_path, monkeypatch, nth):
    run(make(dota, tmp_path / 'whole'))
    out, calls, original = tmp_path / 'out', [], os.replace

    def dying(*args):
        calls.append(args)
        if len(calls) == nth:
            raise KeyboardInterrupt
        original(*args)

    monkeypatch.setattr(os, 'replace', dying)
    with pytest.raises(KeyboardInterrupt):
        run(make(dota, out))
    before = {path: path.stat().st_mtime_ns for path in out.glob('*/*')}
    opened = []
    open_scene = SceneImage.__init__
    monkeypatch.setattr(
        SceneImage, '__init__', lambda self, path: (opened.append(path), open_scene(self, path))[1]
    )
    results = run(make(dota, out))
    assert tree(out) == tree(tmp_path / 'whole')
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert len(opened) <= 5
    assert sum(result.written for result in results) == sum(
        result.tiles for result in results
    ) - sum(path.suffix == '.png' for path in before)
    opened.clear()
    assert sum(result.written for result in run(make(dota, out))) == 0
    assert opened == []


def test_killed_before_it_named_the_folder_its_own(dota, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / '.tiles.json.tmp').write_bytes(b'{')
    run(make(dota, out))
    assert not (out / '.tiles.json.tmp').exists()


def test_labels_follow_when_they_are_mended(dota, tmp_path):
    run(make(dota, tmp_path / 'out'))
    (dota / 'labelTxt/P0001.txt').write_text('1 1 9 1 9 9 1 9 plane 0\n')
    results = run(make(dota, tmp_path / 'out'))
    assert sum(result.written for result in results) == 0
    run(make(dota, tmp_path / 'fresh'))
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


def test_other_settings_are_refused(dota, tmp_path):
    run(make(dota, tmp_path / 'out'))
    before = tree(tmp_path / 'out')
    with pytest.raises(
        RefusedError, match=r'other settings \(tile\.iof: 0\.6 -> 0\.5\); use the same'
    ):
        make(dota, tmp_path / 'out', TileSpec(60, 20, 0.5, (9, 8, 7))).start()
    assert tree(tmp_path / 'out') == before


@pytest.mark.parametrize('name', ['thesis.tex', 'images/P0000.png', 'images/P9__60__0___0.png'])
@pytest.mark.parametrize('started', [False, True])
def test_files_of_others_are_refused(dota, tmp_path, name, started):
    out = tmp_path / 'out'
    if started:
        run(make(dota, out))
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(b'')
    before = tree(out)
    with pytest.raises(RefusedError, match=f'not of this tool and dataset, such as {name}; choose'):
        make(dota, out).start()
    assert tree(out) == before


def test_the_data_themselves_are_no_place_for_tiles(dota):
    before = tree(dota)
    with pytest.raises(RefusedError, match='not of this tool'):
        make(dota, dota).start()
    assert tree(dota) == before


def test_a_foreign_meta_is_refused(dota, tmp_path):
    (tmp_path / 'tiles.json').write_bytes(b'[]')
    cutter = BoxTileCutter(make(dota, tmp_path / 'out').plan, tmp_path / 'out')
    cutter.start()
    (tmp_path / 'out/tiles.json').write_bytes(b'[]')
    with pytest.raises(RefusedError, match=r'tiles\.json: not a tiles\.json of this tool'):
        cutter.start()


def test_a_mended_scene_is_cut_by_the_next_run(dota, tmp_path):
    good = (dota / 'images/P0001.png').read_bytes()
    (dota / 'images/P0001.png').write_bytes(b'')
    assert run(make(dota, tmp_path / 'out'))[1].error
    (dota / 'images/P0001.png').write_bytes(good)
    assert run(make(dota, tmp_path / 'out'))[1].error is None
    run(make(dota, tmp_path / 'fresh'))
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


@pytest.mark.parametrize('lost', [False, True])
@pytest.mark.parametrize('size', [(96, 128), (64, 50)])
def test_a_replaced_image_is_cut_anew_and_a_touched_one_is_not(dota, tmp_path, size, lost):
    out = tmp_path / 'out'
    run(make(dota, out))
    before = {path: path.stat().st_mtime_ns for path in (out / 'images').iterdir()}
    if lost:
        (out / 'inputs.tsv').unlink()
    else:
        os.utime(dota / 'images/P0000.png')
    path = dota / 'images/P0001.png'
    Image.fromarray(np.asarray(Image.open(path))[: size[0], : size[1]][::-1]).save(path)
    results = run(make(dota, out), workers=2)
    assert [result.anew for result in results] == [False, True, False, False, False]
    run(make(dota, tmp_path / 'new'))
    assert tree(out) == tree(tmp_path / 'new')
    after = {path: path.stat().st_mtime_ns for path in (out / 'images').iterdir()}
    assert all(before[path] == after[path] for path in after if not path.stem.startswith('P0001'))
    assert not any(result.anew for result in run(make(dota, out)))


@pytest.mark.parametrize('drop', [False, True])
def test_tiles_follow_changed_labels(dota, tmp_path, drop):
    tile = TileSpec(size=60, overlap=20, iof=0.6, pad=(9, 8, 7), drop_empty=drop)
    run(make(dota, tmp_path / 'out', tile))
    text = (dota / 'labelTxt/P0002.txt').read_text().splitlines(keepends=True)
    (dota / 'labelTxt/P0002.txt').write_text(''.join(text[:1]))
    (dota / 'labelTxt/P0001.txt').unlink()
    run(make(dota, tmp_path / 'out', tile))
    run(make(dota, tmp_path / 'new', tile))
    assert tree(tmp_path / 'out') == tree(tmp_path / 'new')


def test_label_files_written_again_and_tiles_that_a_scene_has_no_longer_are_counted(dota, tmp_path):
    tile = TileSpec(size=60, overlap=20, iof=0.6, pad=(9, 8, 7), drop_empty=True)
    for spec, out in ((TILE, 'all'), (tile, 'full')):
        run(make(dota, tmp_path / out, spec))
    (dota / 'labelTxt/P0001.txt').write_text('1 1 9 1 9 9 1 9 plane 0\n')
    (dota / 'labelTxt/P0002.txt').unlink()
    counts = [(r.relabelled, r.dropped) for r in run(make(dota, tmp_path / 'all'))]
    tiles = len(list((tmp_path / 'all/images').glob('P0002__*')))
    assert counts[0] == (0, 0)
    assert counts[1][0] >= 1
    assert counts[2] == (tiles, 0)
    assert not any(r.relabelled for r in run(make(dota, tmp_path / 'all')))
    before = len(os.listdir(tmp_path / 'full/images'))
    dropped = [result.dropped for result in run(make(dota, tmp_path / 'full', tile))]
    assert dropped[0] == 0
    assert sum(dropped) >= before - len(os.listdir(tmp_path / 'full/images')) > 0


def test_scenes_that_are_gone_keep_their_tiles_until_they_are_pruned(dota, tmp_path):
    out = tmp_path / 'out'
    run(make(dota, out))
    for name in ('images/P0001.png', 'labelTxt/P0001.txt'):
        (dota / name).rename(dota / name.replace('P0001', 'Q7'))
    before = {path.name for path in (out / 'images').glob('P0001__*')}
    for _ in range(2):  # noted as ours by the second, too
        cutter = make(dota, out)
        run(cutter)
        assert list(cutter.gone) == ['P0001']
        assert {path.name for path in (out / 'images').glob('P0001__*')} == before
    cutter = make(dota, out)
    cutter.start()
    assert cutter.prune() == len(before)
    cutter.finish(cutter.run(0))
    run(make(dota, tmp_path / 'new'))
    assert tree(out) == tree(tmp_path / 'new')


def test_tiles_of_another_dataset_altogether_are_foreign(dota, tmp_path):
    run(make(dota, tmp_path / 'out'))
    for path in [*dota.glob('*/P*')]:
        path.rename(path.with_name('Q' + path.name))
    with pytest.raises(RefusedError, match='not of this tool and dataset'):
        make(dota, tmp_path / 'out').start()


@pytest.mark.parametrize('spoiled', ['images/P0001.png', 'labelTxt/P0001.txt'])
def test_a_scene_that_can_no_longer_be_read_loses_its_old_tiles(dota, tmp_path, spoiled):
    out = tmp_path / 'out'
    run(make(dota, out))
    (dota / spoiled).unlink()
    if spoiled.endswith('txt'):
        (dota / spoiled).mkdir()
    else:
        (dota / spoiled).write_bytes(b'')
    (dota / 'images/P0002.png').unlink()
    results = run(make(dota, out))
    assert 'old tiles are deleted, its files changed' in results[1].error
    assert not list(out.glob('*/P0001__*'))
    assert 'old tiles stay' in results[2].error
    assert list(out.glob('*/P0002__*'))
    assert [r.error for r in results[3:]] == [None, None]


def test_tiles_of_a_killed_call_are_known_to_be_of_its_image(dota, tmp_path, monkeypatch):
    """Cut, replaced, cut half, and the old image put back with its old time."""
    path, out = dota / 'images/P0001.png', tmp_path / 'out'
    run(make(dota, out))
    whole, old, times = tree(out), path.read_bytes(), path.stat()
    Image.fromarray(np.asarray(Image.open(path))[::-1]).save(path)
    original, written = BoxTileCutter._write_image, []

    def killed(self, target, *args):
        if written:
            raise KeyboardInterrupt
        original(self, target, *args)
        written.append(target)

    with monkeypatch.context() as patch:
        patch.setattr(BoxTileCutter, '_write_image', killed)
        with pytest.raises(KeyboardInterrupt):
            run(make(dota, out))
    path.write_bytes(old)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    run(make(dota, out))
    assert tree(out) == whole


def test_an_unchanged_image_is_not_hashed_again(dota, tmp_path, monkeypatch):
    run(make(dota, tmp_path / 'out'))
    monkeypatch.setattr('samrs_mm.core.input_notes.file_sha256', lambda path: 1 / 0)
    assert not any(result.error for result in run(make(dota, tmp_path / 'out')))
