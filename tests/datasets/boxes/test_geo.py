import numpy as np
import pytest
import shapely
from map_cases import LONLAT, SIZE, UTM, affine, box, on_map, write_layer, write_scene
from PIL import Image
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import Affine

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.place import reproject
from samrs_mm.datasets.boxes.geo import GeoBoxDataset

SLANTED = [(100, 50), (140, 70), (130, 90), (90, 70)]
OTHER_UTM, SWISS, WEB = 'EPSG:32633', 'EPSG:2056', 'EPSG:3857'


def dataset(root, boxes, **options):
    found = GeoBoxDataset(str(root), boxes=str(boxes), **options)
    found.collect_classes()
    return found


def labels(found, stem='a'):
    [index] = [k for k, scene in enumerate(found.scenes) if scene.stem == stem]
    return found.labels(index)


def problems(found):
    return {each.box_id.rpartition(':')[2]: (each.status, each.message)
            for each in labels(found, found.label_file).problems}  # fmt: skip


@pytest.mark.parametrize('crs', [LONLAT, UTM, OTHER_UTM, WEB, SWISS])
@pytest.mark.parametrize('turn', [0, 30])
def test_boxes_of_any_crs_are_the_same_pixels(tmp_path, crs, turn):
    write_scene(tmp_path / 'a.tif', affine(turn))
    shapes = [on_map(SLANTED, affine(turn), crs)]
    found = dataset(tmp_path / 'a.tif', write_layer(tmp_path / 'b.gpkg', shapes, ['ship'], crs))
    [label] = labels(found).boxes
    # 1 mm: there and back are two ways between CRSs of different datums
    assert np.abs(label.polygon - SLANTED).max() < (5e-3 if crs == SWISS else 2e-4)
    assert (label.box_id, label.category) == ('b.gpkg:boxes:1', 'ship')
    assert found.classes == ('ship',)


def test_the_axes_of_degrees_are_x_then_y(tmp_path):
    degrees = Affine(1e-5, 0, 11, 0, -1e-5, 48)
    write_scene(tmp_path / 'a.tif', degrees, LONLAT)
    shape = shapely.box(11.001, 47.999, 11.002, 47.9995)
    found = dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', [shape], ['x']))
    [label] = labels(found).boxes
    assert label.polygon.min(axis=0) == pytest.approx([100, 50], abs=1e-3)
    assert label.polygon.max(axis=0) == pytest.approx([200, 100], abs=1e-3)


def test_a_scene_across_the_antimeridian(tmp_path):
    centres = [(180 - 1e-4, 0.0003), (-180 + 1e-4, 0.0003)]
    x, y = reproject(np.array(centres), CRS.from_epsg(4326), CRS.from_epsg(32660)).mean(axis=0)
    write_scene(tmp_path / 'a.tif', affine(x=x - 75, y=y + 50), 'EPSG:32660')
    half = 2e-5
    shapes = [shapely.box(x - half, y - half, x + half, y + half) for x, y in centres]
    found = dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', shapes, ['x', 'x']))
    assert len(labels(found).boxes) == 2


def test_a_scene_in_degrees_across_the_antimeridian(tmp_path):
    write_scene(tmp_path / 'a.tif', Affine(1e-5, 0, 180 - 150e-5, 0, -1e-5, 10), LONLAT)
    there = shapely.box(180 - 20e-5, 10 - 40e-5, 180 + 30e-5, 10 - 20e-5)
    jump = shapely.transform(
        there, lambda xy: np.stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]], 1)
    )
    parts = shapely.MultiPolygon([
        shapely.box(180 - 20e-5, 10 - 40e-5, 180, 10 - 20e-5),
        shapely.box(-180, 10 - 40e-5, -180 + 30e-5, 10 - 20e-5),
    ])  # fmt: skip
    west = shapely.transform(there, lambda xy: xy - (360, 0))
    found = dataset(
        tmp_path, write_layer(tmp_path / 'b.gpkg', [there, jump, parts, west], ['x'] * 4)
    )
    assert len(labels(found).boxes) == 4
    for label in labels(found).boxes:
        points = np.reshape(label.hbox if label.polygon is None else label.polygon, (-1, 2))
        assert points.min(axis=0) == pytest.approx([130, 20], abs=1e-3)
        assert points.max(axis=0) == pytest.approx([180, 40], abs=1e-3)
    write_scene(tmp_path / 'a.tif', Affine(1e-5, 0, 350, 0, -1e-5, 10), LONLAT)  # 0 to 360 degrees
    shape = shapely.box(-10 + 10e-5, 10 - 20e-5, -10 + 30e-5, 10 - 10e-5)
    found = dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', [shape], ['x']))
    assert labels(found).boxes[0].polygon.min(axis=0) == pytest.approx([10, 10], abs=1e-3)


def test_a_box_over_the_whole_world_stays_one(tmp_path):
    write_scene(tmp_path / 'a.tif', Affine(1.2, 0, -180, 0, -0.6, 60), LONLAT)
    shape = shapely.box(-100, 0, 140, 10)
    found = dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', [shape], ['x']))
    size = np.ptp(labels(found).boxes[0].polygon, axis=0)
    assert size == pytest.approx([200, 10 / 0.6], abs=1e-3)


@pytest.mark.parametrize(('name', 'driver'), [('b.gpkg', 'GPKG'), ('b.geojson', 'GeoJSON')])
def test_a_layer_of_a_country(tmp_path, name, driver):
    write_scene(tmp_path / 'a.tif', affine(30))
    far = [shapely.box(12 + k, 50, 12.1 + k, 50.1) for k in range(3)]
    beside = on_map(box(150, -40, 160, -30), affine(30))  # in the rectangle around the turned scene
    good, bare = on_map(box(10, 10, 30, 20), affine(30)), None
    shapes = [*far, good, bare, beside, far[0]]
    names = np.array([f'no {k}' for k in range(7)], object)
    layer = write_layer(
        tmp_path / name, shapes, ['far'] * 3 + ['near'] * 3 + ['far'], driver=driver, name='b',
        number=names,
    )  # fmt: skip
    found = dataset(tmp_path / 'a.tif', layer, list_outside=3)
    assert found.elsewhere == 4
    assert found.classes == ('near',)
    assert found.layer.fields['number'].tolist() == ['no 3', 'no 4', 'no 5']
    first = {'GPKG': 1, 'GeoJSON': 0}[driver]
    assert labels(found).boxes[0].box_id == f'{name}:b:{3 + first}'
    assert {key: status for key, (status, _) in problems(found).items()} == {
        str(4 + first): 'malformed', str(5 + first): 'outside',
    }  # fmt: skip
    assert found.label_notes == [
        '5 of 7 features lie in no scene, 4 of them far from all and only counted'
    ]
    for limit in (4, None):
        found = dataset(tmp_path / 'a.tif', layer, list_outside=limit)
        assert (found.elsewhere, len(found.layer)) == (0, 7)
    with pytest.raises(RefusedError, match=r'dataset\.list_outside=-1; allowed'):
        dataset(tmp_path / 'a.tif', layer, list_outside=-1)


def test_a_country_without_a_box_in_a_scene(tmp_path):
    write_scene(tmp_path / 'a.tif')
    path = tmp_path / 'b.csv'
    path.write_text('lon,lat,class\n12,50,x\n13,50,x\n')
    found = dataset(tmp_path / 'a.tif', path, list_outside=0, point_size=8)
    assert (found.elsewhere, len(found.layer), found.classes) == (2, 0, ())
    assert found.collect_classes().label_notes == [
        '2 of 2 features lie in no scene, 2 of them far from all and only counted',
        'no box lies in 1 scene of 1, such as a.tif',
    ]
    x, y = on_map([(50, 40)])[0]
    path.write_text(f'lon,lat,class\n{y},{x},x\n13,50,x\n')
    with pytest.raises(RefusedError, match='with x and y exchanged 1 of 2 would'):
        dataset(tmp_path / 'a.tif', path, list_outside=0, point_size=8)


def test_what_is_no_box_of_a_scene_is_told(tmp_path):
    write_scene(tmp_path / 'a.tif')
    good = on_map(box(10, 10, 30, 20))
    shapes = [
        good, None, shapely.LineString(good), shapely.Point(good[0]), good,
        shapely.box(12, 50, 12.1, 50.1), shapely.box(11, 94, 12, 95),
        on_map(box(290, 190, 310, 210)),
        shapely.MultiPolygon([shapely.Polygon(good), shapely.Polygon(on_map(box(40, 30, 50, 40)))]),
    ]  # fmt: skip
    classes = ['x', 'x', 'x', 'x', ' ', 'x', 'x', 'x', 'x']
    found = dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', shapes, classes))
    boxes = {label.box_id.rpartition(':')[2]: label for label in labels(found).boxes}
    assert sorted(boxes) == ['1', '8', '9']
    assert boxes['9'].hbox == pytest.approx([10, 10, 50, 40], abs=1e-3)
    assert boxes['9'].polygon is None
    assert problems(found) == {
        '2': ('malformed', 'the feature has no geometry'),
        '3': ('malformed', 'a LineString; polygons, boxes and points can be prompted with'),
        '4': ('malformed', 'a Point; dataset.point_size=N puts a box of N pixels a side around it'),
        '5': ('malformed', 'the feature has no class'),
        '6': ('outside', 'it lies in no scene'),
        '7': ('outside', 'it lies in no scene'),
    }
    assert found.label_notes == ['2 of 9 features lie in no scene']


def test_points(tmp_path):
    write_scene(tmp_path / 'a.tif')
    points = [shapely.Point(on_map([(50.5, 40)])[0]), shapely.Point(12, 50)]
    layer = write_layer(tmp_path / 'b.gpkg', points, ['x', 'x'])
    found = dataset(tmp_path, layer, point_size=8)
    assert labels(found).boxes[0].hbox == pytest.approx([46.5, 36, 54.5, 44], abs=1e-3)
    assert problems(found)['2'][0] == 'outside'


def test_a_box_belongs_to_the_scene_that_holds_most_of_it(tmp_path):
    (tmp_path / 'scenes').mkdir()
    write_scene(tmp_path / 'scenes/a.tif')
    write_scene(tmp_path / 'scenes/b.tif', affine(x=691000 + 0.5 * SIZE[0] - 10))  # 20 px overlap
    write_scene(tmp_path / 'scenes/c.tif', affine(x=800000))
    shapes = [
        on_map(box(290, 10, 330, 20)),
        on_map(box(282, 10, 298, 20)),
        on_map(box(10, 5, 20, 9)),
    ]
    layer = write_layer(tmp_path / 'b.gpkg', shapes, ['x'] * 3)
    found = dataset(tmp_path / 'scenes', layer)
    assert [len(labels(found, stem).boxes) for stem in 'abc'] == [2, 1, 0]
    assert labels(found, 'b').boxes[0].polygon.min(axis=0) == pytest.approx([10, 10], abs=1e-3)
    assert found.label_notes == ['no box lies in 1 scene of 3, such as c.tif']


def test_scenes_of_several_crs(tmp_path):
    (tmp_path / 'scenes').mkdir()
    write_scene(tmp_path / 'scenes/a.tif')
    write_scene(tmp_path / 'scenes/b.tif', affine(), OTHER_UTM)
    shapes = [on_map(box(10, 10, 30, 20), crs=LONLAT)]
    there = reproject(on_map(box(10, 10, 30, 20), crs=UTM), CRS.from_string(OTHER_UTM),
                      CRS.from_string(LONLAT))  # fmt: skip
    layer = write_layer(tmp_path / 'b.gpkg', [*shapes, there], ['x', 'x'])
    found = dataset(tmp_path / 'scenes', layer)
    for stem in 'ab':
        [label] = labels(found, stem).boxes
        assert label.polygon.min(axis=0) == pytest.approx([10, 10], abs=1e-3)


def test_images_without_a_place_are_no_scenes(tmp_path):
    write_scene(tmp_path / 'a.tif')
    for name in ('preview.png', 'b.png'):
        Image.new('RGB', SIZE).save(tmp_path / name)
    (tmp_path / 'b.pgw').write_text('0.5\n0\n0\n-0.5\n691500.25\n5333999.75\n')
    with pytest.raises(RefusedError, match=r'b.png: names no CRS, .*dataset.scene_crs=EPSG:CODE'):
        dataset(tmp_path, write_layer(tmp_path / 'b.gpkg', [on_map(SLANTED)], ['x']))
    (tmp_path / 'b.pgw').unlink()
    found = dataset(tmp_path, tmp_path / 'b.gpkg')
    assert [scene.stem for scene in found.scenes] == ['a']


def test_both_without_a_crs(tmp_path):
    write_scene(tmp_path / 'a.tif', crs=None)
    shape = [affine() * xy for xy in SLANTED]
    layer = write_layer(tmp_path / 'b.shp', [shape], ['x'], None, 'b', 'ESRI Shapefile')
    assert labels(dataset(tmp_path, layer)).boxes[0].polygon == pytest.approx(
        np.array(SLANTED, float)
    )


def test_the_crs_of_scenes_that_name_none(tmp_path):
    write_scene(tmp_path / 'a.tif', crs=None)
    layer = write_layer(tmp_path / 'b.gpkg', [on_map(SLANTED)], ['x'])
    found = dataset(tmp_path, layer, scene_crs=UTM)
    assert labels(found).boxes[0].polygon == pytest.approx(np.array(SLANTED, float), abs=1e-3)
    assert found.places['a'].profile['crs'] == CRS.from_string(UTM)
    with pytest.raises(RefusedError, match=r"dataset.scene_crs='EPSG:9': no CRS is called so"):
        dataset(tmp_path, layer, scene_crs='EPSG:9')
    write_scene(tmp_path / 'a.tif', crs=UTM)
    found = dataset(tmp_path, layer, scene_crs='EPSG:32650')  # a scene's own stands
    assert labels(found).boxes[0].polygon == pytest.approx(np.array(SLANTED, float), abs=1e-3)


def test_what_is_refused(tmp_path):
    write_scene(tmp_path / 'a.tif')
    shape = on_map(SLANTED)
    plain = write_layer(tmp_path / 'plain.gpkg', [shape], ['x'], None)
    kinds = write_layer(tmp_path / 'kinds.gpkg', [shape], None, kind=np.array(['x'], object))
    swapped = write_layer(tmp_path / 'swapped.gpkg', [shape[:, ::-1]] * 2, ['x', 'x'])
    good = write_layer(tmp_path / 'good.gpkg', [shape], ['x'])
    flat = write_scene(tmp_path / 'flat.png.tif', Affine.identity(), crs=None)
    camera = tmp_path / 'camera.tif'
    rpcs = RPC(
        err_bias=0, err_rand=0, height_off=0, height_scale=1, lat_off=48, lat_scale=1,
        line_den_coeff=[1.0] + [0.0] * 19, line_num_coeff=[1.0] + [0.0] * 19, line_off=1,
        line_scale=1, long_off=11, long_scale=1, samp_den_coeff=[1.0] + [0.0] * 19,
        samp_num_coeff=[1.0] + [0.0] * 19, samp_off=1, samp_scale=1,
    )  # fmt: skip
    write_scene(camera, Affine.identity(), crs=None, rpcs=rpcs)
    for root, boxes, said in (
        ('a.tif', '', r'give the boxes with --boxes FILE\[:LAYER\]'),
        ('a.tif', plain, r'plain.gpkg: no CRS is named, a.tif is in EPSG:32632; say with'),
        ('a.tif', kinds, r"no column 'class'; it has kind; name one with .*class_field=COLUMN"),
        ('a.tif', swapped, r'with x and y exchanged 2 of 2 would: write x \(longitude\) before'),
        (flat.name, good, r'flat.png.tif: not on the map \(no geotransform\)'),
        (camera.name, good, r'camera.tif: has only .*RPCs.*: gdalwarp -rpc camera.tif'),
    ):
        with pytest.raises(RefusedError, match=said):
            dataset(tmp_path / root, boxes)
    assert dataset(tmp_path / 'a.tif', plain, crs=LONLAT).classes == ('x',)
    assert dataset(tmp_path / 'a.tif', kinds, class_field='kind').classes == ('x',)
    assert dataset(tmp_path / 'a.tif', kinds, class_name='house').classes == ('house',)
    with pytest.raises(RefusedError, match='point_size=0; allowed'):
        dataset(tmp_path / 'a.tif', good, point_size=0)


def test_a_damaged_scene_is_left_to_the_driver(tmp_path):
    (tmp_path / 'scenes').mkdir()
    write_scene(tmp_path / 'scenes/a.tif')
    (tmp_path / 'scenes/b.tif').write_bytes(b'II*\0')
    layer = write_layer(tmp_path / 'b.gpkg', [on_map(SLANTED)], ['x'])
    found = dataset(tmp_path / 'scenes', layer)
    assert [scene.image for scene in found.scenes] == ['a.tif', 'b.tif']
    assert len(labels(found).boxes) == 1
    assert found.label_notes == [
        '1 scene of 2 can not be read, so that boxes there are called outside, such as b.tif'
    ]
    with pytest.raises(RefusedError, match=r'b.tif: cannot read the image'):
        dataset(tmp_path / 'scenes/b.tif', layer)
