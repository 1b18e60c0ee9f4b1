"""Walks a JSON text member by member, so that a huge list never stands in memory as Python objects.

The values themselves are decoded by the standard library.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r'[ \t\n\r]*')


class JsonStream:
    """A position in a JSON text.

    All methods raise ``json.JSONDecodeError`` where the text is not JSON, ``RecursionError`` where
    it is nested too deeply, and ``ValueError`` on an integer of thousands of digits.

    Args:
        text: The whole JSON text.
    """

    def __init__(self, text: str):
        self._text, self._at = text, 0
        self._decode = json.JSONDecoder().raw_decode
        self.peek()

    def peek(self) -> str:
        """Return the next character that is not space, without taking it; '' at the end."""
        self._at = _SPACE.match(self._text, self._at).end()
        return self._text[self._at : self._at + 1]

    def value(self) -> Any:
        """Take and return the next value, whole."""
        self.peek()
        value, self._at = self._decode(self._text, self._at)
        return value

    def members(self) -> Iterator[str]:
        """Take the next value, an object; yield each key, whose value the caller must take."""
        for _ in self._parts('{', '}'):
            key = self.value() if self.peek() == '"' else self._fail('a key in double quotes')
            self._take(':')
            yield key

    def items(self) -> Iterator[Any]:
        """Take the next value, an array; yield its items one by one."""
        for _ in self._parts('[', ']'):
            yield self.value()

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.peek():
            self._fail('the end of the file')

    def _parts(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self.peek() == closing:
            self._take(closing)
            return
        while True:
            yield
            if self.peek() == closing:
                self._take(closing)
                return
            self._take(',')

    def _take(self, character: str) -> None:
        if self.peek() != character:
            self._fail(repr(character))
        self._at += 1

    def _fail(self, expected: str) -> None:
        raise json.JSONDecodeError(f'expected {expected}', self._text, self._at)
