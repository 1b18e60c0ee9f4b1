"""What the finished work of a folder was made from: a note of each piece's input files.

Whether a file is still the one that a piece was made from is told by its size and time; only where
these differ is the file hashed. Times are of one machine and one copy of the data, so they stand
here, beside the work, and in no record.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from samrs_mm.core.atomic import atomic_write, dump, load, open_atomic
from samrs_mm.core.images import file_sha256
from samrs_mm.core.side_files import NOTHING, side_files, side_sha256
from samrs_mm.core.system import lock_file

NAME = 'inputs.tsv'
_LINE = re.compile(r'([^\t\n]+)\t([0-9a-f]*)((?:\t\d+:-?\d+:[0-9a-f]{64})*)\n')
_NAMES = 'surrogateescape'  # file names need not be text
GONE = ''
"""Stamp of a file that can't be looked at."""

_NEVER = f'0:0:{"0" * 64}'  # state of a file that changed while it was read: like no other


def stamp(path: str | os.PathLike) -> str:
    """Return size and time of a file as ``SIZE:NANOSECONDS``; ``GONE`` where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return GONE
    return f'{stat.st_size}:{stat.st_mtime_ns}'


def facts_of(*values: object) -> str:
    """Return a digest of what beside files decides a piece of work: strings, numbers, bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        part = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(len(part).to_bytes(8, 'little') + part)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """How a piece's input compares with its note.

    Args:
        noted: Whether there is a note of so many files.
        same_facts: Whether the facts are those of the note.
        changed: Positions of the files whose content is not that of the note; ``len(paths)`` stands
            for the files beside them.
        note: The note of the input as it is now; None where it is the old one.
    """

    noted: bool
    same_facts: bool
    changed: tuple[int, ...]
    note: str | None

    @property
    def same(self) -> bool:
        """Whether the piece was made from just this."""
        return self.noted and self.same_facts and not self.changed


class Inputs:
    """What a piece of work is made from: a digest of facts, and files in an order of their own.

    Files beside these belong to them, see ``side_files``; ``place`` is theirs. Make it before the
    files are read: a change while they are is then met the next time.
    """

    def __init__(self, facts: str, paths: Sequence[str | os.PathLike], place: bool = False):
        self.facts, self.paths, self._place = facts, list(paths), place
        self._sides = [side for path in paths for side in side_files(path, place)]
        self.stamps = [stamp(path) for path in self.paths]
        self._side_stamps = [stamp(path) for path in self._sides]
        self._hashes: dict[int, str] = {}

    def sha256(self, position: int = 0) -> str:
        """Return the hash of a file, as hex; it is read once.

        Raises:
            OSError: It can't be read.
        """
        if position not in self._hashes:
            self._hashes[position] = file_sha256(self.paths[position])
        return self._hashes[position]

    def take_sha256(self, digest: str, position: int = 0) -> None:
        """Take the hash of a file, as hex, from where it is known."""
        self._hashes.setdefault(position, digest)

    def note(self) -> str:
        """Return the note of a piece that was made from this.

        If a file changed meanwhile, the note is of no file at all, so the piece counts as changed.

        Raises:
            OSError: A file can't be read.
        """
        states = [f'{s}:{self.sha256(position)}' for position, s in enumerate(self.stamps)]
        states += self._side_states()
        now = [stamp(path) for path in (*self.paths, *self._sides)]
        if now != [*self.stamps, *self._side_stamps]:
            states = [_NEVER] * len(states)
        return '\t'.join([self.facts, *states])

    def _side_states(self) -> list[str]:
        """Return the states of the files beside the input as a note has them."""
        stamps = zip(self._side_stamps, self._sides, strict=True)
        return [f'{state}:{side_sha256(path, self._place)}' for state, path in stamps]

    def _look_beside(self, noted: list[str]) -> tuple[list[str], bool]:
        """Return the states of the files beside the input now, and whether they say something else.

        ``noted`` are their states in a note.
        """
        if self._side_stamps == [state.rpartition(':')[0] for state in noted]:
            return noted, False
        states: list[str] = []
        with contextlib.suppress(OSError):
            states = self._side_states()
        said, was = (
            sorted(filter(NOTHING.__ne__, (state.rpartition(':')[2] for state in each)))
            for each in (states, noted)
        )
        return states, said != was

    def newer_than(self, made: Iterable[str | os.PathLike]) -> bool:
        """Whether a file of the input is newer than one of these, or is missing.

        One that was moved or copied into its place may have kept an old time of its content.
        """
        if GONE in self.stamps:
            return True
        paths = [*self.paths, *(p for p in self._sides if side_sha256(p, self._place) != NOTHING)]
        states = [os.stat(path) for path in paths]
        last = max((max(state.st_mtime_ns, state.st_ctime_ns) for state in states), default=0)
        return any(os.stat(path).st_mtime_ns < last for path in made)

    def look(self, note: str | None) -> Look:
        """Compare with a note; files of other size or time are hashed."""
        known, *files = note.split('\t') if note is not None else ('',)
        count = len(self.paths)
        if note is None or len(files) < count:
            return Look(False, False, (), None)
        states, changed = [], []
        for position, (now, old) in enumerate(zip(self.stamps, files[:count], strict=True)):
            before, _, digest = old.rpartition(':')
            if now != before:
                found = GONE
                with contextlib.suppress(OSError):
                    found = self.sha256(position)
                if found != digest:
                    changed.append(position)
                old = f'{now}:{found}'
            states.append(old)
        beside, other = self._look_beside(files[count:])
        states += beside
        changed += [count] * other
        new = '\t'.join([self.facts, *states])
        return Look(True, self.facts == known, tuple(changed), None if new == note else new)


class InputNotes:
    """The notes of a folder: ``inputs.tsv``, a line for each piece of work.

    Lines are added at the end, the last of a piece counts. A line that a full disk cut in half is
    passed over, and a piece without a note is compared by what else is known of it. Several
    processes may add lines at once.
    """

    def __init__(self, root: str | os.PathLike):
        self.path = Path(root, NAME)
        self._notes: dict[str, str] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy for another process has read nothing yet."""
        return InputNotes, (self.path.parent,)

    def read(self) -> dict[str, str]:
        """Return the notes by key, as they stand in the file now; {} where there is none."""
        notes = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            with open(self.path, encoding='utf-8', errors=_NAMES, newline='\n') as file:
                for line in file:
                    if found := _LINE.fullmatch(line):
                        notes[found[1]] = found[2] + found[3]
        self._notes = notes
        return notes

    def look(self, key: str, inputs: Inputs) -> Look:
        """Compare the input of a piece with its note, of those that ``read`` returned last."""
        return inputs.look((self.read() if self._notes is None else self._notes).get(key))

    def sha256(self, key: str, path: str | os.PathLike) -> str:
        """Return the hash of a file: that of a piece's first one, if size and time are as noted.

        Raises:
            OSError: It can't be read.
        """
        notes = self.read() if self._notes is None else self._notes
        _, *files = notes.get(key, '').split('\t')
        before, _, digest = files[0].rpartition(':') if files else ('', '', '')
        return digest if before and stamp(path) == before else file_sha256(path)

    def stands(self, key: str, inputs: Inputs, made: Iterable[str | os.PathLike]) -> bool:
        """Whether files were made from this: as their note says; without one none is older."""
        look = self.look(key, inputs)
        return look.same if look.noted else not inputs.newer_than(made)

    def confirm(self, key: str, inputs: Inputs, made: bool = False) -> None:
        """Note what a piece is made from: before its files are ``made``, or where they stand.

        Noted beforehand, files that a killed call leaves behind are known to be of this input, and
        of no earlier one.

        Raises:
            OSError: A file can't be read, or the note not be written.
        """
        look = self.look(key, inputs)
        if made or not look.same:
            self.add({key: inputs.note()})
        elif look.note:
            self.add({key: look.note})

    def add(self, notes: Mapping[str, str]) -> None:
        """Add notes by key.

        Raises:
            OSError: They can't be written.
        """
        lines = b''.join(_line(key, note) for key, note in notes.items())
        if not lines:
            return
        with self._locked() as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                lines = b'\n' * (file.read(1) != b'\n') + lines
            file.write(lines)
        if self._notes is not None:
            self._notes.update(notes)

    def keep(self, keys: Collection[str]) -> None:
        """Drop the notes of all pieces but these, and sort the others: equal notes, equal bytes.

        Raises:
            OSError: They can't be written; the old ones are untouched.
        """
        if not self.path.exists():
            return
        with self._locked() as file:
            notes = self.read()
            file.seek(0)
            text = b''.join(_line(key, notes[key]) for key in sorted(notes.keys() & keys))
            changed = file.read() != text
        # Windows replaces no open file. A line that another process adds in between is lost, and
        # its piece is compared as one without a note.
        if changed:
            with open_atomic(self.path) as new:
                new.write(text)
        self._notes = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """Open the file to read and append, and hold it against other processes."""
        while True:
            file = open(self.path, 'ab+', buffering=0)
            try:
                lock_file(file)
                if _is(file, self.path):
                    yield file
                    return
            finally:
                file.close()


def _line(key: str, note: str) -> bytes:
    """Return a note as its line; empty where it can't stand in one, so the piece has none."""
    line = f'{key}\t{note}\n'
    return line.encode(errors=_NAMES) if _LINE.fullmatch(line) else b''


def _is(file: IO, path: Path) -> bool:
    """Whether a file that was opened is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


class MadeFiles:
    """A note of files that are made as a whole: what of, and what there is to say of them.

    While they are as they were written, and what they are made of is the same, they need not be
    made again. Sizes and times tell, as those of the input do, so the note is of one copy only.

    Args:
        note: The file of the note.
        facts: Digest of all that decides the files; empty where that is not known.
        files: The files.
    """

    def __init__(self, note: Path, facts: str, files: Sequence[Path]):
        self.path, self.facts, self.files = note, facts, files

    def about(self) -> Any:
        """Return what ``write`` was told of the files; None where they have to be made again."""
        with contextlib.suppress(OSError, ValueError):
            note = load(self.path.read_bytes())
            if self.facts and isinstance(note, dict) and note == self._note(note.get('about')):
                return note['about']
        return None

    def write(self, about: Any) -> None:
        """Note that the files are made; ``about`` is plain data.

        Raises:
            OSError: It can't be written.
        """
        if self.facts:
            atomic_write(self.path, dump(self._note(about)))

    def _note(self, about: Any) -> dict[str, Any]:
        stamps = {path.name: stamp(path) for path in self.files}
        return dict(facts=self.facts, files=stamps, digest=facts_of(dump(about)), about=about)


def some(names: Iterable[str], most: int = 3) -> str:
    """Return a few of many names, sorted, for a message: ``a, b, c, ...``."""
    ordered = sorted(names)
    return ', '.join(ordered[:most]) + ', ...' * (len(ordered) > most)
