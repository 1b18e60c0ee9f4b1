"""Corrections of folders whose data need more than a root; imports that are killed."""

import json
import os
import shutil

import numpy as np
import pytest
from folders import CONFIG, ROOT, load_tool, tree, write_dota
from map_cases import LONLAT, affine, box, on_map, write_layer, write_scene

from samrs_mm.formats.annotated import folder

GEO = str(ROOT / 'configs/annotate/geo_grabcut_rbox.py')
FILL = '--cfg-options', 'model.type=BoxFillSegmentor', 'tile.size=96', 'tile.overlap=32'


@pytest.fixture(scope='module')
def tools():
    names = 'sam_annotate', 'dataset_converters/export_dataset', 'import_corrections'
    return [load_tool(name).main for name in names]


def call(tool, *arguments):
    return tool([str(each) for each in arguments])


def edit(place):
    """Delete the first shape of each image, and draw another."""
    changed = 0
    for path in sorted((place / 'lm').rglob('*.json')):
        data = json.loads(path.read_text())
        if data.get('shapes'):
            new = dict(label=data['shapes'].pop(0)['label'], points=[[2, 2], [22, 3], [20, 25]])
            data['shapes'].append(new)
            path.write_text(json.dumps(data))
            changed += 1
    return changed


def write_map(root):
    root.mkdir()
    write_scene(root / 'scene.tif', affine(0), size=(200, 150))
    shapes = [on_map(box(x, 20, x + 30, 60), affine(0), LONLAT) for x in (20, 80, 140)]
    owner = np.array(['a', 'b', 'c'], object)
    write_layer(root / 'boxes.gpkg', shapes, ['ship', 'house', 'ship'], LONLAT, owner=owner)
    return root


def test_folders_on_the_map_find_their_boxes(tools, tmp_path, capsys):
    annotate, export, take = tools
    data, out = write_map(tmp_path / 'data'), tmp_path / 'out'
    command = (GEO, '--data-root', data, '--boxes', data / 'boxes.gpkg', '--out', out)
    assert call(annotate, *command, '--workers', 0, *FILL) == 0
    assert call(export, out, '--to', 'labelme', '--out', tmp_path / 'lm', '--workers', 0) == 0
    edit(tmp_path)
    shutil.copytree(out, tmp_path / 'copy')
    (data / 'boxes.gpkg').rename(tmp_path / 'boxes.gpkg')
    assert call(take, out, tmp_path / 'lm') == 0
    assert call(annotate, GEO, '--data-root', data, '--boxes', tmp_path / 'boxes.gpkg',
                '--out', out, '--verify', '--workers', 0, *FILL) == 0  # fmt: skip
    (tmp_path / 'away').mkdir()
    moved = (tmp_path / 'boxes.gpkg').rename(tmp_path / 'away/boxes.gpkg')
    copy = tmp_path / 'copy'
    capsys.readouterr()
    assert call(take, copy, tmp_path / 'lm') == 2
    says = f'boxes boxes.gpkg:boxes: not in {data}; say where with --boxes FILE[:LAYER]'
    assert says in capsys.readouterr().err
    shutil.copyfile(moved, tmp_path / 'other.gpkg')
    assert call(take, copy, tmp_path / 'lm', '--boxes', tmp_path / 'other.gpkg') == 2
    says = 'boxes other.gpkg:boxes: the folder was made of boxes.gpkg:boxes; give that file'
    assert says in capsys.readouterr().err
    assert not (copy / 'corrections').exists()
    assert call(take, copy, tmp_path / 'lm', '--boxes', moved) == 0
    assert tree(copy) == tree(out)


def test_one_scene_of_several_stays_the_only_one(tools, tmp_path):
    annotate, export, take = tools
    data, out = write_map(tmp_path / 'data'), tmp_path / 'out'
    write_scene(data / 'other.tif', affine(0, x=800000), size=(200, 150))
    flags = '--boxes', data / 'boxes.gpkg', '--out', out, '--workers', 0
    assert call(annotate, GEO, '--data-root', data / 'scene.tif', *flags, *FILL) == 0
    assert call(export, out, '--to', 'labelme', '--out', tmp_path / 'lm', '--workers', 0) == 0
    assert edit(tmp_path) > 0
    assert call(take, out, tmp_path / 'lm') == 0
    meta = json.loads((out / 'meta.json').read_bytes())
    assert (meta['data_file'], meta['partial']) == ('scene.tif', False)
    assert not (out / 'labels/other.tif').exists()
    command = (annotate, GEO, '--data-root', data / 'scene.tif', *flags)
    assert call(*command, '--verify', *FILL) == 0
    assert call(annotate, GEO, '--data-root', data, *flags, *FILL) == 0
    assert 'data_file' not in json.loads((out / 'meta.json').read_bytes())


@pytest.mark.parametrize(
    'options',
    [('tile.size=64', 'tile.overlap=16'), ('image.gamma=0.7',)],
    ids=['tiles', 'image rule'],
)
def test_untouched_not_even_times_are_written(tools, tmp_path, options):
    annotate, export, take = tools
    data, out = write_dota(tmp_path / 'data', scenes=2), tmp_path / 'out'
    flags = '--workers', 0, '--cfg-options', 'model.type=BoxFillSegmentor', *options
    assert call(annotate, CONFIG, '--data-root', data, '--out', out, *flags) == 0
    assert call(export, out, '--to', 'labelme', '--out', tmp_path / 'lm', '--workers', 0) == 0
    before = tree(out), (out / folder.MADE).read_bytes()
    assert call(take, out, tmp_path / 'lm') == 0
    assert (tree(out), (out / folder.MADE).read_bytes()) == before
    assert edit(tmp_path) > 0
    assert call(take, out, tmp_path / 'lm') == 0
    assert call(annotate, CONFIG, '--data-root', data, '--out', out, '--verify', *flags) == 0


def test_data_that_moved_are_given(tools, tmp_path, capsys):
    annotate, export, take = tools
    data, out = write_dota(tmp_path / 'data', scenes=2), tmp_path / 'out'
    assert call(annotate, CONFIG, '--data-root', data, '--out', out, '--workers', 0) == 0
    assert call(export, out, '--to', 'labelme', '--out', tmp_path / 'lm', '--images', 'none',
                '--workers', 0) == 0  # fmt: skip
    edit(tmp_path)
    moved = data.rename(tmp_path / 'moved')
    other = write_dota(tmp_path / 'other', scenes=2, size=(60, 70), seed=7)
    capsys.readouterr()
    assert call(take, out, tmp_path / 'lm') == 2
    says = f'data root {data}: no such folder; say with --data-root where it is'
    assert says in capsys.readouterr().err
    assert call(take, out, tmp_path / 'lm', '--data-root', moved) == 0
    assert call(take, out, tmp_path / 'lm', '--data-root', other) == 2
    assert f'holds the masks of {moved}, which is not {other}' in capsys.readouterr().err


class Killed(BaseException):
    """What ends a run in the middle."""


def test_an_import_that_is_killed_goes_on_to_the_same_bytes(tools, tmp_path, monkeypatch):
    annotate, export, take = tools
    data, out = write_dota(tmp_path / 'data', scenes=3), tmp_path / 'out'
    assert call(annotate, CONFIG, '--data-root', data, '--out', out, '--workers', 0) == 0
    assert call(export, out, '--to', 'labelme', '--out', tmp_path / 'lm', '--workers', 0) == 0
    edit(tmp_path)
    shutil.copytree(out, tmp_path / 'before')
    command = out, tmp_path / 'lm', '--by', 'ann'
    assert call(take, *command) == 0
    expected, replace = tree(out), os.replace
    kills = 0
    while True:
        shutil.rmtree(out)
        shutil.copytree(tmp_path / 'before', out)
        left = [kills]

        def until(old, new, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            replace(old, new)

        monkeypatch.setattr(os, 'replace', until)
        try:
            assert call(take, *command) == 0
            break
        except Killed:
            kills += 1
        finally:
            monkeypatch.undo()
        assert call(take, *command) == 0
        assert tree(out) == expected
    assert kills > 10
