import io
import json
import tracemalloc

import pytest

from samrs_mm.formats.boxes.json_file import JsonFileStream
from samrs_mm.formats.boxes.json_stream import JsonStream


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
    stream = JsonFileStream(io.BytesIO(text.encode()), piece)
    read = {}
    for key in stream.members():
        read[key] = list(stream.items()) if stream.peek() == '[' else stream.value()
    stream.end()
    assert read == VALUE


@pytest.mark.parametrize('text', ['12', '-3.5e2 ', ' "a"', '\ufefftrue'])
@pytest.mark.parametrize('piece', [1, 64])
def test_a_single_value(text, piece):
    stream = JsonFileStream(io.BytesIO(text.encode()), piece)
    assert stream.value() == json.loads(text.removeprefix('\ufeff'))
    stream.end()


@pytest.mark.parametrize('piece', [1, 5, 64])
@pytest.mark.parametrize('text', ['[1, 2', '[1 2]', '[-]', '["a]', '[1,]x', '[{"a" 1}]', ''])
def test_malformed_text_is_told_with_its_place(text, piece):
    stream = JsonFileStream(io.BytesIO(text.encode()), piece)
    with pytest.raises(json.JSONDecodeError) as ours:
        all_of(stream)
    with pytest.raises(json.JSONDecodeError) as reference:
        all_of(JsonStream(text))
    assert stream.dropped + ours.value.pos == reference.value.pos


def test_bytes_that_are_no_text():
    stream = JsonFileStream(io.BytesIO(b'["a", "\xff"]'), 3)
    with pytest.raises(UnicodeDecodeError):
        list(stream.items())


def test_memory_does_not_grow_with_the_file():
    item = json.dumps({'text': 'x' * 500})
    data = io.BytesIO(f'[{",".join([item] * 8000)}]'.encode())
    assert data.getbuffer().nbytes > 4e6
    stream = JsonFileStream(data, 1 << 14)
    tracemalloc.start()
    assert sum(1 for _ in stream.items()) == 8000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e5
