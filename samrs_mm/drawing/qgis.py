"""Styles for QGIS, which looks for them beside a file: class names in the legend, colours."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from xml.sax.saxutils import quoteattr

_HEAD = (
    '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n'
    '<qgis version="3.22" styleCategories="Symbology">'
)
_OPACITY = 0.6
_FILL_ALPHA = 90
Colour = Sequence[int]
Palette = Sequence[Colour]


def raster_style(classes: Sequence[str], palette: Palette) -> bytes:
    """Return the style of a label map whose values are places in a list of classes."""
    entries = ''.join(
        f'<paletteEntry value="{value}" label={quoteattr(name)} color="{_hexed(colour)}" '
        'alpha="255"/>'
        for value, (name, colour) in enumerate(zip(classes, palette, strict=True))
    )
    return (
        f'{_HEAD}<pipe><rasterrenderer type="paletted" band="1" opacity="{_OPACITY}">'
        f'<colorPalette>{entries}</colorPalette></rasterrenderer></pipe></qgis>\n'
    ).encode()


def polygon_style(values: Sequence[str], palette: Palette, column: str) -> bytes:
    """Return the style of polygons by the text in a column, such as the class name."""
    return _categories(values, palette, column, partial(_fill, alpha=_FILL_ALPHA))


def feature_style(
    values: Sequence[str], palette: Palette, column: str, kinds: Collection[str]
) -> bytes:
    """Return the style of features by the text in a column: outlines, and points as rings.

    ``kinds`` are the types of geometry there, such as ``MultiPolygon``. QGIS draws a feature by a
    symbol of its own kind only, so a layer of points and others has a rule for each.
    """
    points = {kind for kind in kinds if kind.endswith('Point')}
    if not points or points == set(kinds):
        return _categories(values, palette, column, _marker if points else _fill)
    kinds_of = (("= 'Point'", _marker), ("<> 'Point'", _fill))
    rules, symbols = '', ''
    for value, colour in zip(values, palette, strict=True):
        for which, symbol in kinds_of:
            number = symbols.count('<symbol ')
            text = value.replace("'", "''")
            where = f'"{column}" = \'{text}\' AND geometry_type($geometry) {which}'
            rules += (
                f'<rule key="{number}" filter={quoteattr(where)} label={quoteattr(value)} '
                f'symbol="{number}"/>'
            )
            symbols += symbol(number, colour)
    return (
        f'{_HEAD}<renderer-v2 type="RuleRenderer"><rules key="all">{rules}</rules>'
        f'<symbols>{symbols}</symbols></renderer-v2></qgis>\n'
    ).encode()


def _categories(
    values: Sequence[str], palette: Palette, column: str, symbol: Callable[[int, Colour], str]
) -> bytes:
    categories = ''.join(
        f'<category value={quoteattr(name)} label={quoteattr(name)} symbol="{number}" '
        'render="true"/>'
        for number, name in enumerate(values)
    )
    symbols = ''.join(symbol(number, colour) for number, colour in enumerate(palette))
    return (
        f'{_HEAD}<renderer-v2 type="categorizedSymbol" attr="{column}">'
        f'<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>\n'
    ).encode()


def _fill(number: int, colour: Colour, alpha: int = 0) -> str:
    text = ','.join(map(str, colour))
    return (
        f'<symbol type="fill" name="{number}" alpha="1"><layer class="SimpleFill" enabled="1">'
        f'<prop k="color" v="{text},{alpha}"/><prop k="outline_color" v="{text},255"/>'
        '<prop k="outline_width" v="0.4"/></layer></symbol>'
    )


def _marker(number: int, colour: Colour) -> str:
    text = ','.join(map(str, colour))
    return (
        f'<symbol type="marker" name="{number}" alpha="1"><layer class="SimpleMarker" enabled="1">'
        f'<prop k="name" v="circle"/><prop k="color" v="{text},0"/>'
        f'<prop k="outline_color" v="{text},255"/><prop k="outline_width" v="0.4"/>'
        '<prop k="size" v="2.4"/></layer></symbol>'
    )


def _hexed(colour: Sequence[int]) -> str:
    return '#' + ''.join(f'{part:02x}' for part in colour)
