"""What a run that was killed leaves of a boxes file: a line for each image that is done."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from samrs_mm.core.atomic import dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.resumable import differences
from samrs_mm.core.system import hold_file


class DoneImages:
    """``FILE.part`` beside a boxes file: a line of settings, then one for each image.

    Lines are added at the end, the last of an image counts; half a line of a killed run does not.
    It is held against other runs until it is removed or closed; see ``system.hold_file``.

    Args:
        target: The boxes file.
        settings: What decides the boxes, as plain data.
        anew: Whether a file of other settings is begun anew.

    Raises:
        RefusedError: It is of other settings, can't be written, or another run holds it.
    """

    def __init__(self, target: Path, settings: dict[str, Any], anew: bool = False):
        self.path = _part_of(target)
        head = dump(dict(settings=settings))
        self._known: dict[str, dict[str, Any]] = {}
        self._added = 0
        try:
            self._held = _held(self.path)
            try:
                self._begin(target, head, anew)
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise RefusedError(f'--out {target}: cannot write there: {error.strerror}') from error

    def _begin(self, target: Path, head: bytes, anew: bool) -> None:
        """Take what is there, or begin anew."""
        lines = self._held.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b'\n')]
        if whole and not (anew and whole[0] != head):
            self._take(target, whole, load(head)['settings'])
        else:
            whole = []
        self._held.truncate(sum(map(len, whole)))
        if not whole:
            self._append(head)

    def _take(self, target: Path, lines: list[bytes], settings: dict[str, Any]) -> None:
        """Take what earlier runs have done, if it is of these settings."""
        try:
            before, *done = map(load, lines)
            changed = differences(before['settings'], settings)
            self._known = {each['path']: each for each in done}
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(
                f'{self.path}: not a part of a boxes file; delete it, or another --out'
            ) from error
        if changed:
            raise RefusedError(
                f'--out {target} was begun with other settings ({"; ".join(changed)}); use the '
                'same, another name, or --overwrite to begin anew'
            )

    def _append(self, line: bytes) -> None:
        try:
            with open(self.path, 'ab') as file:
                file.write(line)
        except OSError as error:
            error.filename = str(self.path)  # a full disk is met in write(), which knows no name
            raise

    def of(self, path: Path, inputs: Inputs) -> dict[str, Any] | None:
        """Return what ``add`` was told of an image; None where it isn't done, or has changed."""
        known = self._known.get(os.path.abspath(path))
        if known is None or not inputs.look(known['note']).same:
            return None
        inputs.take_sha256(known['note'].split('\t')[1].rpartition(':')[2])
        return known['about']

    def add(self, path: Path, inputs: Inputs, about: dict[str, Any]) -> None:
        """Note that an image is done; ``about`` is plain data.

        Raises:
            OSError: It can't be written.
        """
        self._append(dump(dict(path=os.path.abspath(path), note=inputs.note(), about=about)))
        self._added += 1

    def remove_empty(self) -> None:
        """Delete the file if no image is done."""
        if not self._known and not self._added:
            self.remove()

    def remove(self) -> None:
        """Delete the file: the boxes file is whole."""
        if sys.platform == 'win32':  # no open file can be deleted there
            self.close()
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._held.close()


def remove_left(target: Path, settings: dict[str, Any]) -> None:
    """Delete what a run that was killed at its very end left beside its whole boxes file."""
    if _part_of(target).exists():
        with contextlib.suppress(RefusedError):  # it is of other settings, or of a run at work
            DoneImages(target, settings).remove()


def _part_of(target: Path) -> Path:
    return target.with_name(f'{target.name}.part')


def _held(path: Path) -> BinaryIO:
    """Open a file to read and append, held against other processes.

    Raises:
        RefusedError: Another holds it.
        OSError: It can't be opened.
    """
    while True:
        file = open(path, 'a+b')
        if not hold_file(file):
            file.close()
            raise RefusedError(
                f'{path}: another run is writing it; wait for its end, or another --out'
            )
        if path.exists() and os.path.samestat(os.stat(path), os.fstat(file.fileno())):
            file.seek(0)
            return file
        file.close()  # a run that ended just now has deleted it
