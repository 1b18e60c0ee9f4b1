"""Files that are whole or not there, and lines likewise, whenever the process ends."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


def temporary(path: Path) -> Path:
    """Return the name under which a file is written before it is renamed.

    It follows from the final name alone, so what a killed run leaves behind is overwritten and
    renamed when the image is done again.
    """
    return path.with_name(f'.{path.name}.tmp')


def atomic_write(path: Path, data: bytes, shared: bool = False) -> None:
    """Write a file so that it is either whole or not there, whenever the process ends.

    Several processes may write it at once if it is ``shared``; see ``open_atomic``.

    Raises:
        OSError: The disk is full, the folder is not writable, ...; the target is untouched.
    """
    with open_atomic(path, shared) as file:
        file.write(data)


@contextlib.contextmanager
def open_atomic(path: Path, shared: bool = False) -> Iterator[Any]:
    """Open a binary file that appears under its name only when the block ends well.

    A file that several processes may write at once is ``shared``: each writes under a name of its
    own, ``.NAME.RANDOM.tmp``, which nothing overwrites when the process is killed.
    """
    part = temporary(path)
    if shared:
        part = part.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')
    try:
        with open(part, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk is met in write(), which knows no name
        raise


def whole_lines(file: TextIO) -> list[str]:
    """Return the lines of a UTF-8 file opened to append; half a line of a killed run is cut off."""
    file.seek(0)
    *lines, half = file.read().split('\n')
    if half:
        file.truncate(sum(len(line.encode(errors=file.errors or 'strict')) + 1 for line in lines))
    return lines


def dump(data: Any) -> bytes:
    """Return plain data as a line of JSON; equal input, equal bytes.

    Raises:
        ValueError: NaN or infinity, which JSON has not.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(',', ':'), allow_nan=False)
    return text.encode() + b'\n'


def load(data: bytes) -> Any:
    """Return what JSON holds.

    Raises:
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError('nested too deeply') from error
