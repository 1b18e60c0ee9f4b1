"""Walks a JSON file that is larger than memory may be."""

import codecs
import json
from typing import Any, BinaryIO

from samrs_mm.formats.boxes.json_stream import JsonStream

_LARGEST = 1 << 28
_MAY_GO_ON = ('', '.', 'e', 'E', '+', '-')


class JsonFileStream(JsonStream):
    """As ``JsonStream``, of a file of which only a part is in memory.

    Besides its errors, the methods raise ``UnicodeDecodeError`` where the file is not UTF-8.

    Args:
        file: Open binary file.
        piece: Bytes to read at once. A single value may take up to 256 MB.
    """

    def __init__(self, file: BinaryIO, piece: int = 1 << 22):
        self._file, self._piece = file, piece
        self._decoder = codecs.getincrementaldecoder('utf-8-sig')()
        self._dropped = 0
        super().__init__('')

    @property
    def dropped(self) -> int:
        """Characters of the file before those that an error's ``pos`` counts."""
        return self._dropped

    def peek(self) -> str:
        """As ``JsonStream.peek``."""
        while not (character := super().peek()) and self._refill():
            pass
        return character

    def value(self) -> Any:
        """As ``JsonStream.value``."""
        while True:
            self.peek()
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._refill():
                    raise
                continue
            # it may go on: 12 of 123, 1 of 1.5
            if self._text[end : end + 1] not in _MAY_GO_ON or not self._refill():
                self._at = end
                return value

    def _refill(self) -> bool:
        """Read on and forget what was taken; return whether there was more."""
        rest = self._text[self._at :]
        if len(rest) > _LARGEST:
            return False
        # as much as there is: else a long value would be decoded again for each piece
        data = self._file.read(max(self._piece, len(rest)))
        text = self._decoder.decode(data, final=not data)
        if data:
            self._dropped += self._at
            self._text, self._at = rest + text, 0
        return bool(data)
