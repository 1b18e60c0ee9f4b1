"""What a conversion did, for people and for spreadsheets."""

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable

from samrs_mm.models.conversion.conversion import (
    KEPT,
    RENAMED,
    STATUSES,
    Conversion,
    Row,
    shape_text,
)

COLUMNS = ('status', 'source', 'target', 'shape', 'reason', 'expected')
Pattern = tuple[tuple[str, ...], ...]
"""Alternatives for each dotted part of a name."""


def summary(conversion: Conversion, shown: int = 12) -> list[str]:
    """Return lines: counts, then all keys that are not just kept or renamed, grouped by reason.

    Args:
        conversion: What was done.
        shown: Patterns of names to show in a group.
    """
    counts = Counter(row.status for row in conversion.rows)
    lines = ['  '.join(f'{status} {counts[status]}' for status in STATUSES)]
    groups: dict[tuple[bool, str, str], list[Row]] = {}
    for row in conversion.rows:
        if row.status not in (KEPT, RENAMED) or row.reason:
            groups.setdefault((not row.expected, row.status, row.reason), []).append(row)
    order = sorted(groups, key=lambda key: (key[0], STATUSES.index(key[1])))
    for unexpected, status, reason in order:
        rows = groups[unexpected, status, reason]
        warning = 'NOT EXPECTED, ' if unexpected else ''
        lines.append(f'{warning}{status}: {reason} ({len(rows)})')
        patterns = collapse(row.source or row.target for row in rows)
        lines += [f'  {pattern}' for pattern in patterns[:shown]]
        if len(patterns) > shown:
            more = len(patterns) - shown
            lines.append(f'  ... and {more} more of the kind; --report lists all')
    return lines


def table(conversion: Conversion) -> bytes:
    """Return a CSV file with `COLUMNS` and a line for each key of the file and of the model."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(COLUMNS)
    for row in conversion.rows:
        expected = 'yes' if row.expected else 'no'
        shape = shape_text(row.shape)
        writer.writerow([row.status, row.source, row.target, shape, row.reason, expected])
    return buffer.getvalue().encode()


def collapse(names: Iterable[str]) -> list[str]:
    """Write names that differ in single parts as one: ``layers.{0-3}.norm.{bias,weight}``.

    Args:
        names: Dotted names.

    Returns:
        Patterns that together stand for exactly these names, in the order of their first ones.
    """
    order = {name: number for number, name in enumerate(names)}
    patterns: set[Pattern] = {tuple((part,) for part in name.split('.')) for name in order}
    before = None
    while before != len(patterns):
        before = len(patterns)
        for position in reversed(range(max(map(len, patterns), default=0))):
            patterns = _merge(patterns, position)

    def first(pattern: Pattern) -> int:
        return min(order['.'.join(parts)] for parts in itertools.product(*pattern))

    return ['.'.join(map(_braces, pattern)) for pattern in sorted(patterns, key=first)]


def _merge(patterns: set[Pattern], position: int) -> set[Pattern]:
    """Join the patterns that are equal but for one part."""
    merged: dict[tuple[Pattern, Pattern], set[str]] = {}
    shorter = set()
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


def _by_number(part: str) -> tuple[int, str]:
    return (int(part), '') if part.isdecimal() else (-1, part)


def _braces(parts: tuple[str, ...]) -> str:
    """Write alternatives, runs of numbers as ``0-3``."""
    runs: list[list[str]] = []
    for part in parts:
        if runs and part.isdecimal() and runs[-1][-1] == str(int(part) - 1):
            runs[-1].append(part)
        else:
            runs.append([part])
    words = [f'{run[0]}-{run[-1]}' if len(run) > 2 else ','.join(run) for run in runs]
    return words[0] if len(parts) == 1 else f'{{{",".join(words)}}}'
