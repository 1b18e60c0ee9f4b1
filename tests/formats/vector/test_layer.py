import json
import re

import numpy as np
import pyogrio
import pytest
import shapely
from map_cases import UTM, write_layer

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.vector.layer import outline_of, read_layer, split_name

SQUARE = [(0, 0), (4, 0), (4, 2), (0, 2)]


@pytest.mark.parametrize(
    ('name', 'driver'),
    [
        ('a.gpkg', 'GPKG'),
        ('a.geojson', 'GeoJSON'),
        ('a.shp', 'ESRI Shapefile'),
        ('a.fgb', 'FlatGeobuf'),
    ],
)
def test_kinds_of_files(tmp_path, name, driver):
    path = write_layer(tmp_path / name, [SQUARE, SQUARE], ['ship', None], UTM, 'a', driver)
    layer = read_layer(path)
    assert len(layer) == 2
    assert layer.crs.to_epsg() == 32632
    assert layer.fields['class'].tolist() == ['ship', None]
    assert layer.geometries[0].equals(shapely.Polygon(SQUARE))
    assert layer.box_id(1) == f'{name}:a:{layer.fids[1]}'


def test_tables(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('class,XMin,ymin,xmax,ymax\nship,0,1,4,3\nship,0,1,abc,3\n')
    layer = read_layer(path, crs=UTM)
    assert layer.geometries[0].bounds == (0, 1, 4, 3)
    assert layer.geometries[1] is None
    assert layer.problems == {1: "xmax is 'abc', not a number"}
    path.write_text('class,x,y\nship,3,4\n')
    assert read_layer(path).geometries[0].equals(shapely.Point(3, 4))
    for names in ('Lon,lat', 'latitude,longitude'):
        path.write_text(f'class,{names}\nship,3,4\n')
        layer = read_layer(path)
        at = (3, 4) if names == 'Lon,lat' else (4, 3)
        assert layer.geometries[0].equals(shapely.Point(at))
        assert layer.crs.to_epsg() == 4326
        assert read_layer(path, crs=UTM).crs.to_epsg() == 32632
    path.write_text('class,WKT\nship,"POLYGON ((0 0, 1 0, 1 1, 0 0))"\n')
    assert read_layer(path).geometries[0].area == 0.5
    path.write_text('class,east\nship,3\n')
    with pytest.raises(
        RefusedError, match=r'no geometries, and no columns xmin.*it has class, east'
    ):
        read_layer(path)


def test_geojson_without_crs_is_in_degrees(tmp_path):
    path = tmp_path / 'a.geojson'
    square = dict(type='Polygon', coordinates=[[*SQUARE, SQUARE[0]]])
    feature = dict(type='Feature', properties={}, geometry=square)
    path.write_text(json.dumps(dict(type='FeatureCollection', features=[feature])))
    assert read_layer(path).crs.to_epsg() == 4326
    assert read_layer(path, crs=UTM).crs.to_epsg() == 32632
    path.write_text(json.dumps(dict(type='FeatureCollection', features=[])))
    with pytest.raises(RefusedError, match='holds no features'):
        read_layer(path)
    path.write_text('{"type": "FeatureColl')
    with pytest.raises(RefusedError, match=r'a.geojson: cannot read it: '):
        read_layer(path)


def test_one_of_several_layers(tmp_path):
    path = write_layer(tmp_path / 'a.gpkg', [SQUARE], ['ship'], name='old')
    write_layer(path, [SQUARE, SQUARE], ['ship'] * 2, name='new', append=True)
    assert len(read_layer(*split_name(f'{path}:new'))) == 2
    for given, said in ((f'{path}', 'it has old, new'), (f'{path}:x', "no layer 'x'; it has old")):
        with pytest.raises(RefusedError, match=said):
            read_layer(*split_name(given))


def test_tables_without_geometries_are_no_layers(tmp_path):
    path = write_layer(tmp_path / 'a.gpkg', [SQUARE], ['ship'])
    style = [np.array(['boxes'], object)], ['f_table_name']
    pyogrio.raw.write(path, None, *style, geometry_type=None, layer='layer_styles', append=True)
    assert read_layer(path).name == 'boxes'
    with pytest.raises(RefusedError, match=r"no layer 'layer_styles'; it has boxes;"):
        read_layer(path, 'layer_styles')


def test_a_crs_that_is_none(tmp_path):
    path = write_layer(tmp_path / 'a.gpkg', [SQUARE], ['ship'])
    with pytest.raises(RefusedError, match="'EPSG:1' is no CRS"):
        read_layer(path, crs='EPSG:1')


@pytest.mark.parametrize('name', ['a.geojson', 'a.csv', 'a.gpkg'])
def test_virtual_layers_are_not_followed(tmp_path, name):
    secret = write_layer(tmp_path / 'secret.gpkg', [SQUARE], ['ship'])
    (tmp_path / name).write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="boxes"><SrcDataSource>{secret}</SrcDataSource>'
        '</OGRVRTLayer></OGRVRTDataSource>'
    )
    with pytest.raises(RefusedError, match='no GeoPackage, GeoJSON, shapefile'):
        read_layer(tmp_path / name)


def test_no_file(tmp_path):
    (tmp_path / 'a.gpkg').touch()
    for path, said in ((tmp_path / 'b.gpkg', 'no such file'), (tmp_path / 'a.gpkg', 'it is empty')):
        with pytest.raises(RefusedError, match=said):
            read_layer(path)


def test_what_a_prompt_is_made_of():
    closed, is_box, problem = outline_of(shapely.Polygon([*SQUARE, SQUARE[-1]]))
    assert closed.tolist() == [list(map(float, xy)) for xy in SQUARE]
    assert (is_box, problem) == (True, '')
    ring = shapely.Polygon(SQUARE, [[(1, 0.5), (2, 0.5), (2, 1)]])
    assert not outline_of(ring)[1]
    points, is_box, _ = outline_of(shapely.MultiPolygon([ring, shapely.box(5, 5, 6, 6)]))
    assert points.max() == 6
    assert not is_box
    assert outline_of(shapely.Point(1, 2))[0].tolist() == [[1, 2]]
    for geometry, said in (
        (None, 'no geometry'),
        (shapely.Polygon(), 'no geometry'),
        (shapely.LineString([(0, 0), (1, 1)]), 'a LineString; polygons'),
        (shapely.MultiPoint([(0, 0), (1, 1)]), 'a MultiPoint of 2'),
        (shapely.Point(np.nan, 1), 'has no geometry|not a number'),
    ):
        assert re.search(said, outline_of(geometry)[2])
