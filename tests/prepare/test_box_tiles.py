import errno
import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
from folders import tree, write_dota
from PIL import Image
from tqdm import tqdm

from samrs_mm.annotate.plan import Plan
from samrs_mm.core import tiling
from samrs_mm.core.boxes import BoxLabel, geometry
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.dota import DOTABoxDataset, parse_dota
from samrs_mm.prepare import box_tiles
from samrs_mm.prepare.box_tiles import BoxTileCutter, ImageFolder, label_text

TILE = TileSpec(size=60, overlap=20, iof=0.6, pad=(9, 8, 7))


@pytest.fixture
def dota(tmp_path):
    return write_dota(tmp_path / 'dota')


def make(dota, out, tile=TILE, **options) -> BoxTileCutter:
    return BoxTileCutter(Plan(DOTABoxDataset(str(dota)), tile), out, **options)


def run(cutter, workers=0):
    cutter.start()
    results = cutter.run(workers)
    cutter.finish(results)
    return results


def test_tiles_are_windows_of_their_scene(dota, tmp_path):
    cutter = make(dota, tmp_path / 'out', TileSpec(size=100, overlap=30, pad=(9, 8, 7)))
    run(cutter)
    for tile in cutter.plan.tiles:
        scene = np.asarray(
            Image.open(dota / f'images/{cutter.plan.dataset.scenes[tile.scene].stem}.png')
        )
        pixels = np.asarray(Image.open(tmp_path / f'out/images/{tile.stem}.png'))
        x, y = tile.window.x, tile.window.y
        inside = scene[y : y + 100, x : x + 100]
        assert pixels.shape == (100, 100, 3)
        np.testing.assert_array_equal(pixels[: inside.shape[0], : inside.shape[1]], inside)
        assert (pixels[inside.shape[0] :] == (9, 8, 7)).all()
    assert len(list((tmp_path / 'out/images').iterdir())) == len(cutter.plan.tiles)


def test_labels_are_the_boxes_of_their_tile(dota, tmp_path):
    cutter = make(dota, tmp_path / 'out')
    results = run(cutter)
    again = DOTABoxDataset(str(tmp_path / 'out'))
    boxes = {scene.stem: again.labels(i).boxes for i, scene in enumerate(again.scenes)}
    assert len(boxes) == len(cutter.plan.tiles)
    for scene, tiles in cutter.plan.by_scene.items():
        labels = cutter.plan.dataset.labels(scene).boxes
        polygons = geometry(labels).polygons
        assigned = tiling.assign(polygons, [tile.window for tile in tiles], TILE.iof)
        for tile, chosen in zip(tiles, assigned, strict=True):
            written = boxes[tile.stem]
            assert [box.category for box in written] == [labels[i].category for i in chosen]
            offset = tile.window.x, tile.window.y
            for box, i in zip(written, chosen, strict=True):
                np.testing.assert_allclose(box.polygon + offset, polygons[i], atol=5e-5)
        taken = set(np.concatenate(assigned).tolist())
        assert results[scene].untiled == [
            box.box_id for i, box in enumerate(labels) if i not in taken
        ]
        assert results[scene].places == sum(map(len, assigned))
        assert results[scene].bare == sum(len(chosen) == 0 for chosen in assigned)


def test_label_text_reads_back():
    polygons = np.array([
        [[0.1 + 0.2, -3], [1e6 + 0.12345, 0], [5, 5], [0, -0.00001]],
        [[1, 2], [3, 4], [5, 6], [7, 8]],
    ])  # fmt: skip
    labels = [BoxLabel('a:1', 'Cargo  Truck\t2'), BoxLabel('a:2', ' ')]
    text = label_text(labels, polygons)
    assert text == (
        '0.3 -3.0 1000000.1234 0.0 5.0 5.0 0.0 0.0 Cargo-Truck-2 0\n'
        '1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 - 0\n'
    )
    parsed = parse_dota(text, 'a.txt')
    assert [box.category for box in parsed.boxes] == ['Cargo-Truck-2', '-']
    assert not parsed.problems
    assert label_text([], np.empty((0, 4, 2))) == ''


def test_difficult_goes_into_the_labels_of_tiles(dota, tmp_path):
    corners = '10 10 40 10 40 30 10 30'
    (dota / 'labelTxt/P0000.txt').write_text(f'{corners} ship 1\n{corners} plane 2\n')
    run(make(dota, tmp_path / 'out'))
    text = (tmp_path / 'out/labelTxt/P0000__60__0___0.txt').read_text()
    assert [line.split()[8:] for line in text.splitlines()] == [['ship', '1'], ['plane', '2']]


def test_crowds_are_left_out_of_tiles_and_told(tmp_path):
    root = tmp_path / 'coco'
    (root / 'images').mkdir(parents=True)
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(root / 'images/a.png')
    box = dict(image_id=1, category_id=1, bbox=[5, 5, 20, 20])
    content = dict(
        images=[dict(id=1, file_name='a.png', width=60, height=60)],
        annotations=[box, dict(box, iscrowd=1), dict(box, ignore=1)],
        categories=[dict(id=1, name='ship')],
    )
    (root / 'annotations.json').write_text(json.dumps(content))
    cutter = BoxTileCutter(Plan(COCOBoxDataset(str(root)), TILE), tmp_path / 'out')
    (result,) = run(cutter)
    assert (tmp_path / 'out/labelTxt/a__60__0___0.txt').read_text().count('\n') == 1
    assert (result.boxes, result.places) == (3, 1)
    assert result.untiled == ['annotations.json:annotations[1]', 'annotations.json:annotations[2]']
    assert 'annotations[1]: a crowd or to be ignored, no object' in result.notes[0]


def test_meta_says_what_was_done(dota, tmp_path):
    (dota / 'labelTxt/P0000.txt').write_text('-90 0 9 0 9 9 -90 9 ship 0\n1 1 9 1 9 9 1 9 ship\n')
    results = run(make(dota, tmp_path / 'out'))
    meta = json.loads((tmp_path / 'out/tiles.json').read_bytes())
    assert meta['partial'] is False
    assert meta['settings'] == dict(format=1, tile=TILE.as_dict())
    assert meta['untiled'][0] == 'labelTxt/P0000.txt:1'
    assert meta['counts']['boxes'] == sum(result.boxes for result in results) == 17
    assert meta['counts']['scenes'] == 5


def test_processes_change_no_byte(dota, tmp_path):
    whole = [vars(result) for result in run(make(dota, tmp_path / 'whole'))]
    for workers in (1, 3):
        out = tmp_path / f'out{workers}'
        assert [vars(result) for result in run(make(dota, out), workers)] == whole
        assert tree(out) == tree(tmp_path / 'whole')
    assert not multiprocessing.active_children()


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


def test_an_out_that_cannot_be_written(dota, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'file/out: cannot write there: Not a directory'):
        make(dota, tmp_path / 'file/out').start()


def test_a_foreign_meta_is_refused(dota, tmp_path):
    (tmp_path / 'tiles.json').write_bytes(b'[]')
    cutter = BoxTileCutter(make(dota, tmp_path / 'out').plan, tmp_path / 'out')
    cutter.start()
    (tmp_path / 'out/tiles.json').write_bytes(b'[]')
    with pytest.raises(RefusedError, match=r'tiles\.json: not a tiles\.json of this tool'):
        cutter.start()


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(dota, tmp_path):
    (dota / 'images/P0000.png').write_bytes(b'')
    data = (dota / 'images/P0001.png').read_bytes()
    (dota / 'images/P0001.png').write_bytes(data[: len(data) // 2])
    (dota / 'images/P0002.png').unlink()
    text = (dota / 'labelTxt/P0003.txt').read_text()
    (dota / 'labelTxt/P0003.txt').write_text('1 2 3\n' + text)
    (dota / 'labelTxt/P0004.txt').unlink()
    results = run(make(dota, tmp_path / 'out'))
    assert 'P0000.png: the image file is empty (0 bytes)' in results[0].error
    assert 'P0001.png: cannot read the image' in results[1].error
    assert results[2].error == 'labelTxt/P0002.txt: no image for its 5 boxes'
    assert results[3].error is None
    assert results[3].malformed[0].startswith("labelTxt/P0003.txt:1: 3 columns in '1 2 3'")
    assert results[4].error is None
    assert results[3].boxes == 7
    assert len(results[3].untiled) + 1 <= 7
    stems = {path.name.split('__')[0] for path in (tmp_path / 'out').glob('*/*')}
    assert stems == {'P0003', 'P0004'}
    assert not list((tmp_path / 'out/labelTxt').glob('P0004*')), 'no label file, none for its tiles'
    assert json.loads((tmp_path / 'out/tiles.json').read_bytes())['partial'] is True


def test_a_mended_scene_is_cut_by_the_next_run(dota, tmp_path):
    good = (dota / 'images/P0001.png').read_bytes()
    (dota / 'images/P0001.png').write_bytes(b'')
    assert run(make(dota, tmp_path / 'out'))[1].error
    (dota / 'images/P0001.png').write_bytes(good)
    assert run(make(dota, tmp_path / 'out'))[1].error is None
    run(make(dota, tmp_path / 'fresh'))
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


def test_a_header_mended_meanwhile(dota, tmp_path):
    good = (dota / 'images/P0001.png').read_bytes()
    (dota / 'images/P0001.png').write_bytes(b'')
    cutter = make(dota, tmp_path / 'out')
    (dota / 'images/P0001.png').write_bytes(good)
    assert 'could not be read when the tool started; run it again' in run(cutter)[1].error


def test_a_full_disk(dota, tmp_path, monkeypatch):
    cutter = make(dota, tmp_path / 'out')
    cutter.start()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    result = cutter.cut(0)
    assert result.full
    assert result.error.endswith('P0000__60__0___0.txt: No space left on device')
    assert list((tmp_path / 'out').glob('*/*')) == []


def test_dropped_tiles_leave_their_boxes_in_the_count(dota, tmp_path):
    (dota / 'labelTxt/P0000.txt').write_text('-90 0 9 0 9 9 -90 9 ship 0\n')
    tile = TileSpec(size=60, overlap=20, drop_empty=True)
    results = run(make(dota, tmp_path / 'out', tile))
    assert (results[0].tiles, results[0].untiled) == (0, ['labelTxt/P0000.txt:1'])
    assert sum(result.bare for result in results) == 0
    assert results[4].tiles == 0


def test_dry_writes_nothing(dota, tmp_path):
    whole = run(make(dota, tmp_path / 'whole'))
    cutter = make(dota, tmp_path / 'out', dry=True)
    assert cutter.run(0) == whole
    assert not (tmp_path / 'out').exists()


def test_largest_scenes_come_first(tmp_path, monkeypatch):
    for name, side in (('a', 10), ('b', 300), ('c', 90), ('d', 10)):
        Image.new('L', (side, side)).save(tmp_path / f'{name}.png')
    cutter = BoxTileCutter(Plan(ImageFolder(str(tmp_path)), TILE), tmp_path / 'out', dry=True)
    assert cutter._tile_counts() == [1, 49, 4, 1]
    order, cut = [], cutter.cut
    monkeypatch.setattr(cutter, 'cut', lambda scene: (order.append(scene), cut(scene))[1])
    assert [result.scene for result in cutter.run(0)] == [0, 1, 2, 3]
    assert order == [1, 2, 0, 3]


def test_a_folder_of_images(tmp_path):
    root = tmp_path / 'pictures'
    (root / 'inner').mkdir(parents=True)
    Image.new('L', (70, 50), 200).save(root / 'b.png')
    Image.new('RGB', (30, 30)).save(root / 'a.jpg')
    (root / 'notes.txt').write_bytes(b'')
    cutter = BoxTileCutter(Plan(ImageFolder(str(root)), TILE), tmp_path / 'out')
    results = run(cutter)
    assert [result.tiles for result in results] == [1, 2]
    left = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert left == ['images', 'inputs.tsv', 'tiles.json']
    names = sorted(path.name for path in (tmp_path / 'out/images').iterdir())
    assert names == ['a__60__0___0.png', 'b__60__0___0.png', 'b__60__10___0.png']


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(RefusedError, match=r'none: no such folder, or no images in it \(\.png'):
        ImageFolder(str(tmp_path / 'none'))
    for name in ('a.png', 'a.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    with pytest.raises(RefusedError, match=r"both be called 'a': a\.jpg and a\.png; rename one"):
        ImageFolder(str(tmp_path))


def test_only_listed_images(tmp_path):
    for name in ('a.png', 'b.png', 'b.jpg', 'c.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    (tmp_path / 'train.txt').write_text('c\n a \n\nc\n')
    images = ImageFolder(str(tmp_path), tmp_path / 'train.txt')
    assert [str(scene.image) for scene in images.scenes] == ['a.png', 'c.jpg']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, r'list .*train\.txt: No such file or directory'),
        (b'\n', r'0 of 0 names are no image in .*, it is empty; give names without suffix'),
        (b'a\nz\na.png', r"2 of 3 names are no image in .*, such as 'a\.png'; give names without"),
        (b'\xff\xff', r'train\.txt: not text in UTF-8'),
        (b'b', r"both be called 'b'"),
    ],
)
def test_lists_that_are_refused(tmp_path, content, message):
    for name in ('a.png', 'b.png', 'b.jpg'):
        Image.new('L', (9, 9)).save(tmp_path / name)
    if content is not None:
        (tmp_path / 'train.txt').write_bytes(content)
    with pytest.raises(RefusedError, match=message):
        ImageFolder(str(tmp_path), tmp_path / 'train.txt')


class DyingCutter(BoxTileCutter):
    def cut(self, scene):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_is_told(dota, tmp_path):
    cutter = DyingCutter(make(dota, tmp_path / 'out').plan, tmp_path / 'out')
    with pytest.raises(SamrsError, match=r'died, perhaps out of memory; .* fewer --workers'):
        cutter.run(2)
    assert not multiprocessing.active_children()


def test_leaving_early_ends_the_processes(dota, tmp_path, monkeypatch):
    cutter = make(dota, tmp_path / 'out')
    cutter.start()
    monkeypatch.setattr(tqdm, 'update', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cutter.run(2)
    assert not multiprocessing.active_children()


def test_unforeseen_errors_name_the_image(dota, tmp_path, monkeypatch):
    monkeypatch.setattr(box_tiles, 'geometry', lambda *_, **__: 1 / 0)
    result = make(dota, tmp_path / 'out').cut(0)
    assert result.error == 'images/P0000.png: ZeroDivisionError: division by zero'


def test_label_maps_are_no_scenes(tmp_path):
    folder = tmp_path / 'semantic'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'')
    (tmp_path / 'meta.json').write_text('{"settings": {}, "signature": ""}')
    with pytest.raises(RefusedError, match='holds semantic of an annotated folder'):
        ImageFolder(str(folder))


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
