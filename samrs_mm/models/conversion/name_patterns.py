"""Hundreds of weight names as a few lines."""

import itertools
from collections.abc import Iterable

Pattern = tuple[tuple[str, ...], ...]
"""Alternatives for each dotted part of a name."""


def collapse(names: Iterable[str]) -> list[str]:
    """Write names that differ in single parts as one: ``layers.{0-3}.norm.{bias,weight}``.

    Args:
        names: Dotted names.

    Returns:
        Patterns that together stand for exactly these names, in the order of their first ones.
    """
    order = {name: number for number, name in enumerate(names)}
    patterns = {tuple((part,) for part in name.split('.')) for name in order}
    before = None
    while before != len(patterns):
        before = len(patterns)
        for position in reversed(range(max(map(len, patterns), default=0))):
            patterns = _merge(patterns, position)
    return [
        '.'.join(map(_braces, pattern))
        for pattern in sorted(patterns, key=lambda pattern: min(map(order.get, _names(pattern))))
    ]


def _merge(patterns: set[Pattern], position: int) -> set[Pattern]:
    """Join the patterns that are equal but for one part."""
    merged, shorter = {}, set()
    for pattern in patterns:
        if len(pattern) <= position:
            shorter.add(pattern)
            continue
        around = pattern[:position], pattern[position + 1 :]
        merged.setdefault(around, set()).update(pattern[position])
    return shorter | {
        (*head, tuple(sorted(parts, key=_by_number)), *tail)
        for (head, tail), parts in merged.items()
    }


def _names(pattern: Pattern) -> Iterable[str]:
    return map('.'.join, itertools.product(*pattern))


def _by_number(part: str) -> tuple[int, str]:
    return (int(part), '') if part.isdecimal() else (-1, part)


def _braces(parts: tuple[str, ...]) -> str:
    """Write alternatives, runs of numbers as ``0-3``."""
    runs = []
    for part in parts:
        if runs and part.isdecimal() and runs[-1][-1] == str(int(part) - 1):
            runs[-1].append(part)
        else:
            runs.append([part])
    words = [f'{run[0]}-{run[-1]}' if len(run) > 2 else ','.join(run) for run in runs]
    return words[0] if len(parts) == 1 else f'{{{",".join(words)}}}'
