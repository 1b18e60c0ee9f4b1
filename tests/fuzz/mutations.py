"""Bytes near those of a good file: what editors, scripts, disks and bad intent make of them."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

_TOKEN = re.compile(rb'"[^"\n]*"|-?\d+(?:\.\d+)?|[A-Za-z_]+|[^\s\w]')

VALUES = (
    b'0', b'-1', b'1e309', b'NaN', b'-Infinity', b'99999999999999999999', b'0.5', b'1_0', b'0x10',
    b'null', b'true', b'""', b'"a"', b'[]', b'{}', b'[[]]', b'[[[0,0,1,1]]]', b'{"size":[1,1]}',
    b'\xef\xbb\xbf', b'\xff\xfe', b'\x00', b'\r', b'\n', b'\t', b' ', b',', b';', b'<', b'>', b'&',
    b'&a;', b'<!DOCTYPE a [<!ENTITY a "b">]>', b'../', b'/', b'\\', b'\xe9', b'\xe9\xa3\x9e',
    b'\xed\xa0\x80', b'#', b'%s', b'{0}', b'[' * 2000, b'<a>' * 500, b'9' * 5000, b'-0',
)  # fmt: skip
"""What takes the place of a token, or comes between two."""


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw a good file with one to four changes, or, seldom, bytes without any sense."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(
            st.sampled_from((_replace, _replace, _insert, _flip, _cut, _double, _truncate))
        )(draw, data)
    return data


def _replace(draw: st.DrawFn, data: bytes) -> bytes:
    """Put a value, or another token of the file, in the place of a token."""
    tokens = list(_TOKEN.finditer(data[:50_000]))
    if not tokens:
        return _flip(draw, data)
    token = draw(st.sampled_from(tokens))
    others = st.sampled_from(tokens).map(lambda other: other.group())
    value = draw(st.one_of(st.sampled_from(VALUES), others))
    return data[: token.start()] + value + data[token.end() :]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from(VALUES)) + data[at:]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    if not data:
        return b'\x00'
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def _span(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.sampled_from((1, 2, 7, 40, 300))))


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _double(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:end] + data[start:]


def _truncate(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: draw(st.integers(0, len(data)))]
