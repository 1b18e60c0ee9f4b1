"""Scenes with boxes, cut into tiles: pixels, labels, counts, and what can't be cut."""

import errno
import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
from box_tile_cases import TILE, make, run
from folders import tree
from PIL import Image
from tqdm import tqdm

from samrs_mm.annotate.plan import Plan
from samrs_mm.core import tiling
from samrs_mm.core.boxes import BoxLabel, geometry
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.dota import DOTABoxDataset, parse_dota
from samrs_mm.prepare import box_tiles
from samrs_mm.prepare.box_tiles import BoxTileCutter, ImageFolder, label_text


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


def test_an_out_that_cannot_be_written(dota, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'file/out: cannot write there: Not a directory'):
        make(dota, tmp_path / 'file/out').start()


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
