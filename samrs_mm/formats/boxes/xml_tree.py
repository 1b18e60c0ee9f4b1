"""XML label files as trees in which every element has the line of its start tag, 1-based."""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from samrs_mm.core.boxes import (
    FLAGS,
    GUESSED,
    BadBoxError,
    BoxLabel,
    ParsedLabels,
    read_boxes,
    stated_size,
    to_float,
)
from samrs_mm.core.errors import LabelReadError

MAX_BYTES = 64 * 2**20
"""A label file of this size holds some 100,000 boxes; a larger one is a mistake or an attack."""

_CHINESE = ('gb2312', 'gbk')
_QUOTED = 60


def text_of(element: Element) -> str:
    """Return the characters before the first child, stripped."""
    return (element.text or '').strip()


def require_text(element: Element, path: str) -> str:
    """Return the text of the element at a path below another.

    Raises:
        BadBoxError: No such element, or an empty one.
    """
    found = element.find(path)
    if found is None or not text_of(found):
        what = 'no' if found is None else 'an empty'
        raise BadBoxError(f'<{element.tag}> has {what} <{path}>')
    return text_of(found)


def numbers(element: Element, tags: Sequence[str]) -> np.ndarray | None:
    """Return the numbers of K children as ``(K,)`` float64; None if all are missing or empty.

    Raises:
        BadBoxError: Some are missing while others are there, or one is not a number.
    """
    found = {child.tag: text_of(child) for child in element if child.tag in tags}
    if not any(found.values()):
        return None
    missing = [f'<{tag}>' for tag in tags if not found.get(tag)]
    if missing:
        raise BadBoxError(f'<{element.tag}> lacks {", ".join(missing)}')
    return np.array([to_number(tag, found[tag]) for tag in tags])


def marks_of(element: Element) -> dict[str, Any]:
    """Return the flags of an object, as arguments of ``BoxLabel``; see ``boxes.FLAGS``.

    Pascal VOC's are whole numbers. What is none, as ``Unspecified``, is told in a note.
    """
    found = {tag: text_of(child) for tag in FLAGS if (child := element.find(tag)) is not None}
    flags = {tag: int(text) for tag, text in found.items() if text.isdecimal() and len(text) < 10}
    notes = [f'<{tag}> is {found[tag][:_QUOTED]!r}, no whole number: not kept'
             for tag in found.keys() - flags.keys() if found[tag]]  # fmt: skip
    more: dict[str, Any] = dict(flags={tag: value for tag, value in flags.items() if value})
    return more | (dict(notes=tuple(sorted(notes))) if notes else {})


def to_number(tag: str, text: str) -> float:
    """Return the number that an element holds; see ``to_float``."""
    return to_float(text, f'<{tag}> is {text[:_QUOTED]!r}, not a number')


def read_labels(
    data: bytes,
    file: str,
    root: str,
    paths: Sequence[str],
    read: Callable[[str, Element], BoxLabel],
    size: tuple[str, str] = ('size/width', 'size/height'),
) -> ParsedLabels:
    """Read the elements at some paths below the root of a label file, called ``file`` in box ids.

    ``size`` are the paths of the picture's width and height.

    Raises:
        LabelReadError: As ``read_xml``, or all such elements stand elsewhere.
    """
    tree = read_xml(data, file, root)
    _check_places(tree, file, paths)
    labels = read_boxes(objects_of(tree, file, paths), read)
    if not all(box.category.isascii() for box in labels.boxes) and _decode(data)[1]:
        labels.notes.append(GUESSED)
    labels.size = stated_size(*map(tree.findtext, size))
    return labels


def _check_places(tree: Element, file: str, paths: Sequence[str]) -> None:
    """Refuse a file whose elements are not where its format has them: it is of another one."""
    if any(tree.find(path) is not None for path in paths):
        return
    for path in paths:
        if (element := next(tree.iter(path.rpartition('/')[2]), None)) is not None:
            raise LabelReadError(
                f'{file}:{element.attrib["line"]}: <{element.tag}> is not in {tree.tag}/{path}, '
                'where this format has it; VOC and DIOR have annotation/object, FAIR1M '
                'annotation/objects/object'
            )


def objects_of(tree: Element, file: str, paths: Sequence[str]) -> Iterator[tuple[str, Element]]:
    """Yield the elements at some paths below the root of a label file, with their box ids.

    The first of a line is ``FILE:LINE``, the k-th (minified XML) ``FILE:LINE.k``.
    """
    seen: Counter[str] = Counter()
    for path in paths:
        for element in tree.iterfind(path):
            line = element.attrib['line']
            seen[line] += 1
            yield f'{file}:{line}' + (f'.{seen[line]}' if seen[line] > 1 else ''), element


def read_xml(data: bytes, file: str, root: str, most_bytes: int | None = None) -> Element:
    """Read an XML label file, called ``file`` in messages, with a root element of this tag.

    Entities and external references are refused. The declared encoding is tried first, then UTF-8,
    then GB18030 (GB2312's superset), because files were seen to declare one and hold another. A
    file has at most ``MAX_BYTES``, or as many as are named.

    Raises:
        LabelReadError: Empty, oversized, malformed or hostile file, or another root element.
    """
    if not data.strip():
        raise LabelReadError(f'{file}: the label file is empty ({len(data)} bytes)')
    most_bytes = MAX_BYTES if most_bytes is None else most_bytes
    if len(data) > most_bytes:
        raise LabelReadError(
            f'{file}: {len(data) / 2**20:.0f} MiB; an XML label file has at most '
            f'{most_bytes // 2**20} MiB'
        )

    def with_line(tag: str, attributes: dict) -> Element:
        line = str(parser.parser.CurrentLineNumber)
        return Element(tag.rpartition('}')[2], {**attributes, 'line': line})

    parser = XMLParser(target=ElementTree.TreeBuilder(with_line))
    parser.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE)
    try:
        # Characters, not bytes: expat can't decode multi-byte encodings such as GB2312.
        parser.feed(_decode(data)[0])
        tree = parser.close()
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = expat.ErrorString(error.code)
        raise LabelReadError(f'{file}:{line}:{column + 1}: malformed XML: {reason}') from error
    except DefusedXmlException as error:
        raise LabelReadError(
            f'{file}:{parser.parser.CurrentLineNumber}: the XML declares an entity or refers to '
            f'another file ({type(error).__name__}); refused, a label file needs neither'
        ) from error
    if tree.tag != root:
        raise LabelReadError(
            f'{file}:{tree.attrib["line"]}: root element <{tree.tag[:_QUOTED]}>; expected <{root}>'
        )
    return tree


def _decode(data: bytes) -> tuple[str, bool]:
    """Return the text of a file, and whether its encoding is a guess."""
    for mark, encoding in (
        (codecs.BOM_UTF8, 'utf-8-sig'),
        (codecs.BOM_UTF16_LE, 'utf-16'),
        (codecs.BOM_UTF16_BE, 'utf-16'),
    ):
        if data.startswith(mark):
            return data.decode(encoding, errors='replace'), False
    declared = re.match(rb'\s*<\?xml[^>]*?\bencoding\s*=\s*["\']([\w.-]{1,40})["\']', data)
    names = [declared[1].decode().lower()] if declared else []
    for name in [*names, 'utf-8']:
        try:
            text = data.decode('gb18030' if name in _CHINESE else name)
        except (LookupError, UnicodeError):
            continue
        # A declared UTF-16 whose bytes are ASCII decodes without an error, to nonsense.
        if '<' in text:
            return text, False
    return data.decode('gb18030', errors='replace'), True
