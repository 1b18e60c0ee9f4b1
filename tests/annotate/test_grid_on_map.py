"""Masks without boxes of scenes on the map: objects as polygons, exports, statistics, pages."""

import json

import numpy as np
import pytest
import rasterio
import shapely
from export_cases import tool
from folders import ROOT, load_tool, tree
from grid_cases import OBJECTS, SIZE, bright_scene
from map_cases import UTM, affine, read_layer
from PIL import Image
from pycocotools.coco import COCO
from rasterio import features

CONFIG = str(ROOT / 'configs/annotate/geo_sam-vit-h_grid.py')
GRID = ('tile.size=64', 'tile.overlap=16', 'grid.side=4,2', 'grid.scale=1,2')


def write_scene(path, transform, crs=UTM, number=0):
    path.parent.mkdir(exist_ok=True, parents=True)
    with rasterio.open(path, 'w', 'GTiff', width=SIZE[1], height=SIZE[0], count=3, dtype='uint8',
                       crs=crs, transform=transform, photometric='RGB') as file:  # fmt: skip
        file.write(bright_scene(number).transpose(2, 0, 1))
    return path


@pytest.fixture
def annotate(tmp_path):
    """Run the tool on two scenes of two CRS: ``annotate('--verify', out='a')`` -> exit code."""
    write_scene(tmp_path / 'data/a.tif', affine(30))
    write_scene(tmp_path / 'data/north/b.tif', affine(x=500000), 'EPSG:32633', 1)
    Image.fromarray(bright_scene()).save(tmp_path / 'data/nowhere.png')
    bright = tmp_path / 'bright.py'
    bright.write_text(
        f'_base_ = [{CONFIG!r}]\nmodel = dict(_delete_=True, type="BrightSegmentor")\n'
    )

    def run(*flags, out='out', data='data', options=()):
        argv = [bright, '--data-root', tmp_path / data, '--out', tmp_path / out, '--workers', 0]
        argv += [*flags, '--cfg-options', *GRID, *options]
        return load_tool('sam_annotate').main([str(each) for each in argv])

    return run


def test_objects_of_scenes_are_polygons(annotate, tmp_path, capsys):
    assert annotate() == 0
    out = tmp_path / 'out'
    coco = COCO(str(out / 'objects.json'))
    for stem, layer, place, crs in (
        ('a', 'masks_EPSG_32632', affine(30), UTM),
        ('north-b', 'masks_EPSG_32633', affine(x=500000), 'EPSG:32633'),
    ):
        meta, shapes, columns = read_layer(out / 'masks.gpkg', layer)
        assert meta['crs'] == crs
        assert len(shapes) == len(OBJECTS)
        in_pixels = shapely.transform(shapes, lambda xy, p=place: np.stack((~p) @ tuple(xy.T), 1))
        bounds = np.round(shapely.bounds(in_pixels), 6)
        found = {(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in bounds.tolist()}
        assert found == set(OBJECTS)
        assert set(columns['scene']) == {stem}
        assert set(columns['category']) == {'object'}
        kept = {
            each['box_id'] for each in coco.anns.values()
            if coco.imgs[each['image_id']]['scene'] == stem
        }  # fmt: skip
        assert set(columns['box_id']) == kept
        with rasterio.open(out / f'labels/{stem}.tif') as file:
            labels = file.read(1)
        drawn = features.rasterize([(s, 0) for s in shapes], labels.shape, 255, transform=place)
        assert np.array_equal(drawn, labels)
        assert columns['visible'].sum() == (labels == 0).sum()
    assert not (out / 'labels/nowhere.tif').exists()
    assert 'on a map masks.gpkg, masks.qml, labels/a.tif, ...' in capsys.readouterr().out
    assert annotate('--verify') == 0
    for shard in ('1/2', '0/2'):
        assert annotate('--shard', shard, out='shards') == 0
    assert tree(tmp_path / 'shards') == tree(out)


def test_one_scene_and_an_object_that_is_too_large(annotate, tmp_path):
    assert annotate(data='data/a.tif', options=('filters.max_area=1000',)) == 0
    _, _, columns = read_layer(tmp_path / 'out/masks.gpkg', 'masks')
    assert {36, 600} <= set(columns['pixels'])
    with open(tmp_path / 'out/ledger.csv') as file:
        assert 'above max_area 1000' in file.read()
    assert annotate('--verify', data='data/a.tif', options=('filters.max_area=1000',)) == 0


def test_the_crs_of_scenes_that_name_none(annotate, tmp_path, capsys):
    write_scene(tmp_path / 'bare/a.tif', affine(), None)
    assert annotate(data='bare', options=(f'dataset.scene_crs={UTM}',)) == 0
    assert read_layer(tmp_path / 'out/masks.gpkg', 'masks')[0]['crs'] == UTM
    with rasterio.open(tmp_path / 'out/labels/a.tif') as file:
        assert file.crs == UTM
    assert annotate(data='bare', options=('dataset.scene_crs=EPSG:9',)) == 2
    assert "dataset.scene_crs='EPSG:9': no CRS is called so" in capsys.readouterr().err


def test_what_is_not_on_the_map_is_refused(annotate, tmp_path, capsys):
    assert annotate(data='data/nowhere.png') == 2
    assert 'nowhere.png: not on the map (no geotransform)' in capsys.readouterr().err
    argv = [CONFIG, '--data-root', tmp_path / 'data', '--out', tmp_path / 'o', '--boxes', 'x.gpkg']
    assert load_tool('sam_annotate').main([str(each) for each in argv]) == 2
    assert 'dataset.boxes' in capsys.readouterr().err


def test_the_label_map_of_a_scene_that_is_gone_goes(annotate, tmp_path):
    assert annotate() == 0
    (tmp_path / 'data/a.tif').unlink()
    assert annotate() == 1
    assert (tmp_path / 'out/labels/a.tif').exists()
    assert annotate('--prune') == 0
    names = {path.name for path in (tmp_path / 'out/labels').iterdir()}
    assert names == {'north-b.tif', 'north-b.qml'}
    assert annotate(out='fresh') == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'fresh')


@pytest.mark.parametrize('name', ['coco', 'yolo-seg', 'dota', 'samrs', 'gis'])
def test_exports_of_a_grid_folder(annotate, tmp_path, name):
    assert annotate() == 0
    out, to = tmp_path / 'out', tmp_path / 'to'
    assert tool(out, '--to', name, '--out', to) == 0
    with open(out / 'ledger.csv') as file:
        text = file.read()
    masks = text.count(',kept,') + text.count(',merged,')
    counts = json.loads((to / 'export.json').read_bytes())['subsets']['']
    if name == 'gis':
        assert counts['instances'] == 2 * len(OBJECTS)
        assert counts['lost']['same'] == masks - 2 * len(OBJECTS)
        for path in ('masks.gpkg', 'masks.qml', 'labels/a.tif', 'labels/north-b.tif'):
            assert (to / path).read_bytes() == (out / path).read_bytes()
        return
    assert counts['instances'] == masks
    files = {
        'coco': 'annotations.json', 'yolo-seg': 'labels/a__64__0___0.txt',
        'dota': 'labelTxt/a__64__0___0.txt', 'samrs': 'ins/a__64__0___0.pkl',
    }  # fmt: skip
    assert (to / files[name]).stat().st_size
    if name == 'coco':
        assert len(COCO(str(to / 'annotations.json')).anns) == masks


def test_statistics_and_pages_of_a_grid_folder(annotate, tmp_path, capsys):
    assert annotate() == 0
    capsys.readouterr()
    out = str(tmp_path / 'out')
    argv = [out, '--out', str(tmp_path / 's'), '--workers', '0', '--format', 'json']
    assert load_tool('analysis_tools/dataset_stats').main(argv) == 0
    assert 'object' in capsys.readouterr().out
    argv = [out, '--out', str(tmp_path / 'pages'), '--side', '100', '--number', '2']
    assert load_tool('analysis_tools/browse_dataset').main(argv) == 0
    assert list((tmp_path / 'pages').rglob('*.jpg')) or list((tmp_path / 'pages').rglob('*.png'))
