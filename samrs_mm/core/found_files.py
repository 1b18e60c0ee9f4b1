"""Find the files of a download by name, however deep they were unpacked."""

import os
from collections.abc import Sequence
from pathlib import Path

from samrs_mm.core.errors import RefusedError


def files_by_name(root: str | os.PathLike) -> dict[str, list[Path]]:
    """Return all files below a folder by base name, sorted; hidden ones are passed over.

    Raises:
        RefusedError: No such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise RefusedError(f'data_root {root}: no such folder')
    found: dict[str, list[Path]] = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(('.', '__MACOSX')))
        for name in names:
            if not name.startswith('.'):
                found.setdefault(name, []).append(Path(folder, name))
    return {name: sorted(paths) for name, paths in found.items()}


def the_one(paths: Sequence[Path]) -> Path:
    """Return the first of several files of one name; copies differ in neither size nor content.

    Raises:
        RefusedError: Their sizes differ, so they are no copies.
    """
    if len({path.stat().st_size for path in paths}) > 1:
        names = ' and '.join(str(path) for path in paths[:2])
        raise RefusedError(f'{names} have one name but differ; keep only the right one there')
    return paths[0]


def refuse_incomplete(what: str, missing: Sequence[str], total: int, cure: str) -> None:
    """Refuse a download that lacks files.

    Args:
        what: What it is, such as ``'data/Potsdam: train'``.
        missing: Names of files that aren't there.
        total: Number of files there should be.
        cure: What to do.

    Raises:
        RefusedError: Something is missing.
    """
    if missing:
        raise RefusedError(
            f'{what}: {len(missing)} of {total} files are missing, such as {missing[0]}; {cure}'
        )
