"""A folder that one tool fills, and goes on filling after it was killed."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from samrs_mm.core import input_notes
from samrs_mm.core.atomic import atomic_write, dump, load, temporary
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import InputNotes
from samrs_mm.core.system import locked_folder


class ResumableFolder:
    """The output folder of a tool.

    Its ``record``, a JSON file, states the settings that the folder was started with. It is written
    before anything else, so that files without a record are known to be someone else's, and again
    when all is done. A run with the same settings takes the folder up; any other is refused.
    """

    owner = 'this tool'
    """Whose files may be in it, for messages."""
    if_foreign = 'choose an empty folder'
    """What a user can do where there are files of someone else."""
    if_other = 'use the same, or another folder'
    """What a user can do whose settings are others than the folder's."""

    def __init__(self, root: str | os.PathLike, record: str):
        self.root = Path(root)
        self.record = self.root / record
        self.notes = InputNotes(self.root)

    def settings_of(self, record: dict[str, Any]) -> Any:
        """Return the settings that a record of this tool states; of another it raises."""
        return record['settings']

    def foreign(self) -> list[str]:
        """Return the files, relative to the root, that can't be of this tool, sorted.

        They are looked at where there is no record yet: then all files are someone else's.
        """
        own = {self.record.name, input_notes.NAME}
        return sorted(self.files() - own - {temporary(Path(name)).name for name in own})

    def files(self) -> set[str]:
        """Return all files, as names relative to the root with forward slashes."""
        found = set()
        for folder, _, names in os.walk(self.root):
            below = Path(folder).relative_to(self.root)
            found |= {(below / name).as_posix() for name in names}
        return found

    def read(self) -> dict[str, Any] | None:
        """Return the record; None where there is none.

        Raises:
            RefusedError: It is no record of this tool.
        """
        try:
            record = load(self.record.read_bytes())
            self.settings_of(record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{self.record}: not a {self.record.name} of this tool') from error
        return record

    def start(self, record: dict[str, Any], folders: Iterable[str] = ()) -> None:
        """Make the folder and its record, or take up what was started with the same settings.

        A record that is there stays as it is; ``folders`` are sub-folders to make.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            with self.lock():
                started = self.check(record)
                for name in folders:
                    (self.root / name).mkdir(exist_ok=True)
                if not started:
                    self.save(record)

    def check(self, record: dict[str, Any]) -> bool:
        """Return whether the folder was started, by a run with the settings of this record.

        Raises:
            RefusedError: It holds files of someone else, or was started with other settings.
        """
        started = self.read()
        if started is None:
            self.refuse_foreign()
            return False
        if changed := differences(self.settings_of(started), self.settings_of(record)):
            raise RefusedError(
                f'out {self.root} was started with other settings ({"; ".join(changed)}); '
                f'{self.if_other}'
            )
        return True

    def refuse_foreign(self) -> None:
        """Raise RefusedError where the folder holds files of someone else."""
        if foreign := self.foreign():
            raise RefusedError(
                f'out {self.root} holds files that are not of {self.owner}, such as {foreign[0]}; '
                f'{self.if_foreign}'
            )

    def save(self, record: dict[str, Any]) -> None:
        """Write the record."""
        atomic_write(self.record, dump(record))

    def delete(self, names: Iterable[str]) -> int:
        """Delete files of ours, relative to the root; return their number.

        The record goes last: while it stands, a deletion that was killed can be repeated.
        """
        ordered = sorted(set(names), key=lambda name: (name == self.record.name, name))
        for name in ordered:
            (self.root / name).unlink()
        return len(ordered)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Raise RefusedError where the block raises OSError: the folder can't be written to."""
        try:
            yield
        except OSError as error:
            raise RefusedError(
                f'out {self.root}: cannot write there: {error.strerror}; choose another folder'
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's own files against other processes; see ``lock_file``."""
        with locked_folder(self.root):
            yield


def signature_of(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of settings, as hex; the order of keys doesn't matter."""
    text = json.dumps(settings, sort_keys=True, separators=(',', ':'), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(old: Any, new: Any, path: str = '') -> list[str]:
    """Return what differs between two settings, as ``key: old -> new`` lines."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [
            line
            for key in keys
            for line in differences(old.get(key), new.get(key), f'{path}.{key}' if path else key)
        ]
    return [] if old == new else [f'{path}: {_short(old)} -> {_short(new)}']


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + '...'
