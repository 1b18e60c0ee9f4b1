"""XML label files as a small tree in which every element knows its line."""

import codecs
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import InputSource, Locator

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.labels import ParsedLabels, PlaceNamer

MAX_BYTES = 64 * 2**20
"""A label file of this size holds some 100,000 boxes; a larger one is a mistake or an attack."""

_CHINESE = ('gb2312', 'gbk')
_QUOTED = 60


class BadElementError(Exception):
    """An element that is meant to be a box but can't be read as one; the message says why."""


@dataclass(slots=True)
class Element:
    """One XML element; attributes are not kept (no label format here has any).

    Args:
        tag: Name.
        line: Line of its start tag, 1-based.
        text: Characters directly inside, stripped.
        children: Child elements in file order.
    """

    tag: str
    line: int
    text: str = ''
    children: list['Element'] = field(default_factory=list)

    def all(self, tag: str) -> list['Element']:
        """Return the children called ``tag``."""
        return [child for child in self.children if child.tag == tag]

    def first(self, *path: str) -> 'Element | None':
        """Return the first element at a path of tags below this one, or None."""
        for child in self.children:
            if child.tag == path[0]:
                return child.first(*path[1:]) if path[1:] else child
        return None

    def require_text(self, *path: str) -> str:
        """Return the text at a path of tags.

        Raises:
            BadElementError: No such element, or an empty one.
        """
        found = self.first(*path)
        if found is None or not found.text:
            what = 'no' if found is None else 'an empty'
            raise BadElementError(f'<{self.tag}> has {what} <{"/".join(path)}>')
        return found.text

    def numbers(self, tags: Sequence[str]) -> np.ndarray | None:
        """Return the numbers of some children.

        Args:
            tags: Names of K children.

        Returns:
            ``(K,)`` float64, or None where all are missing or empty.

        Raises:
            BadElementError: Some are missing while others are there, or one is not a number.
        """
        found = {child.tag: child.text for child in self.children if child.tag in tags}
        if not any(found.values()):
            return None
        missing = [f'<{tag}>' for tag in tags if not found.get(tag)]
        if missing:
            raise BadElementError(f'<{self.tag}> lacks {", ".join(missing)}')
        return np.array([number(found[tag], tag) for tag in tags])


def number(text: str, tag: str) -> float:
    """Return a number; NaN and infinite ones pass: their boxes get a status later.

    Raises:
        BadElementError: Not a number.
    """
    try:
        return float(text)
    except ValueError:
        raise BadElementError(f'<{tag}> is {text[:_QUOTED]!r}, not a number') from None


def read_boxes(
    objects: Iterable[Element], file: str, read: Callable[[Element, str], BoxLabel]
) -> ParsedLabels:
    """Read each object of a file, and note those that can't be read.

    Args:
        objects: The elements that each are one box, in file order.
        file: Name for box ids, relative to the data root.
        read: Makes a box of an element and its box id; raises ``BadElementError``.
    """
    labels, name_place = ParsedLabels(), PlaceNamer(file)
    for element in objects:
        place = name_place(element.line)
        try:
            labels.boxes.append(read(element, place))
        except BadElementError as error:
            labels.add_problem(place, str(error))
    return labels


def read_xml(data: bytes, file: str, root: str) -> Element:
    """Read an XML label file; entities and external references are refused.

    Args:
        data: The file's bytes. Its declared encoding is tried first, then UTF-8, then GB18030
            (GB2312's superset), because files were seen to declare one and hold another.
        file: Name for messages, relative to the data root.
        root: Tag that the root element must have.

    Raises:
        LabelReadError: Empty, oversized, malformed or hostile file, or another root element.
    """
    if not data.strip():
        raise LabelReadError(f'{file}: the label file is empty ({len(data)} bytes)')
    if len(data) > MAX_BYTES:
        raise LabelReadError(
            f'{file}: {len(data) / 2**20:.0f} MiB; an XML label file has at most '
            f'{MAX_BYTES // 2**20} MiB'
        )
    tree = _TreeBuilder()
    parser = make_parser()
    parser.setContentHandler(tree)
    source = InputSource()
    # Characters, not bytes: expat can't decode multi-byte encodings such as GB2312.
    source.setCharacterStream(io.StringIO(_decode(data)))
    try:
        parser.parse(source)
    except SAXParseException as error:
        place = f'{file}:{error.getLineNumber()}:{(error.getColumnNumber() or 0) + 1}'
        raise LabelReadError(f'{place}: malformed XML: {error.getMessage()}') from error
    except DefusedXmlException as error:
        raise LabelReadError(
            f'{file}:{tree.line}: the XML declares an entity or refers to another file '
            f'({type(error).__name__}); refused, a label file needs neither'
        ) from error
    if tree.root.tag != root:
        raise LabelReadError(
            f'{file}:{tree.root.line}: root element <{tree.root.tag[:_QUOTED]}>; expected <{root}>'
        )
    return tree.root


class _TreeBuilder(ContentHandler):
    """Builds ``root`` from SAX events; the locator is the public way to line numbers."""

    _locator: Locator

    def __init__(self):
        super().__init__()
        self._open: list[Element] = []
        self._texts: list[list[str]] = []

    @property
    def line(self) -> int:
        return self._locator.getLineNumber() or 0

    def startElement(self, name, attrs):  # noqa: N802 (SAX's name)
        element = Element(name, self.line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def characters(self, content):
        self._texts[-1].append(content)

    def endElement(self, name):  # noqa: N802 (SAX's name)
        self._open.pop().text = ''.join(self._texts.pop()).strip()


def _decode(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, 'utf-8-sig'),
        (codecs.BOM_UTF16_LE, 'utf-16'),
        (codecs.BOM_UTF16_BE, 'utf-16'),
    ):
        if data.startswith(mark):
            return data.decode(encoding, errors='replace')
    declared = re.match(rb'\s*<\?xml[^>]*?\bencoding\s*=\s*["\']([\w.-]{1,40})["\']', data)
    names = [declared[1].decode().lower()] if declared else []
    for name in [*names, 'utf-8']:
        try:
            text = data.decode('gb18030' if name in _CHINESE else name)
        except (LookupError, UnicodeError):
            continue
        # A declared UTF-16 whose bytes are ASCII decodes without an error, to nonsense.
        if '<' in text:
            return text
    return data.decode('gb18030', errors='replace')
