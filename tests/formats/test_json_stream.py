import io
import json
import tracemalloc

import pytest

from samrs_mm.formats.json_stream import JsonStream


def all_of(stream):
    items = list(stream.items())
    stream.end()
    return items


VALUE = {
    'ground': 'Kräne, 起重机, 🛳',
    'numbers': [0, -12, 3.25, 1e-7, 123456789012345, True, False, None],
    'nested': {'a': [[], {}, [[1]]], 'quoted "é"': '\\\n\t'},
    'many': [{'id': number, 'text': 'x' * (number % 7)} for number in range(50)],
}


@pytest.mark.parametrize('piece', [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize('indent', [None, 2])
@pytest.mark.parametrize('ascii_only', [True, False])
def test_any_piece_gives_what_the_library_does(piece, indent, ascii_only):
    text = json.dumps(VALUE, indent=indent, ensure_ascii=ascii_only)
    stream = JsonStream(io.BytesIO(text.encode()), piece)
    read = {}
    for key in stream.members():
        read[key] = list(stream.items()) if stream.peek() == '[' else stream.value()
    stream.end()
    assert read == VALUE


@pytest.mark.parametrize('text', ['12', '-3.5e2 ', ' "a"', '\ufefftrue'])
@pytest.mark.parametrize('piece', [1, 64])
def test_a_single_value(text, piece):
    stream = JsonStream(io.BytesIO(text.encode()), piece)
    assert stream.value() == json.loads(text.removeprefix('\ufeff'))
    stream.end()


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'])
@pytest.mark.parametrize('piece', [1, 7, 1 << 20])
def test_encodings(encoding, piece):
    data = json.dumps(list(VALUE), ensure_ascii=False).encode(encoding)
    assert all_of(JsonStream(io.BytesIO(data), piece)) == list(VALUE)


@pytest.mark.parametrize('piece', [1, 5, 64])
@pytest.mark.parametrize(
    ('text', 'place'),
    [
        ('[1, 2', '1:6'),
        ('[1 2]', '1:4'),
        ('[-]', '1:2'),
        ('["a]', '1:2'),
        ('[1,]x', '1:4'),
        ('[{"a" 1}]', '1:7'),
        ('', '1:1'),
        ('[1,\n 2,\n\n   3 4]', '4:6'),
        ('[\n"a", "ä" "b"]', '2:10'),
    ],
)
def test_errors_say_line_and_column(text, place, piece):
    stream = JsonStream(io.BytesIO(text.encode()), piece)
    with pytest.raises(json.JSONDecodeError) as caught:
        all_of(stream)
    assert stream.place(caught.value) == place


@pytest.mark.parametrize('piece', [3, 64])
def test_bytes_that_are_no_text_are_located(piece):
    with pytest.raises(ValueError, match='byte 8 is not utf-8'):
        list(JsonStream(io.BytesIO('["ä", "'.encode() + b'\xff"]'), piece).items())


def test_memory_does_not_grow_with_the_file():
    item = json.dumps({'text': 'x' * 500})
    data = io.BytesIO(f'[{",".join([item] * 8000)}]'.encode())
    assert data.getbuffer().nbytes > 4e6
    stream = JsonStream(data, 1 << 14)
    tracemalloc.start()
    assert sum(1 for _ in stream.items()) == 8000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e5
