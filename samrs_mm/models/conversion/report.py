"""What a conversion did, for people and for spreadsheets."""

import csv
import io
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


def summary(conversion: Conversion, shown: int = 12) -> list[str]:
    """Return lines: counts, then all keys that are not just kept or renamed, grouped by reason.

    A group shows no more than ``shown`` patterns of names.
    """
    counts = Counter(row.status for row in conversion.rows)
    lines = ['  '.join(f'{status} {counts[status]}' for status in STATUSES)]
    groups: dict[tuple[bool, str, str], list[Row]] = {}
    for row in conversion.rows:
        if row.status not in (KEPT, RENAMED) or row.reason:
            groups.setdefault((row.expected, row.status, row.reason), []).append(row)
    order = sorted(groups, key=lambda key: (not key[0], STATUSES.index(key[1])))
    for expected, status, reason in order:
        rows = groups[expected, status, reason]
        warning = '' if expected else 'NOT EXPECTED, '
        lines.append(f'{warning}{status}: {reason} ({len(rows)})')
        patterns = collapse(row.source or row.target for row in rows)
        lines += [f'  {pattern}' for pattern in patterns[:shown]]
        if len(patterns) > shown:
            more = len(patterns) - shown
            lines.append(f'  ... and {more} more of the kind; --report lists all')
    return lines


def table(conversion: Conversion) -> bytes:
    """Return a CSV file with a line for each key of the file and of the model."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(Row._fields)
    for row in conversion.rows:
        expected = 'yes' if row.expected else 'no'
        writer.writerow(row._replace(shape=shape_text(row.shape), expected=expected))
    return buffer.getvalue().encode()


def collapse(names: Iterable[str]) -> list[str]:
    """Write dotted names that differ in single parts as one: ``layers.{0-3}.norm.{bias,weight}``.

    Returns:
        Patterns that together stand for exactly these names, in the order of their first ones.
    """
    # By alternatives for each dotted part: the place of the first name
    patterns = {tuple((part,) for part in name.split('.')): at for at, name in enumerate(names)}
    before = None
    while before != len(patterns):
        before = len(patterns)
        for position in reversed(range(max(map(len, patterns), default=0))):
            equal = {}  # but for the part at this position
            for pattern, at in patterns.items():
                around = pattern[:position], pattern[position + 1 :], len(pattern)
                parts, first = equal.get(around, ((), at))
                parts += pattern[position] if position < len(pattern) else ()
                equal[around] = parts, min(first, at)
            patterns = {
                (*head, tuple(sorted(parts, key=_by_number)), *tail)[:length]: first
                for (head, tail, length), (parts, first) in equal.items()
            }
    return ['.'.join(map(_braces, pattern)) for pattern in sorted(patterns, key=patterns.get)]


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
