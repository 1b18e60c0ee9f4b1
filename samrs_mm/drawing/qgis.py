"""Styles for QGIS, which looks for them beside a file: class names in the legend, colours."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

_HEAD = (
    '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n'
    '<qgis version="3.22" styleCategories="Symbology">'
)
_OPACITY = 0.6
_FILL_ALPHA = 90
Palette = Sequence[Sequence[int]]


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


def polygon_style(
    values: Sequence[str], palette: Palette, column: str, filled: bool = True
) -> bytes:
    """Return the style of polygons by the text in a column, such as the class name."""
    categories = ''.join(
        f'<category value={quoteattr(name)} label={quoteattr(name)} symbol="{number}" '
        'render="true"/>'
        for number, name in enumerate(values)
    )
    alpha = _FILL_ALPHA if filled else 0
    symbols = ''.join(_symbol(number, colour, alpha) for number, colour in enumerate(palette))
    return (
        f'{_HEAD}<renderer-v2 type="categorizedSymbol" attr="{column}">'
        f'<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>\n'
    ).encode()


def _symbol(number: int, colour: Sequence[int], alpha: int) -> str:
    text = ','.join(map(str, colour))
    return (
        f'<symbol type="fill" name="{number}" alpha="1"><layer class="SimpleFill" enabled="1">'
        f'<prop k="color" v="{text},{alpha}"/><prop k="outline_color" v="{text},255"/>'
        '<prop k="outline_width" v="0.4"/></layer></symbol>'
    )


def _hexed(colour: Sequence[int]) -> str:
    return '#' + ''.join(f'{part:02x}' for part in colour)
