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
from samrs_mm.models.conversion.name_patterns import collapse

COLUMNS = ('status', 'source', 'target', 'shape', 'reason', 'expected')


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
        lines += _indented(collapse(row.source or row.target for row in rows), shown)
    return lines


def _indented(patterns: list[str], shown: int) -> Iterable[str]:
    yield from (f'  {pattern}' for pattern in patterns[:shown])
    if len(patterns) > shown:
        yield f'  ... and {len(patterns) - shown} more of the kind; --report lists all'


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
