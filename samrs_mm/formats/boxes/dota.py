"""DOTA v1.0, v1.5 and v2.0 label files (OBB and HBB).

A line is ``x1 y1 x2 y2 x3 y3 x4 y4 category [difficult]``. v1.x files begin with the two header
lines ``imagesource:`` and ``gsd:``, v2.0 files have none. HBB files have the same columns.
"""

import numpy as np

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.formats.boxes.labels import ParsedLabels

_HEADERS = ('imagesource', 'gsd')


def parse_dota(text: str, file: str) -> ParsedLabels:
    """Read the text of one DOTA label file.

    Coordinates are kept as written (also outside the image, also NaN); what becomes of such a
    box is decided where the image size is known.

    Args:
        text: The file's content; LF or CRLF, with or without header, 9 or 10 columns.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``polygon`` set, and one problem for each line that is not a box.
    """
    labels = ParsedLabels()
    for number, line in enumerate(text.lstrip('\ufeff').splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].lower().split(':')[0] in _HEADERS:
            continue
        place = f'{file}:{number}'
        if len(fields) not in (9, 10):
            labels.add_problem(
                place,
                f'{len(fields)} columns in {line.strip()[:80]!r}; a DOTA line has 9 or 10: '
                'x1 y1 x2 y2 x3 y3 x4 y4 category [difficult]',
            )
            continue
        try:
            polygon = np.array([float(value) for value in fields[:8]]).reshape(4, 2)
        except ValueError:
            bad = next(value for value in fields[:8] if not _is_number(value))
            labels.add_problem(place, f'coordinate {bad!r} is not a number')
            continue
        labels.boxes.append(BoxLabel(place, fields[8], polygon=polygon))
    return labels


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
