"""Counts, long lists and errors in messages: ``1 image``, few of many, an error in a line."""

import re
from collections.abc import Callable

_HISSING = ('s', 'x', 'z', 'ch', 'sh')
_DIFFERS = re.compile(r"'[^']*'|\d+(\.\d+)?")


def plural(number: int, word: str, words: str = '') -> str:
    """Return the word that goes with a number.

    Example:
        >>> plural(1, 'box'), plural(2, 'box'), plural(0, 'label file'), plural(3, 'is', 'are')
        ('box', 'boxes', 'label files', 'are')
    """
    if number == 1:
        return word
    if words:
        return words
    if word.endswith('y') and word[-2] not in 'aeiou':
        return f'{word[:-1]}ies'
    return word + ('es' if word.endswith(_HISSING) else 's')


def counted(number: int, word: str, words: str = '') -> str:
    """Return a number and the word that goes with it, as in ``plural``.

    Example:
        >>> counted(1, 'image'), counted(2, 'class')
        ('1 image', '2 classes')
    """
    return f'{number} {plural(number, word, words)}'


class FewOfEach:
    """Says the first lines of each kind and, at the end, how many more there were.

    Lines are of one kind where they differ in their place (what stands before the first ``': '``),
    in numbers and in what is quoted alone.

    Args:
        say: Takes a line.
        most: Lines of a kind that are said.
    """

    def __init__(self, say: Callable[[str], object], most: int = 5):
        self._say, self._most = say, most
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    @staticmethod
    def kind(line: str) -> str:
        """Return what lines of one kind have in common."""
        place, _, text = line.partition(': ')
        return _DIFFERS.sub('', text or place)

    def add(self, line: str) -> None:
        """Say a line, or count it."""
        kind = self.kind(line)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        self._first.setdefault(kind, line.partition(': ')[0])
        if count <= self._most:
            self._say(line)

    def close(self) -> None:
        """Say how many lines were not said."""
        for kind, count in self._counts.items():
            if count > self._most:
                place = f' as that of {self._first[kind]}' if len(self._counts) > 1 else ''
                more = count - self._most
                self._say(f'... and {more} more such {plural(more, "line")}{place}')


def one_line(error: Exception) -> str:
    """Return an error's message as one line, without the traceback of a reading process."""
    text = str(error)
    if text.startswith('Caught ') and 'Traceback' in text:
        text = re.split(rf'^[\w.]*{type(error).__name__}: ', text, flags=re.MULTILINE)[-1]
    return ' '.join(text.split()) or type(error).__name__
