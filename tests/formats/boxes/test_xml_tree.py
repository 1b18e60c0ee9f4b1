import tracemalloc

import numpy as np
import pytest

from samrs_mm.core.boxes import BadBoxError
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.xml_tree import (
    numbers,
    objects_of,
    read_xml,
    require_text,
    text_of,
)

BOMB = (
    b'<?xml version="1.0"?>\n<!DOCTYPE annotation [\n<!ENTITY a "lol">\n'
    b'<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">\n<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">\n'
    b']>\n<annotation><object><name>&c;</name></object></annotation>'
)
EXTERNAL = (
    b'<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n'
    b'<annotation><object><name>&x;</name></object></annotation>'
)
EXTERNAL_DTD = b'<!DOCTYPE annotation SYSTEM "http://localhost:9/x.dtd">\n<annotation/>'


def error_of(data, root='annotation', **options):
    with pytest.raises(LabelReadError) as caught:
        read_xml(data, 'a/1.xml', root, **options)
    message = str(caught.value)
    assert '\n' not in message
    assert message.startswith('a/1.xml')
    return message


def test_elements_know_their_lines_and_texts():
    root = read_xml(b'<r>\n  <a> x\n </a>\n\n<a/><b>\n<c>1</c></b></r>', 'f', 'r')
    assert [(child.tag, child.get('line'), text_of(child)) for child in root] == [
        ('a', '2', 'x'),
        ('a', '5', ''),
        ('b', '5', ''),
    ]
    assert root.find('b/c').get('line') == '6'
    assert root.get('line') == '1'


def test_objects_of_one_line_are_numbered():
    text = b'<r>\n\n<a/>\n\n<b><a/><a/></b>\n<a/><a/></r>'
    objects = list(objects_of(read_xml(text, 'f.xml', 'r'), 'f.xml', ('a', 'b/a')))
    assert [box_id for box_id, _ in objects] == [
        'f.xml:3', 'f.xml:6', 'f.xml:6.2', 'f.xml:5', 'f.xml:5.2',
    ]  # fmt: skip
    assert {element.tag for _, element in objects} == {'a'}


def test_a_default_namespace_makes_no_difference():
    assert read_xml(b'<r xmlns="http://x"><a>1</a></r>', 'f', 'r').findtext('a') == '1'


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_lines_are_counted_as_an_editor_does(newline):
    text = newline.join(['<?xml version="1.0"?>', '<r>', '', '<a/>', '</r>'])
    assert read_xml(text.encode(), 'f', 'r').find('a').get('line') == '4'


@pytest.mark.parametrize(
    'data',
    [
        '<r><a>海</a></r>'.encode(),
        '<r><a>海</a></r>'.encode('gb2312'),
        '<r><a>海</a></r>'.encode('utf-8-sig'),
        '<r><a>海</a></r>'.encode('utf-16'),
        '<?xml version="1.0" encoding="GB2312"?><r><a>海</a></r>'.encode('gb2312'),
        '<?xml version="1.0" encoding="gbk"?><r><a>海</a></r>'.encode('gb18030'),
        '<?xml version="1.0" encoding="UTF-8"?><r><a>海</a></r>'.encode('gb2312'),
        '<?xml version="1.0" encoding="GB2312"?><r><a>海</a></r>'.encode('utf-8-sig'),
        '<?xml version="1.0" encoding="no-such"?><r><a>海</a></r>'.encode(),
        '<?xml version="1.0" encoding="utf-16"?><r><a>海</a></r>'.encode(),
    ],
)
def test_encodings(data):
    assert read_xml(data, 'f', 'r').findtext('a') == '海'


def test_bytes_in_no_encoding_at_all_still_give_the_boxes():
    root = read_xml(b'<r><a>\xff\xff</a><b>1</b></r>', 'f', 'r')
    assert root.findtext('b') == '1'


@pytest.mark.parametrize('data', [BOMB, EXTERNAL, EXTERNAL_DTD])
def test_entities_are_refused_before_they_expand(data):
    tracemalloc.start()
    message = error_of(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 'entity' in message
    assert 'refused' in message
    assert peak < 2**20


def test_plain_doctype_is_harmless():
    assert read_xml(b'<!DOCTYPE r>\n<r><a>1</a></r>', 'f', 'r').find('a').get('line') == '2'


@pytest.mark.parametrize('data', [b'', b' \r\n'])
def test_empty_file(data):
    assert 'empty' in error_of(data)


def test_oversized_file():
    data = b'<annotation>' + b' ' * 100 + b'</annotation>'
    assert read_xml(data, 'a/1.xml', 'annotation', most_bytes=len(data)) is not None
    assert 'MiB' in error_of(data, most_bytes=100)


def test_malformed_file_is_named_with_line_and_column():
    assert error_of(b'<annotation>\n<a></b></annotation>').startswith('a/1.xml:2:6: malformed XML')


@pytest.mark.parametrize(
    'data', [b'no xml', b'<annotation>', b'<annotation/><annotation/>', b'\x89PNG\r\n\x00']
)
def test_no_xml(data):
    assert 'malformed XML' in error_of(data)


def test_unexpected_root():
    assert 'root element <html>; expected <annotation>' in error_of(b'<html/>')


def test_deeply_nested_file_is_no_crash():
    depth = 100_000
    root = read_xml(b'<r>' + b'<a>' * depth + b'</a>' * depth + b'</r>', 'f', 'r')
    assert len(root) == 1


def test_numbers():
    root = read_xml(b'<r><x> 1.5 </x><y>nan</y><z>a</z><e/></r>', 'f', 'r')
    np.testing.assert_array_equal(numbers(root, ('x', 'y')), [1.5, np.nan])
    assert numbers(root, ('e', 'nothing')) is None
    with pytest.raises(BadBoxError, match='<r> lacks <e>'):
        numbers(root, ('x', 'e'))
    with pytest.raises(BadBoxError, match="<z> is 'a', not a number"):
        numbers(root, ('z',))


def test_required_text():
    root = read_xml(b'<r><p><name>A B</name></p><q/></r>', 'f', 'r')
    assert require_text(root, 'p/name') == 'A B'
    with pytest.raises(BadBoxError, match='no <p/kind>'):
        require_text(root, 'p/kind')
    with pytest.raises(BadBoxError, match='an empty <q>'):
        require_text(root, 'q')
