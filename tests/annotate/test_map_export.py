"""Any annotated folder as files for GIS programs, where its scenes are on the map."""

import json

import numpy as np
import pytest
import rasterio
import shapely
from corrected import square
from export_cases import tool
from folders import ROOT, load_tool, tree, write_dota
from map_cases import LONLAT, UTM, affine, box, on_map, read_layer, write_layer, write_scene
from PIL import Image
from rasterio import features

from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of

DOTA = str(ROOT / 'configs/annotate/dota_grabcut_rbox.py')
GEO = str(ROOT / 'configs/annotate/geo_grabcut_rbox.py')
FILL = '--cfg-options', 'model.type=BoxFillSegmentor', 'tile.size=64', 'tile.overlap=32'


def place_of_scene(number):
    return affine(15 * number, x=691000 + 1000 * number)


@pytest.fixture
def dota(tmp_path):
    """A DOTA folder of GeoTIFFs, turned, the last without a place on the map."""
    root = write_dota(tmp_path / 'dota', scenes=3)
    for number, path in enumerate(sorted((root / 'images').iterdir())):
        pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
        _, height, width = pixels.shape
        place = dict(crs=UTM, transform=place_of_scene(number)) if number < 2 else {}
        with rasterio.open(path.with_suffix('.tif'), 'w', 'GTiff', width=width, height=height,
                           count=3, dtype='uint8', **place) as file:  # fmt: skip
            file.write(pixels)
        path.unlink()
    return root


def annotate(data, out, *flags, config=DOTA):
    argv = [config, '--data-root', data, '--out', out, '--workers', 0, *flags, *FILL]
    return load_tool('sam_annotate').main([str(each) for each in argv])


def test_polygons_and_label_maps_of_any_folder(dota, tmp_path, capsys):
    (dota / 'images/P0002.tif').unlink()
    (dota / 'labelTxt/P0002.txt').unlink()
    assert annotate(dota, tmp_path / 'made') == 0
    capsys.readouterr()
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis') == 0
    said = capsys.readouterr().out
    meta, shapes, columns = read_layer(tmp_path / 'gis/masks.gpkg', 'masks')
    assert meta['crs'] == UTM
    ids = columns['box_id'].tolist()
    assert len(ids) == len(set(ids)) == 7, 'of a box in several tiles one mask'
    with open(tmp_path / 'made/ledger.csv') as file:
        kept = file.read().count(',kept,')
    assert kept > 7
    assert f'lost     {kept - 7} masks of what another tile shows better' in said
    assert '7 instances' in said
    assert not (tmp_path / 'gis/images').exists()
    for number in range(2):
        scene = f'P{number:04}'
        place, rows = place_of_scene(number), columns['scene'] == scene
        with rasterio.open(tmp_path / f'gis/labels/{scene}.tif') as file:
            assert file.transform.almost_equals(place)
            labels = file.read(1)
        order = np.flatnonzero(rows)[np.lexsort((np.flatnonzero(rows), -columns['pixels'][rows]))]
        drawn = np.full(labels.shape, 255, np.uint8)
        for row in order:
            value = int(columns['category_id'][row] - 1)
            features.rasterize([(shapes[row], value)], out=drawn, transform=file.transform)
        assert np.array_equal(drawn, labels)
        lines = (dota / f'labelTxt/{scene}.txt').read_text().splitlines()
        for row in np.flatnonzero(rows):
            line = lines[int(ids[row].rpartition(':')[2]) - 1].split()
            corners = np.array(line[:8], float).reshape(4, 2)
            asked = shapely.Polygon([place * tuple(xy) for xy in corners])
            extent = shapely.box(0, 0, *labels.shape[::-1])
            asked &= shapely.transform(extent, lambda xy, p=place: np.stack(p * tuple(xy.T), 1))
            shared = asked.intersection(shapes[row]).area / asked.union(shapes[row]).area
            assert shared > 0.8, 'the mask of the tile that holds all of the box'
    export = json.loads((tmp_path / 'gis/export.json').read_bytes())
    assert export['subsets']['']['instances'] == 7
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'again') == 0
    assert tree(tmp_path / 'gis') == tree(tmp_path / 'again')


def tiles_by_box(made):
    """Return the tiles of each box that has a mask there, by its id."""
    found = {}
    for path in sorted((made / 'instances').iterdir()):
        for entry in Record.load(path).kept:
            found.setdefault(entry.box_id, []).append(path.stem)
    return found


def redraw(made, stem, box_id, side, when):
    """Correct a mask by hand: a square of so many pixels a side."""
    out = AnnotatedFolder(made)
    record = Record.load(out.path('instances', stem))
    (entry,) = [each for each in record.boxes if each.box_id == box_id]
    path = out.corrections(stem)
    found = Corrections.load(path) if path.exists() else Corrections.of(stem, record.image)
    mask = square(record.image.height, record.image.width, side=side)
    found.add(action_of(entry, 'mask', mask, by='ann', when=when))
    found.write(path)


def test_of_several_tiles_the_mask_corrected_last_is_taken(dota, tmp_path):
    made = tmp_path / 'made'
    assert annotate(dota, made) == 0

    def shown(name):
        assert annotate(dota, made, '--finalise') == 0
        assert tool(made, '--to', 'gis', '--out', tmp_path / name) == 1, 'P0002 is not on the map'
        _, _, columns = read_layer(tmp_path / name / 'masks.gpkg', 'masks')
        seen = zip(columns['tile'], columns['pixels'], strict=True)
        return dict(zip(columns['box_id'], seen, strict=True))

    before = shown('before')
    box_id, tiles = next((box_id, tiles) for box_id, tiles in tiles_by_box(made).items()
                         if len(tiles) > 1 and box_id in before)  # fmt: skip
    roomy = before[box_id][0]
    other = next(tile for tile in tiles if tile != roomy)
    redraw(made, other, box_id, 7, '2026-01-02T10:00:00Z')
    assert shown('one')[box_id] == (other, 49)
    redraw(made, roomy, box_id, 5, '2026-01-02T10:30:00+01:00')
    assert shown('older')[box_id] == (other, 49), 'half past nine by UTC'
    redraw(made, roomy, box_id, 6, '2026-01-02T11:30:00+01:00')
    after = shown('newer')
    assert after.pop(box_id) == (roomy, 36)
    before.pop(box_id)
    assert after == before


def test_what_is_not_on_the_map_is_named(dota, tmp_path, capsys):
    assert annotate(dota, tmp_path / 'made') == 0
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis') == 1
    assert 'P0002.tif: not on the map (no geotransform)' in capsys.readouterr().err
    assert not (tmp_path / 'gis/labels/P0002.tif').exists()
    assert (tmp_path / 'gis/labels/P0001.tif').exists()


def test_refused_where_nothing_is_on_the_map(tmp_path, capsys):
    data = write_dota(tmp_path / 'dota', scenes=2)
    assert annotate(data, tmp_path / 'made') == 0
    capsys.readouterr()
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis') == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'P0000.png: not on the map (no geotransform); gis wants the GeoTIFFs' in error
    assert not (tmp_path / 'gis').exists()
    with pytest.raises(SystemExit):
        tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis', '--images', 'copy')


def test_a_replaced_scene_is_named(dota, tmp_path, capsys):
    assert annotate(dota, tmp_path / 'made') == 0
    with rasterio.open(dota / 'images/P0001.tif', 'r+') as file:
        file.transform = affine(45)
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis') == 1
    assert 'P0001.tif: was replaced since it was annotated' in capsys.readouterr().err
    _, _, columns = read_layer(tmp_path / 'gis/masks.gpkg', 'masks')
    assert set(columns['scene']) == {'P0000'}


def test_the_crs_that_a_run_was_told(tmp_path):
    write_scene(tmp_path / 'scene.tif', crs=None)
    boxes = write_layer(tmp_path / 'boxes.gpkg', [on_map(box(5, 5, 50, 60))], ['a'])
    argv = [GEO, '--data-root', tmp_path / 'scene.tif', '--out', tmp_path / 'made', '--workers', 0,
            '--boxes', boxes, *FILL, f'dataset.scene_crs={UTM}']  # fmt: skip
    assert load_tool('sam_annotate').main([str(each) for each in argv]) == 0
    assert tool(tmp_path / 'made', '--to', 'gis', '--out', tmp_path / 'gis') == 0
    assert read_layer(tmp_path / 'gis/masks.gpkg', 'masks')[0]['crs'] == UTM


def test_a_folder_of_boxes_on_the_map_gives_what_its_run_gave(tmp_path):
    data = tmp_path / 'data'
    data.mkdir()
    write_scene(data / 'scene.tif', affine(30), empty=20)
    shapes = [on_map(box(x, y, x + 50, y + 30), affine(30)) for x, y in
              ((5, 5), (40, 20), (60, 100), (180, 30), (230, 150))]  # fmt: skip
    write_layer(data / 'boxes.gpkg', shapes, list('abcab'), LONLAT)
    boxes = '--boxes', data / 'boxes.gpkg'
    for once in ('True', 'False'):
        made, out = tmp_path / f'made{once}', tmp_path / f'gis{once}'
        argv = [GEO, '--data-root', data, '--out', made, '--workers', 0, *boxes, *FILL]
        code = load_tool('sam_annotate').main([*map(str, argv), f'tile.once={once}'])
        assert code == 0
        assert tool(made, '--to', 'gis', '--out', out) == 0
        for name in ('labels/scene.tif', 'labels/scene.qml', 'masks.qml'):
            assert (out / name).read_bytes() == (made / name).read_bytes()
        (_, ours, mine), (_, theirs, yours) = (
            read_layer(root / 'masks.gpkg', 'masks') for root in (out, made)
        )
        by_id, same = np.argsort(mine['box_id']), np.argsort(yours['box_id'])
        assert shapely.equals_exact(ours[by_id], theirs[same]).all()
        assert mine.keys() < yours.keys()
