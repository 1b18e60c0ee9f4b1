"""Which classes a dataset has where its config fixes none, and what users should know of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samrs_mm.core.classes import UNLABELLED, ClassTable
from samrs_mm.core.wording import counted

_EXAMPLES = 3
_SHOWN = 8


@dataclass
class ClassList:
    """The classes of some labels.

    Args:
        table: The classes.
        ids: The number that each class has in the labels' own list; None where they are 1, 2, 3 ...
            or where the labels have no list.
        notes: What users should know, one line each.

    Raises:
        ValueError: More than 255 classes.
    """

    table: ClassTable
    ids: list[int] | None = None
    notes: list[str] = field(default_factory=list)


def class_list(listed: Mapping[Any, str], met: Iterable[str]) -> ClassList:
    """Return all classes of the labels' own list, by their ids; without one the names met, sorted.

    A list of more classes than a label map holds is cut down to those met. Ids that are no whole
    numbers keep the list's order. No two names are one, however alike.

    Args:
        listed: Names by id, in the list's order; empty where there is no list.
        met: Names of the boxes.
    """
    if not listed:
        found = ClassList(ClassTable.from_names(met))
        if names := _numbered(found.table.classes):
            found.notes.append(
                f'{names} (the names met in the labels, sorted; to fix them for other parts of the '
                'dataset, too: dataset.classes)'
            )
    else:
        found = _from_list(listed, set(met))
    for group in found.table.alike:
        names = ' and '.join(map(repr, group))
        found.notes.append(
            f'{names} are not the same name, and stay {len(group)} classes; if they are meant to '
            'be one, list the classes in dataset.classes'
        )
    return found


def _from_list(listed: Mapping[Any, str], met: set[str]) -> ClassList:
    notes: list[str] = []
    first: dict[str, Any] = {}
    numbered = all(isinstance(key, int) for key in listed)
    for key in sorted(listed) if numbered else listed:
        other = first.setdefault(listed[key], key)
        if other != key:
            notes.append(
                f'categories {other!r} and {key!r} are both called {listed[key]!r}: one class'
            )
    if len(first) > UNLABELLED:
        notes.append(
            f'the list has {len(first)} classes, a label map holds {UNLABELLED}: only the '
            f'{len(met)} that occur are taken; another part of the dataset may have others'
        )
        first = {name: key for name, key in first.items() if name in met}
    ids = list(first.values())
    if ids == [*range(1, len(ids) + 1)]:
        return ClassList(ClassTable(list(first)), None, notes)
    notes.append(
        f'category ids {_span(ids)} of the labels are numbered anew, in their order: 1 to '
        f'{len(ids)} in records and annotations.json, pixel values 0 to {len(ids) - 1}'
        + ('; samrs-mm export FOLDER --to coco --out NEW gives them back' if numbered else '')
    )
    return ClassList(ClassTable(list(first)), ids if numbered else None, notes)


def _numbered(names: Sequence[str]) -> str:
    texts = [f'{name} = {number}' for number, name in enumerate(names)]
    return ', '.join(texts) if len(texts) <= _SHOWN else ', '.join([*texts[:_SHOWN], '...'])


def _span(ids: list) -> str:
    if len(ids) <= _EXAMPLES:
        return ', '.join(map(str, ids))
    gaps = '' if ids == [*range(ids[0], ids[0] + len(ids))] else ' (with gaps)'
    return f'{ids[0]} to {ids[-1]}{gaps}'


def spelling_notes(table: ClassTable, counts: Mapping[str, int]) -> list[str]:
    """Return a line on the names in labels that aren't spelled as their classes, if there are any.

    ``counts`` are the boxes by name; all of them have a class.
    """
    other = {name: table.classes[table.index(name)] for name in sorted(counts)}
    other = {name: meant for name, meant in other.items() if name != meant}
    if not other:
        return []
    texts = [
        f'{name!r} is {meant!r} ({counted(counts[name], "box")})' for name, meant in other.items()
    ]
    rest = f' and {len(texts) - _EXAMPLES} more' if len(texts) > _EXAMPLES else ''
    return [f'spelled otherwise in the labels: {", ".join(texts[:_EXAMPLES])}{rest}']
