"""Find files by name: in one folder by stem, or however deep a download was unpacked."""

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.own_outputs import own_output
from samrs_mm.core.wording import counted, plural

OTHER_PICTURES = (
    '.geotiff', '.gtiff', '.gtif', '.avif', '.heic', '.heif', '.jxl', '.psd', '.svg', '.tga',
    '.exr', '.hdr', '.dng', '.nef', '.cr2', '.arw', '.ecw', '.sid', '.img', '.vrt', '.ntf', '.nitf',
    '.hdf', '.h5', '.npy', '.npz',
)  # fmt: skip
"""What pictures end in, too, that are not read as images: they are named instead."""


def untaken_pictures(names: Iterable[str]) -> list[str]:
    """Return the files, by name, that are pictures of a kind that is not read; sorted."""
    return sorted(name for name in names if name.lower().endswith(OTHER_PICTURES))


def tell_untaken(folder: str | os.PathLike) -> str:
    """Return a line that names the pictures in a folder that are not read; '' if there are none."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    untaken = untaken_pictures(names)
    if not untaken:
        return ''
    return (
        f'{folder}: {counted(len(untaken), "picture is", "pictures are")} of a kind that '
        f'is not read, such as {untaken[0]}; '
        f'convert {plural(len(untaken), "it", "them")} to PNG or TIFF'
    )


def tell_deeper(
    folder: str | os.PathLike,
    suffixes: Collection[str],
    known: Iterable[str | os.PathLike] = (),
) -> str:
    """Return a line on the pictures in folders inside of a folder; '' if there are none.

    Outputs of our own tools there are passed over, and folders that are ``known``.
    """
    root, taken = Path(folder), {os.path.abspath(path) for path in known}
    found = [
        path
        for path in walk_files(root)
        if path.suffix.lower() in suffixes
        and path.parent != root
        and os.path.abspath(path.parent) not in taken
    ]
    if not found:
        return ''
    return (
        f'{folder}: {counted(len(found), "image lies", "images lie")} in folders inside of it, '
        f'such as {min(found).relative_to(root).as_posix()}; give these folders'
    )


def files_by_stem(folder: str | os.PathLike, suffixes: Collection[str]) -> dict[str, list[str]]:
    """Return the files of a folder by stem: ``{stem: [file name, ...]}``, sorted; {} if absent.

    Hidden files and folders inside are passed over. ``suffixes`` are in lower case, such as
    ``IMAGE_SUFFIXES``; those of files may be upper.
    """
    stems: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in suffixes and not name.startswith('.'):
            stems.setdefault(stem, []).append(name)
    return stems


def as_there(root: str | os.PathLike, path: str) -> str:
    """Return a path below a folder in the case in which it is written there: ``Images``.

    What is there in the very case, or isn't there in any, stays.

    Raises:
        RefusedError: Two folders or files differ in case alone, and neither is the one asked for.
    """
    here, parts = Path(root), []
    for part in path.split('/'):
        if not os.path.lexists(here / part) and here.is_dir():
            names = sorted(name for name in os.listdir(here) if name.lower() == part.lower())
            if len(names) > 1:
                raise RefusedError(
                    f'{here}: {names[0]} and {names[1]} differ in case alone; which one is {part}? '
                    'Rename it so'
                )
            part = names[0] if names else part
        parts.append(part)
        here /= part
    return '/'.join(parts)


def read_list(path: Path) -> list[str]:
    """Return the names in a list such as ``train.txt``, one a line, without blanks around them.

    Raises:
        RefusedError: It can't be read, or isn't text in UTF-8.
    """
    try:
        lines = path.read_text(encoding='utf-8-sig').split('\n')
    except OSError as error:
        raise RefusedError(f'list {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise RefusedError(f'list {path}: not text in UTF-8; save it as such') from error
    return [line.strip() for line in lines if line.strip()]


def read_stems(path: Path, known: Collection[str], what: str) -> set[str]:
    """Return the names in a list such as ``train.txt``, one a line, without blanks around them.

    Raises:
        RefusedError: It can't be read, is empty, or has a name that isn't known as the name of what
            it should be, such as ``'image in data/mine'``.
    """
    stems = set(read_list(path))
    unknown = sorted(stems - set(known))
    if unknown or not stems:
        example = f'such as {unknown[0]!r}' if unknown else 'it is empty'
        raise RefusedError(
            f'list {path}: {len(unknown)} of {counted(len(stems), "name")} '
            f'{plural(len(unknown), "is", "are")} no {what}, {example}; give '
            'names without suffix, as make_splits.py writes them'
        )
    return stems


def files_by_name(root: str | os.PathLike) -> dict[str, list[Path]]:
    """Return all files below a folder by base name, sorted; hidden ones are passed over.

    Raises:
        RefusedError: No such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise RefusedError(f'data_root {root}: no such folder')
    found: dict[str, list[Path]] = {}
    for path in sorted(walk_files(root), key=lambda path: path.parts):
        found.setdefault(path.name, []).append(path)
    return found


def walk_files(root: Path, passed_over: dict[Path, str] | None = None) -> Iterator[Path]:
    """Yield all files below a folder but hidden ones; links are followed, but none back up.

    Folders below the root that our own tools wrote are passed over, and entered in
    ``passed_over`` with what they are.
    """
    for folder, names in _walk(root, passed_over):
        yield from (folder / name for name in names)


def folded(name: str) -> str:
    """Return a name so that those are equal which Windows or macOS would take for one.

    Case doesn't count there, and macOS writes an umlaut as a letter and its dots.
    """
    return composed(composed(name).casefold())


def composed(name: str) -> str:
    """Return a name with an umlaut as one letter (NFC); macOS writes it as a letter and its dots.

    Such names look alike, and a file that was copied from there is no longer found by the other.
    """
    return unicodedata.normalize('NFC', name)


def paired(names: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Return which of ``others`` each name is: the very one, else one that only looks the same.

    None of them is given to two.
    """
    there, names = set(others), list(names)
    found = {name: name for name in names if name in there}
    left = {composed(other): other for other in sorted(there - found.keys())}
    for name in names:
        if name not in found and (other := left.pop(composed(name), None)) is not None:
            found[name] = other
    return found


def walk_names(root: Path, passed_over: dict[Path, str] | None = None) -> Iterator[str]:
    """Yield the files of ``walk_files`` by names relative to the root, with forward slashes."""
    for folder, names in _walk(root, passed_over):
        # of each file it would take ten times as long as the walk
        inner = folder.relative_to(root).as_posix()
        yield from (names if inner == '.' else (f'{inner}/{name}' for name in names))


def _walk(root: Path, passed_over: dict[Path, str] | None) -> Iterator[tuple[Path, list[str]]]:
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder)
        if here != root and (what := own_output(here, names)):
            folders[:] = []
            if passed_over is not None:
                passed_over[here] = what
            continue
        real = here.resolve()
        folders[:] = [
            name
            for name in folders
            if not name.startswith(('.', '__MACOSX'))
            and not real.is_relative_to((real / name).resolve())
        ]
        yield here, [name for name in names if not name.startswith('.')]


def first_copy(paths: Sequence[Path]) -> Path:
    """Return the first of several files of one name; copies differ in neither size nor content.

    Raises:
        RefusedError: Their sizes differ, so they are no copies.
    """
    if len({path.stat().st_size for path in paths}) > 1:
        names = ' and '.join(str(path) for path in paths[:2])
        raise RefusedError(f'{names} have one name but differ; keep only the right one there')
    return paths[0]


def refuse_incomplete(what: str, missing: Sequence[str], total: int, cure: str) -> None:
    """Raise RefusedError where a download such as ``'data/Potsdam: train'`` lacks files."""
    if missing:
        raise RefusedError(
            f'{what}: {len(missing)} of {total} files {plural(len(missing), "is", "are")} '
            f'missing, such as {missing[0]}; {cure}'
        )
