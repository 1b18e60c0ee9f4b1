"""Reads a JSON file value by value, so that a huge list is never in memory as a whole.

The standard library decodes the values, so NaN, Infinity and whole numbers of any size pass as
they do in ``json.load``; ijson 3.6 refuses them, as well as UTF-16 and a byte order mark. It is no
faster: 60,000 annotations of 30 MB take it 1.1 s in three passes, 0.4 to 0.8 s here in one.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

_NO_SPACE = re.compile(r'[^ \t\n\r]')
_LARGEST = 1 << 28
_MAY_CONTINUE = ('', '.', 'e', 'E', '+', '-')


class JsonStream:
    """A position in a JSON file of which only a part is in memory.

    The methods raise ``json.JSONDecodeError`` where the file is not JSON (``place`` says where),
    ``RecursionError`` where it is nested too deeply, and ``ValueError`` where it is not text, and
    on an integer of thousands of digits. The file is UTF-8, UTF-16 or UTF-32, with or without byte
    order mark, and read in pieces of so many bytes; a single value may take up to 256 MB.
    """

    def __init__(self, file: BinaryIO, piece: int = 1 << 22):
        self._file, self._piece = file, piece
        self._text, self._at, self._lines, self._columns = '', 0, 0, 0
        self._decode = json.JSONDecoder().raw_decode
        head = file.read(4)  # the encoding shows in these bytes
        self._decoder = codecs.getincrementaldecoder(json.detect_encoding(head))()
        self._append(head)

    def place(self, error: json.JSONDecodeError) -> str:
        """Return where in the file an error was met: ``LINE:COLUMN``, from 1."""
        first = error.lineno == 1
        return f'{self._lines + error.lineno}:{error.colno + first * self._columns}'

    def peek(self) -> str:
        """Return the next character that is not space, without taking it; '' at the end."""
        while True:
            found = _NO_SPACE.search(self._text, self._at)
            self._at = found.start() if found else len(self._text)
            if found or not self._refill():
                return self._text[self._at : self._at + 1]

    def value(self) -> Any:
        """Take and return the next value, whole."""
        while True:
            self.peek()
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._refill():
                    raise
                continue
            # a number may continue: 12 of 123, 1 of 1.5
            if self._text[end : end + 1] not in _MAY_CONTINUE or not self._refill():
                self._at = end
                return value

    def members(self) -> Iterator[str]:
        """Take the next value, an object; yield each key, whose value the caller must take."""
        for _ in self._parts('{', '}'):
            if self.peek() != '"':
                self._fail('a key in double quotes')
            key = self.value()
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
        if self.peek() != closing:
            yield
            while self.peek() != closing:
                self._take(',')
                yield
        self._take(closing)

    def _take(self, character: str) -> None:
        if self.peek() != character:
            self._fail(repr(character))
        self._at += 1

    def _fail(self, expected: str) -> None:
        raise json.JSONDecodeError(f'expected {expected}', self._text, self._at)

    def _refill(self) -> bool:
        """Read on and forget what was taken; return whether there was more."""
        rest = len(self._text) - self._at
        if rest > _LARGEST:
            return False
        # as much as there is: else a long value would be decoded again for each piece
        return self._append(self._file.read(max(self._piece, rest)))

    def _append(self, data: bytes) -> bool:
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # the decoder may have kept the first bytes of a character from the piece before
            place = self._file.tell() - len(error.object) + error.start
            raise ValueError(f'byte {place} is not {error.encoding}; write it as UTF-8') from error
        if data:
            newlines = self._text.count('\n', 0, self._at)
            since = self._at - self._text.rfind('\n', 0, self._at) - 1
            self._columns = since if newlines else self._columns + since
            self._lines += newlines
            self._text, self._at = self._text[self._at :] + text, 0
        return bool(data)
