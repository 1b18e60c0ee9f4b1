"""The key ``image`` through the tool, and ``scenes/STEM.json``, which states what it came to."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import rasterio
from folders import ROOT, load_tool, tree, write_dota
from map_cases import LONLAT, SIZE, UTM, affine, box, on_map, write_layer
from mmengine.config import Config

import samrs_mm
from samrs_mm.annotate import plan, scene_sheets
from samrs_mm.browse.box_pages import BoxBrowser
from samrs_mm.browse.folder_pages import FolderBrowser
from samrs_mm.core import images, value_sample
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage
from samrs_mm.datasets.segmentation.samrs import SAMRSDataset
from samrs_mm.datasets.transforms.pixels import open_image

CONFIG = str(ROOT / 'configs/annotate/geo_grabcut_rbox.py')
OPTIONS = (
    'model.type=BoxFillSegmentor', 'tile.size=64', 'tile.overlap=16', 'tile.drop_empty=False',
)  # fmt: skip
RULE = ('image.bands=[db(b1),b2]', 'image.stretch=percentile', 'image.limits=[2,98]')
WIDTH, HEIGHT = SIZE
EMPTY = 80
"""Columns at the left without data."""


def write_radar(root):
    """Write a scene of two bands of radar power in small blocks, and three boxes."""
    root.mkdir()
    noise = np.random.default_rng(0).normal(0, 3, (2, HEIGHT, WIDTH))
    power = (10 ** ((-14 + noise) / 10)).astype(np.float32)
    power[:, :, :EMPTY] = -9999
    with rasterio.open(
        root / 'scene.tif', 'w', 'GTiff', width=WIDTH, height=HEIGHT, count=2, dtype='float32',
        crs=UTM, transform=affine(), nodata=-9999, tiled=True, blockxsize=32, blockysize=32,
    ) as file:  # fmt: skip
        file.write(power)
    shapes = [box(70, 60, 110, 90), box(5, 5, 30, 30), box(200, 100, 240, 150)]
    write_layer(root / 'boxes.gpkg', [on_map(shape) for shape in shapes], ['ship'] * 3, LONLAT)
    return root


@pytest.fixture
def on_radar(sam_annotate, tmp_path):
    """Run the tool: ``on_radar('--verify', out='a')`` -> exit code."""

    def run(*flags, out='out', options=RULE, data=tmp_path / 'data'):
        common = '--data-root', data / 'scene.tif', '--boxes', data / 'boxes.gpkg'
        arguments = (*common, '--out', tmp_path / out, '--workers', 0, *flags)
        options = ('--cfg-options', *OPTIONS, *options)
        return sam_annotate.main([CONFIG, *map(str, arguments), *options])

    return run


def test_tiles_are_shown_by_the_rule_and_the_sheet_says_it(on_radar, tmp_path, capsys):
    data, out = write_radar(tmp_path / 'data'), tmp_path / 'out'
    assert on_radar() == 0
    sheet = json.loads((out / 'scenes/scene.json').read_bytes())
    ranges = [channel.pop('range') for channel in sheet['channels']]
    assert sheet['channels'] == [dict(channel='db(b1)'), dict(channel='b2')]
    with rasterio.open(data / 'scene.tif') as file:
        values = file.read()[:, :, EMPTY:].astype(float)
    shown = [10 * np.log10(values[0]), values[1]]
    for found, channel in zip(ranges, shown, strict=True):
        np.testing.assert_allclose(found, np.percentile(channel, (2, 98)), rtol=1e-4)
    assert sheet['sha256'] == hashlib.sha256((data / 'scene.tif').read_bytes()).hexdigest()
    assert (sheet['width'], sheet['height'], sheet['crs']) == (WIDTH, HEIGHT, UTM)
    assert sheet['affine'] == list(affine())[:6]
    assert sheet['image'] == dict(bands=['db(b1)', 'b2'], stretch='percentile', limits=[2, 98])
    rule = ImageRule.from_config(dict(sheet['image']))
    whole = SceneImage(data / 'scene.tif', rule=rule)
    tiles = sorted((out / 'images').iterdir())
    assert len(tiles) > 10
    for path in tiles:
        record = json.loads((out / f'instances/{path.stem}.json').read_bytes())
        tile = record['image']
        expected = whole.crop(*tile['offset'], tile['width'], tile['height'], (124, 116, 104))
        np.testing.assert_array_equal(SceneImage(path).read(), expected)
        assert tile['notes'] == sheet['notes']
    with rasterio.open(out / 'labels/scene.tif') as file:
        assert (file.read(1)[:, :EMPTY] == 255).all()
        assert (file.read(1)[60:90, EMPTY:110] == 0).all()
    assert on_radar('--verify') == 0
    assert 'sound' in capsys.readouterr().out


def test_another_rule_is_another_folder(on_radar, tmp_path, capsys):
    write_radar(tmp_path / 'data')
    on_radar()
    assert on_radar(options=(*RULE, 'image.gamma=2')) == 2
    assert 'image.gamma: null -> 2' in capsys.readouterr().err
    assert on_radar(options=('image.stretch=minmax',), out='other') == 2
    assert "image.stretch='minmax'; allowed" in capsys.readouterr().err


def test_a_band_that_a_scene_has_not_fails_that_scene(on_radar, tmp_path, capsys):
    write_radar(tmp_path / 'data')
    assert on_radar(options=('image.bands=[4,3,2]',)) == 1
    said = capsys.readouterr()
    assert "scene.tif: cannot read the image: image.bands: no band 'b4'" in said.out + said.err
    assert not (tmp_path / 'out/scenes').exists()


def test_pieces_of_a_scene_read_its_sheet(on_radar, tmp_path, monkeypatch):
    """Hashed once, looked through once, its labels read once a process; and the same bytes."""
    write_radar(tmp_path / 'data')
    on_radar(out='whole')
    monkeypatch.setattr(plan, 'PIECE', 4)
    hashed, sampled, opened = [], [], []

    def counted(calls, function):
        return lambda *args, **more: calls.append(args) or function(*args, **more)

    monkeypatch.setattr(
        'samrs_mm.core.input_notes.file_sha256', counted(hashed, images.file_sha256)
    )
    monkeypatch.setattr(
        'samrs_mm.core.rendering.sample_windows',
        counted(sampled, value_sample.sample_windows),
    )
    monkeypatch.setattr(scene_sheets, 'SceneImage', counted(opened, SceneImage))
    for shard in ('1/3', '0/3', '2/3'):
        on_radar('--shard', shard, out='shared')
    assert len(hashed) == 1
    assert len(sampled) == 2  # the generator of a sample, and that of all blocks, are both made
    assert len(opened) == 1 + 3  # for the sheet, and by each shard
    assert tree(tmp_path / 'shared') == tree(tmp_path / 'whole')


def test_a_sheet_that_is_damaged_or_gone_is_found_and_made_again(on_radar, tmp_path, capsys):
    write_radar(tmp_path / 'data')
    on_radar()
    path = tmp_path / 'out/scenes/scene.json'
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'P2..P98', b'P1..P99'))
    assert on_radar('--verify') == 1
    assert 'scenes/scene.json: notes: ' in capsys.readouterr().err
    path.unlink()
    assert on_radar('--verify') == 1
    assert 'scenes/scene.json: missing; --finalise writes it' in capsys.readouterr().err
    assert not path.exists()
    assert on_radar('--finalise') == 0
    assert path.read_bytes() == whole
    assert on_radar('--verify') == 0


def test_a_scene_that_was_replaced_gets_a_new_sheet(on_radar, tmp_path):
    data = write_radar(tmp_path / 'data')
    on_radar()
    with rasterio.open(data / 'scene.tif', 'r+') as file:
        file.write(file.read() * 2)
    assert on_radar() == 0
    assert on_radar('--verify') == 0
    on_radar(out='fresh')
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


def test_a_restart_takes_the_sheet_too(on_radar, tmp_path):
    write_radar(tmp_path / 'data')
    on_radar()
    first = tree(tmp_path / 'out')
    assert on_radar('--restart') == 0
    assert tree(tmp_path / 'out') == first


def test_pictures_off_the_map_have_sheets_with_the_key_alone(annotate, tmp_path):
    data = write_dota(tmp_path / 'pictures', scenes=2)
    flags = '--cfg-options', 'model.type=BoxFillSegmentor', 'tile=None'
    assert annotate(*flags, data=data) == 0
    assert not (tmp_path / 'out/scenes').exists()
    assert annotate(*flags, 'image.bands=[3,2,1]', data=data, out='turned') == 0
    sheets = sorted(path.name for path in (tmp_path / 'turned/scenes').iterdir())
    assert sheets == ['P0000.json', 'P0001.json']
    sheet = json.loads((tmp_path / 'turned/scenes/P0000.json').read_bytes())
    assert (sheet['crs'], sheet['affine'], sheet['gcps']) == (None, None, [])
    assert [channel['range'] for channel in sheet['channels']] == [None] * 3


def test_whole_scenes_have_pictures_as_they_were_shown(on_radar, tmp_path, capsys):
    data = write_radar(tmp_path / 'data')
    whole, out = (*RULE, 'tile=None'), tmp_path / 'out'
    options = [each for each in OPTIONS if not each.startswith('tile.')]

    def run(*flags, out=out):
        argv = [
            CONFIG, '--data-root', data / 'scene.tif', '--boxes', data / 'boxes.gpkg',
            '--out', out, '--workers', 0, *flags, '--cfg-options', *options, *whole,
        ]  # fmt: skip
        return load_tool('sam_annotate').main([str(each) for each in argv])

    assert run('--show', 1, '--report') == 0
    rule = ImageRule.from_config(dict(bands=['db(b1)', 'b2'], stretch='percentile', limits=(2, 98)))
    shown = SceneImage(data / 'scene.tif', rule=rule).read()
    assert not np.array_equal(SceneImage(data / 'scene.tif').read(), shown)
    picture = SceneImage(out / 'images/scene.png').read()
    assert np.array_equal(picture, shown)
    [image] = samrs_mm.open_annotated(out)
    assert np.array_equal(image.image, shown)
    info = SAMRSDataset('s', str(out), pipeline=[]).get_data_info(0)
    assert np.array_equal(open_image(info['img_path'])[:, :][..., ::-1], shown)
    [entry] = json.loads((out / 'annotations.json').read_bytes())['images']
    assert entry['file_name'] == 'images/scene.png'
    assert np.array_equal(FolderBrowser(out).crop('scene', None, WIDTH).picture, shown)
    assert run('--verify') == 0
    (out / 'images/scene.png').write_bytes((out / 'semantic/scene.png').read_bytes())
    capsys.readouterr()
    assert run('--verify') == 1
    assert 'its picture is not what the scene gives' in capsys.readouterr().err
    assert run('--restart') == 0
    assert np.array_equal(SceneImage(out / 'images/scene.png').read(), shown)


def test_pages_of_a_config_show_scenes_by_its_rule(tmp_path):
    data = write_radar(tmp_path / 'data')
    image = dict(bands=['db(b1)'], stretch='percentile')
    dataset = dict(type='GeoBoxDataset', boxes=str(data / 'boxes.gpkg'))
    config = Config(dict(
        dataset=dataset, data_root=str(data / 'scene.tif'), tile=None, prompt='rbox', image=image
    ))  # fmt: skip
    shown = SceneImage(data / 'scene.tif', rule=ImageRule.from_config(image)).read()
    panel = BoxBrowser(config).crop('scene', None, WIDTH)
    assert np.array_equal(panel.picture, shown)


def test_a_tile_of_no_data_at_all_is_a_record_without_prompts(on_radar, tmp_path):
    data = write_radar(tmp_path / 'data')
    with rasterio.open(data / 'scene.tif', 'r+') as file:
        file.write(np.full((2, HEIGHT, WIDTH), np.nan, np.float32))
    assert on_radar(options=('image.nodata=0',)) == 0
    records = [json.loads(p.read_bytes()) for p in (tmp_path / 'out/instances').iterdir()]
    boxes = [each for record in records for each in record['boxes']]
    assert [(each['status'], each['reason']) for each in boxes] == [
        ('outside', 'no data there')
    ] * 3


def test_without_pictures_of_tiles_all_else_is_the_same(on_radar, tmp_path, capsys):
    write_radar(tmp_path / 'data')
    on_radar(out='with')
    without = (*RULE, 'tile.images=False')
    assert on_radar(options=without) == 0
    assert not (tmp_path / 'out/images').exists()
    for kind in ('semantic', 'labels', 'scenes'):
        assert tree(tmp_path / 'out' / kind) == tree(tmp_path / 'with' / kind)
    assert on_radar('--verify', options=without) == 0
    capsys.readouterr()
    assert on_radar('--show', 1, options=without) == 2
    assert '--show needs the pictures of tiles; give tile.images=True' in capsys.readouterr().err


def test_what_needs_pictures_of_tiles_says_so(on_radar, tmp_path, capsys):
    write_radar(tmp_path / 'data')
    out = tmp_path / 'out'
    on_radar(options=(*RULE, 'tile.images=False'))
    capsys.readouterr()
    said = 'has no pictures of its tiles (tile.images=False), and {} needs them'
    export, report = (
        load_tool('dataset_converters/export_dataset'),
        load_tool('analysis_tools/review_report'),
    )
    pack = load_tool('dataset_converters/pack_dataset')
    to_coco = [str(out), '--to', 'coco', '--out', str(tmp_path / 'coco'), '--workers', '0']
    assert export.main(to_coco) == 2
    assert said.format('an export') in (text := capsys.readouterr().err)
    assert 'or give --images none' in text
    assert export.main([*to_coco, '--images', 'none']) == 0
    capsys.readouterr()
    assert report.main([str(out)]) == 2
    assert said.format('the report') in capsys.readouterr().err
    assert pack.main([str(out), str(tmp_path / 'packed')]) == 2
    assert said.format('the packed store') in capsys.readouterr().err
    dataset = samrs_mm.open_annotated(out)
    assert dataset[0].masks is not None
    with pytest.raises(RefusedError, match='an image of it needs them'):
        dataset[0].image  # noqa: B018
    with pytest.raises(RefusedError, match='training needs them'):
        SAMRSDataset(source='radar', data_root=str(out))


def test_what_is_known_of_a_scene_goes_with_it(sam_annotate, tmp_path):
    data = write_radar(tmp_path / 'data')
    shutil.copyfile(data / 'scene.tif', data / 'twin.tif')
    out, flags = tmp_path / 'out', ('--boxes', data / 'boxes.gpkg', '--workers', 0)
    options = ('--cfg-options', *OPTIONS, *RULE)

    def run(*more):
        argv = [CONFIG, '--data-root', data, '--out', out, *flags, *more]
        return sam_annotate.main([*map(str, argv), *options])

    assert run() == 0
    assert sorted(path.name for path in (out / 'scenes').iterdir()) == ['scene.json', 'twin.json']
    (data / 'twin.tif').unlink()
    assert run('--prune') == 0
    assert [path.name for path in (out / 'scenes').iterdir()] == ['scene.json']
    assert sorted(path.name for path in (out / 'labels').iterdir()) == ['scene.qml', 'scene.tif']
    assert run('--verify') == 0
