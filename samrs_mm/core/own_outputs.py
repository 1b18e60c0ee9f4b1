"""Folders that our own tools wrote: never read as a part of a dataset that they lie in."""

from collections.abc import Collection
from pathlib import Path

from samrs_mm.core.atomic import load

_RECORDS = {
    'meta.json': ('an annotated folder', {'settings', 'signature'}),
    'predictions.json': ('predictions', {'settings', 'classes'}),
    'export.json': ('an export', {'format', 'signature'}),
    'tiles.json': ('tiles', {'settings'}),
    'pack.json': ('a packed dataset', {'format', 'classes'}),
    'ablation.json': ('an ablation', {'ground_truth', 'bootstrap'}),
    'statistics.json': ('statistics', {'table_2'}),
}
"""What a folder is by its record, and keys that the record has."""

_PICTURES, _PICTURES_END = 'index.txt', b'# drawn by browse_dataset.py'
_LABEL_MAPS = {
    'meta.json': ('semantic', 'show', 'report', 'instances'),
    'predictions.json': ('labels', 'probabilities', 'overlays'),
}


def own_output(folder: Path, names: Collection[str]) -> str | None:
    """Return what of ours a folder with files of these names is, such as 'predictions'; or None.

    The record says it; an empty one is that of an export that is being written.
    """
    for name, (what, keys) in _RECORDS.items():
        if name in names and _holds(folder / name, keys):
            return what
    if _PICTURES in names and _ends(folder / _PICTURES, _PICTURES_END):
        return 'pictures of browse_dataset.py'
    return None


def own_pictures(folder: Path) -> str | None:
    """Return what of ours the pictures in a folder are if they are no images of scenes, or None.

    Such as the label maps of an annotated folder, or overlays of predictions.
    """
    folder = folder.resolve()
    for name, parts in _LABEL_MAPS.items():
        if folder.name in parts and _holds(folder.parent / name, _RECORDS[name][1]):
            return f'{folder.name} of {_RECORDS[name][0]}'
    return None


def _holds(record: Path, keys: set[str]) -> bool:
    try:
        data = record.read_bytes()
        unfinished = not data and record.name == 'export.json'
        return unfinished or keys <= load(data).keys()
    except (OSError, ValueError, AttributeError):
        return False


def _ends(path: Path, line: bytes) -> bool:
    try:
        return path.read_bytes().rstrip().endswith(line)
    except OSError:
        return False
