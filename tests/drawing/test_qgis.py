from xml.etree import ElementTree

import pytest

from samrs_mm.drawing.qgis import feature_style, polygon_style, raster_style

NAMES, COLOURS = ['ship', 'A & "B" <c>'], [(255, 0, 1), (0, 16, 255)]


def test_label_maps():
    entries = ElementTree.fromstring(raster_style(NAMES, COLOURS)).iter('paletteEntry')
    found = [(each.get('value'), each.get('label'), each.get('color')) for each in entries]
    assert found == [('0', NAMES[0], '#ff0001'), ('1', NAMES[1], '#0010ff')]


def test_polygons():
    root = ElementTree.fromstring(polygon_style(NAMES, COLOURS, 'category'))
    assert root.find('renderer-v2').get('attr') == 'category'
    categories = [(each.get('value'), each.get('symbol')) for each in root.iter('category')]
    assert categories == [(NAMES[0], '0'), (NAMES[1], '1')]
    fills = [each.get('v') for each in root.iter('prop') if each.get('k') == 'color']
    assert fills == ['255,0,1,90', '0,16,255,90']


@pytest.mark.parametrize(
    ('kinds', 'symbol'),
    [({'Polygon', 'MultiPolygon'}, 'fill'), ({'Point', 'MultiPoint'}, 'marker')],
)
def test_features_of_one_kind(kinds, symbol):
    root = ElementTree.fromstring(feature_style(NAMES, COLOURS, 'status', kinds))
    assert root.find('renderer-v2').get('type') == 'categorizedSymbol'
    assert [each.get('type') for each in root.iter('symbol')] == [symbol] * 2
    inner = [each.get('v') for each in root.iter('prop') if each.get('k') == 'color']
    assert inner == ['255,0,1,0', '0,16,255,0']


def test_points_beside_polygons_have_a_symbol_of_their_own():
    style = feature_style(["it's"], [(1, 2, 3)], 'status', {'Point', 'Polygon'})
    root = ElementTree.fromstring(style)
    symbols = {each.get('name'): each.get('type') for each in root.iter('symbol')}
    rules = {each.get('filter'): symbols[each.get('symbol')] for each in root.iter('rule')}
    assert rules == {
        "\"status\" = 'it''s' AND geometry_type($geometry) = 'Point'": 'marker',
        "\"status\" = 'it''s' AND geometry_type($geometry) <> 'Point'": 'fill',
    }
    assert {each.get('label') for each in root.iter('rule')} == {"it's"}
