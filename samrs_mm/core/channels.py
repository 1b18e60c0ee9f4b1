"""Channels of a picture as expressions of bands, such as ``db(b1)`` or ``ndi(b8, b4)``."""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg,
}  # fmt: skip
_FUNCTIONS: dict[str, tuple[int, Callable]] = {
    'db': (1, lambda x: 10 * np.log10(x)),
    'ndi': (2, lambda x, y: (x - y) / (x + y)),
    'log': (1, np.log),
    'sqrt': (1, np.sqrt),
    'abs': (1, np.abs),
}
"""By name: how many arguments, and what is done with them."""

ALLOWED = f'bands (b1, b2 ...), numbers, + - * / ** and {", ".join(_FUNCTIONS)}'
_LONGEST = 200
_LARGEST = float(np.finfo(np.float32).max)
_BAND = re.compile(r'b(\d+)', re.IGNORECASE)
_NAME = re.compile(r'[\w .:-]*\w[\w .:-]*')


@dataclass(frozen=True)
class Channel:
    """An expression of bands; whether a file has these is not known yet.

    Args:
        text: As it was written.
        tree: Its checked expression; None for the name of a band that is no expression.
    """

    text: str
    tree: ast.expr | None

    @classmethod
    def parse(cls, entry: object) -> 'Channel':
        """Read a band's number from 1, its name, or an expression.

        Raises:
            ValueError: It is anything else.
        """
        if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 1:
            entry = f'b{entry}'
        if not isinstance(entry, str) or not 0 < len(entry.strip()) <= _LONGEST:
            raise ValueError(f'{entry!r} is no band: allowed are {ALLOWED}')
        text = entry.strip()
        try:
            tree = ast.parse(text, mode='eval').body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            if _NAME.fullmatch(text):
                return cls(text, None)
            raise ValueError(f'{text!r} is no expression; allowed are {ALLOWED}') from None
        _check(tree, text)
        if not any(isinstance(node, ast.Name) for node in _operands(tree)):
            raise ValueError(f'{text!r} has no band: allowed are {ALLOWED}')
        return cls(text, tree)

    def bound(self, names: Sequence[str | None]) -> 'BoundChannel':
        """Return the channel of a file whose bands have these names, from band 1 on.

        Raises:
            ValueError: It has no such band.
        """
        numbers = {str(name).strip().lower(): band for band, name in enumerate(names, 1) if name}
        whole = numbers.get(self.text.lower())
        if whole or self.tree is None:
            words = [self.text]
        else:
            nodes = _operands(self.tree)
            words = [node.id for node in nodes if isinstance(node, ast.Name)]
        bands = {}
        for word in words:
            number = _BAND.fullmatch(word)
            band = numbers.get(word.lower()) or (int(number[1]) if number else 0)
            if not 1 <= band <= len(names):
                named = ', '.join(str(name) for name in names if name)
                raise ValueError(
                    f'image.bands: no band {word!r}; the file has b1 to b{len(names)}'
                    + f' ({named})' * bool(named)
                )
            bands[word] = band
        return BoundChannel(bands, None if whole else self.tree)


@dataclass(frozen=True)
class BoundChannel:
    """A channel of a file: the numbers of its bands by the names they have in it."""

    bands: dict[str, int]
    tree: ast.expr | None

    @property
    def band(self) -> int | None:
        """The band that it is as it stands; None for an expression."""
        plain = self.tree is None or isinstance(self.tree, ast.Name)
        return next(iter(self.bands.values())) if plain else None

    def __call__(self, bands: dict[int, np.ndarray]) -> np.ndarray:
        """Return the channel ``(h, w)`` of bands ``(h, w)`` by number, float32.

        NaN where it has no value: where there is no data (NaN), or no result.
        """
        if self.band:
            return bands[self.band]
        assert self.tree is not None
        with np.errstate(all='ignore'):
            out = np.asarray(self._value(self.tree, bands), np.float32)
        out[~np.isfinite(out)] = np.nan
        return out

    def _value(self, node: ast.expr, bands: dict[int, np.ndarray]) -> np.ndarray:
        if isinstance(node, ast.Constant):
            return np.asarray(node.value, np.float32)
        if isinstance(node, ast.Name):
            return bands[self.bands[node.id]]
        values = [self._value(child, bands) for child in _children(node)]
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            return _FUNCTIONS[node.func.id][1](*values)
        assert isinstance(node, ast.BinOp | ast.UnaryOp)
        return _OPERATORS[type(node.op)](*values)


def _check(node: ast.expr, text: str) -> None:
    """Raise a ValueError where an expression has what is not allowed."""
    fits = False
    if isinstance(node, ast.Constant):
        value = node.value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and -_LARGEST < value < _LARGEST  # type: ignore[operator]
    elif isinstance(node, ast.Name):
        fits = node.id not in _FUNCTIONS
    elif isinstance(node, ast.BinOp | ast.UnaryOp):
        fits = type(node.op) in _OPERATORS
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        count, _ = _FUNCTIONS.get(node.func.id, (-1, None))
        fits = len(node.args) == count
    if not fits:
        raise ValueError(f'{ast.unparse(node)!r} in {text!r} is not allowed; {ALLOWED} are')
    for child in _children(node):
        _check(child, text)


def _children(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    return node.args if isinstance(node, ast.Call) else []


def _operands(node: ast.expr) -> list[ast.expr]:
    """Return the bands and numbers of an expression, from the left."""
    below = _children(node)
    return [each for child in below for each in _operands(child)] if below else [node]
