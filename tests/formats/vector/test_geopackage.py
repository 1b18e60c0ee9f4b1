import contextlib
import datetime
import os
import sqlite3
from dataclasses import replace

import numpy as np
import pyogrio
import pytest
import shapely
from map_cases import UTM, read_layer
from rasterio.crs import CRS

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import file_sha256
from samrs_mm.formats.vector.geopackage import Table, beside, write_tables

SHAPES = [shapely.MultiPolygon([shapely.box(0, 0, 2, 1)]), None]


def tables(**columns):
    one = Table('masks', SHAPES, dict(columns), CRS.from_string(UTM), 'MultiPolygon')
    return [one, Table('boxes', SHAPES, dict(columns), CRS.from_string('EPSG:4326'))]


def test_two_layers_in_their_own_crs(tmp_path):
    write_tables(
        tmp_path / 'a.gpkg',
        tables(
            name=np.array(['a', None], object),
            score=np.array([0.5, np.nan]),
            many=np.array([[1, 2], {'a': 1}], object),
            yes=np.array([True, False]),
            day=np.array([datetime.date(2020, 1, 2), None], 'datetime64[D]'),
        ),
    )
    for name, code in (('masks', 'EPSG:32632'), ('boxes', 'EPSG:4326')):
        meta, shapes, columns = read_layer(tmp_path / 'a.gpkg', name)
        assert meta['crs'] == code
        assert shapes[0].equals(SHAPES[0])
        assert shapes[1] is None
        assert columns['name'].tolist() == ['a', None]
        assert columns['score'][0] == 0.5
        assert np.isnan(columns['score'][1])
        assert columns['many'].tolist() == ['[1, 2]', "{'a': 1}"]
        assert columns['yes'].tolist() == [True, False]
        assert str(columns['day'][0]).startswith('2020-01-02')
    assert [path.name for path in tmp_path.iterdir()] == ['a.gpkg']


def test_equal_content_equal_bytes_also_over_what_a_killed_run_left(tmp_path):
    (tmp_path / '.b.gpkg.tmp').write_bytes(b'half')
    (tmp_path / '.b.gpkg.tmp-journal').write_bytes(b'half')
    for name in ('a.gpkg', 'b.gpkg'):
        write_tables(tmp_path / name, tables(name=np.array(['a', 'b'], object)))
    assert file_sha256(tmp_path / 'a.gpkg') == file_sha256(tmp_path / 'b.gpkg')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.gpkg', 'b.gpkg']


def test_styles_are_where_qgis_looks_for_them(tmp_path):
    one, other = tables(name=np.array(['a', 'b'], object))
    write_tables(tmp_path / 'a.gpkg', [replace(one, style=b'<qgis/>'), other])
    _, _, columns = read_layer(tmp_path / 'a.gpkg', 'layer_styles')
    found = {name: values.tolist() for name, values in columns.items()}
    assert found['f_table_name'] == ['masks']
    named = pyogrio.read_info(tmp_path / 'a.gpkg', layer='masks')['geometry_name']
    assert found['f_geometry_column'] == [named]
    assert found['styleQML'] == ['<qgis/>']
    assert found['useAsDefault'] == [True]
    assert found['f_table_schema'] == ['']  # QGIS asks for an empty text, not for none
    assert read_layer(tmp_path / 'a.gpkg', 'boxes')[0]['crs'] == 'EPSG:4326'
    write_tables(tmp_path / 'b.gpkg', [replace(one, style=b'<qgis/>'), other])
    assert file_sha256(tmp_path / 'a.gpkg') == file_sha256(tmp_path / 'b.gpkg')


def test_a_reader_beside_the_writer_sees_the_old_layer_then_the_new(tmp_path, monkeypatch):
    path = tmp_path / 'a.gpkg'
    seen = []

    def names(connection):
        return [name for (name,) in connection.execute('SELECT name FROM masks ORDER BY fid')]

    def replace_beside_readers(source, target):
        seen.append(read_layer(path, 'masks')[2]['name'].tolist())
        original(source, target)
        seen.append(read_layer(path, 'masks')[2]['name'].tolist())

    write_tables(path, tables(name=np.array(['a', 'b'], object)))
    original = os.replace
    monkeypatch.setattr(os, 'replace', replace_beside_readers)
    with contextlib.closing(sqlite3.connect(f'file:{path}?mode=ro', uri=True)) as reader:
        open_rows = reader.execute('SELECT name FROM masks ORDER BY fid')
        assert open_rows.fetchone() == ('a',)
        write_tables(path, tables(name=np.array(['c', 'd'], object)))
        assert open_rows.fetchone() == ('b',)
        assert names(reader) == ['a', 'b']
    assert seen == [['a', 'b'], ['c', 'd']]
    assert [each.name for each in tmp_path.iterdir()] == ['a.gpkg']


def test_what_a_program_had_open_is_not_read_into_the_new_file(tmp_path):
    path = tmp_path / 'a.gpkg'
    write_tables(path, tables(name=np.array(['a', 'b'], object)))
    with contextlib.closing(sqlite3.connect(path)) as viewer:  # as QGIS opens it
        viewer.execute('PRAGMA journal_mode=wal')
        viewer.execute("UPDATE gpkg_contents SET description = 'stale'")
        viewer.commit()
        assert (tmp_path / 'a.gpkg-wal').stat().st_size
        write_tables(path, tables(name=np.array(['c', 'd'], object)))
        assert [each.name for each in tmp_path.iterdir()] == ['a.gpkg']
        with contextlib.closing(sqlite3.connect(path)) as reader:
            about = reader.execute('SELECT DISTINCT description FROM gpkg_contents')
            assert ('stale',) not in about.fetchall()


def test_a_layer_without_features(tmp_path):
    empty = dict(name=np.empty(0, object), score=np.empty(0))
    write_tables(tmp_path / 'a.gpkg', [Table('masks', [], empty, None, 'MultiPolygon')])
    meta, shapes, _ = read_layer(tmp_path / 'a.gpkg', 'masks')
    assert len(shapes) == 0
    assert list(meta['fields']) == ['name', 'score']


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SamrsError, match=r'x/a.gpkg: could not be written'):
        write_tables(tmp_path / 'x/a.gpkg', tables(name=np.array(['a', 'b'], object)))


def test_columns_of_one_name():
    one, other = np.zeros(1), np.ones(1)
    found = beside(dict(score=one), dict(Score=other, fid=other, owner=other))
    assert list(found) == ['score', 'input_Score', 'input_fid', 'owner']
    assert found['input_Score'] is other
