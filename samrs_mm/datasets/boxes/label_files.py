"""Label files and lists of names: their paths and their text."""

import codecs
from pathlib import Path, PurePosixPath

from samrs_mm.core.errors import LabelReadError, RefusedError


def check_path(path: str) -> None:
    """Refuse a posix path that leads out of the data root, or that no tool could show.

    Raises:
        RefusedError: Absolute path, drive, ``..``, backslash, control character, or no name at all.
    """
    parts = PurePosixPath(path).parts
    if not parts:
        raise RefusedError(f'file name {path!r} names no file')
    leaves = '..' in parts or PurePosixPath(path).is_absolute() or Path(path).drive
    if leaves:
        raise RefusedError(
            f'file name {path!r} leads out of the data root; refused: give its place from the '
            'folder of images on'
        )
    if '\\' in path or not path.isprintable():
        what = 'a backslash' if '\\' in path else 'control characters'
        raise RefusedError(f'file name {path!r} holds {what}; rename the file')


def read_bytes(path: Path) -> bytes:
    """Return a label file's content.

    Raises:
        LabelReadError: Missing or unreadable file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelReadError(f'{path}: cannot read the label file: {error.strerror}') from error


def read_text(path: Path) -> str:
    """Return the content of a text file, in the encoding that its byte order mark tells.

    Without one it is UTF-8, or else GB2312's superset GB18030.

    Raises:
        LabelReadError: Missing or unreadable file.
    """
    data = read_bytes(path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode('utf-16', errors='replace')
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        return data.decode('gb18030', errors='replace')


def guessed(path: Path) -> bool:
    """Return whether ``read_text`` can't know the encoding of a file.

    Raises:
        LabelReadError: Missing or unreadable file.
    """
    data = read_bytes(path)
    try:
        data.decode('utf-8')
    except UnicodeDecodeError:
        return not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return False


def read_names(path: Path) -> list[str]:
    """Return the image names of a list file, one a line; [] where there is no such file."""
    return read_text(path).lstrip('\ufeff').split() if path.is_file() else []
