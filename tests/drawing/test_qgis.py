from xml.etree import ElementTree

from samrs_mm.drawing.qgis import polygon_style, raster_style

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
    outlines = ElementTree.fromstring(polygon_style(NAMES, COLOURS, 'status', filled=False))
    fills = [each.get('v') for each in outlines.iter('prop') if each.get('k') == 'color']
    assert fills == ['255,0,1,0', '0,16,255,0']
