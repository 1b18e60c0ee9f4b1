"""What a run that was killed leaves of a boxes file: a line for each image that is done."""

import os
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.resumable import differences


class DoneImages:
    """``FILE.part`` beside a boxes file: a line of settings, then one for each image.

    Lines are added at the end, the last of an image counts; half a line of a killed run does not.

    Args:
        target: The boxes file.
        settings: What decides the boxes, as plain data.
        anew: Whether a file of other settings is begun anew.

    Raises:
        RefusedError: It is of other settings, or can't be written.
    """

    def __init__(self, target: Path, settings: dict[str, Any], anew: bool = False):
        self.path = target.with_name(f'{target.name}.part')
        head = dump(dict(settings=settings))
        self._known: dict[str, dict[str, Any]] = {}
        self._added = 0
        try:
            lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
            if lines and not (anew and lines[0] != head):
                self._take(target, lines, load(head)['settings'])
            else:
                atomic_write(self.path, head)
        except OSError as error:
            raise RefusedError(f'--out {target}: cannot write there: {error.strerror}') from error

    def _take(self, target: Path, lines: list[bytes], settings: dict[str, Any]) -> None:
        """Take what earlier runs have done, if it is of these settings."""
        whole = [line for line in lines if line.endswith(b'\n')]
        try:
            before, *done = map(load, whole)
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
        if len(whole) < len(lines):
            atomic_write(self.path, b''.join(whole))

    def of(self, path: Path, inputs: Inputs) -> dict[str, Any] | None:
        """Return what ``add`` was told of an image; None where it isn't done, or has changed."""
        known = self._known.get(os.path.abspath(path))
        return known['about'] if known and inputs.look(known['note']).same else None

    def add(self, path: Path, inputs: Inputs, about: dict[str, Any]) -> None:
        """Note that an image is done; ``about`` is plain data.

        Raises:
            OSError: It can't be written.
        """
        line = dump(dict(path=os.path.abspath(path), note=inputs.note(), about=about))
        try:
            with open(self.path, 'ab') as file:
                file.write(line)
        except OSError as error:
            error.filename = str(self.path)  # a full disk is met in write(), which knows no name
            raise
        self._added += 1

    def remove_empty(self) -> None:
        """Delete the file if no image is done."""
        if not self._known and not self._added:
            self.remove()

    def remove(self) -> None:
        """Delete the file: the boxes file is whole."""
        self.path.unlink(missing_ok=True)
