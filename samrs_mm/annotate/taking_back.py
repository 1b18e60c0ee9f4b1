"""Corrections made elsewhere, taken into an annotated folder: all of an image, or nothing of it."""

import getpass
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from samrs_mm.annotate.correcting import corrections_of
from samrs_mm.cli import tell_failures
from samrs_mm.core.classes import ClassTable
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.found_files import composed
from samrs_mm.core.input_notes import some
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Action, Corrections, undo_of
from samrs_mm.formats.corrections.applying import enter
from samrs_mm.formats.corrections.decisions import Decision, actions_of, read_decisions
from samrs_mm.formats.corrections.differences import differences_of
from samrs_mm.formats.corrections.found import DECISIONS, OWN, read_edited
from samrs_mm.formats.corrections.merging import merged
from samrs_mm.formats.corrections.shapes import EditedImage, EditError


@dataclass
class Taken:
    """What became of some files.

    Args:
        images: Images that were compared.
        changed: Those that got actions.
        counts: Actions by name, and what ``differences`` counts beside.
        problems: What could not be taken over, a line each.
    """

    images: int = 0
    changed: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Taker:
    """Adds actions to the corrections of a folder, whose records are up to them.

    Args:
        out: The folder.
        classes: Its class names.
        by: Who made the edits.
        trial: Whether nothing is to be written.
    """

    def __init__(self, out: AnnotatedFolder, classes: list[str], by: str, trial: bool = False):
        self.out, self.table, self.by, self.trial = out, ClassTable(classes), by, trial
        self.taken = Taken()
        self._files: dict[str, Path] = {}
        self._done = out.done()
        self._alike = {composed(stem): stem for stem in self._done}

    def take(self, path: Path, kind: str) -> None:
        """Take over a file; what can't be is one of ``taken.problems``."""
        if kind in (OWN, DECISIONS):
            work = self._merge if kind == OWN else self._decide
            self._try(path, partial(work, path))
            return
        for edited in read_edited(path, kind):
            if isinstance(edited, EditError):
                self.taken.problems.append(str(edited))
            else:
                self._try(path, partial(self._compare, edited))

    def _try(self, path: Path, work: Callable[[], None]) -> None:
        try:
            work()
        except SamrsError as error:
            line = str(error)
            self.taken.problems.append(line if line.startswith(str(path)) else f'{path}: {line}')

    def _check(self, stem: str, file: Path) -> str:
        """Return the folder's name of an image, which may write an umlaut in another way."""
        stem = stem if stem in self._done else self._alike.get(composed(stem), stem)
        if stem not in self._done:
            known = f'; images there are called {some(sorted(self._done))}' if self._done else ''
            raise EditError(f'{file}: no image {stem!r} in {self.out.root}{known}')
        if self._files.get(stem) == file:
            raise EditError(f'{file}: two images are called {stem!r}; take one out')
        if stem in self._files:
            raise EditError(
                f'{file}: two files for {stem}, the other is {self._files[stem]}; remove one'
            )
        self._files[stem] = file
        self.taken.images += 1
        return stem

    def _compare(self, edited: EditedImage) -> None:
        edited.stem = self._check(edited.stem, edited.file)
        when = edited.when
        if when is None:
            seconds = int(edited.file.stat().st_mtime)
            when = datetime.fromtimestamp(seconds, timezone.utc).isoformat()
        with self.out.lock():
            record = Record.load_checked(self.out.path(folder.INSTANCES, edited.stem))
            found = differences_of(edited, record, self.table, self.by, when)
            self.taken.counts.update(found.counts)
            self._add(edited.stem, record, found.actions)

    def _merge(self, path: Path) -> None:
        theirs = Corrections.load(path)
        theirs.stem = self._check(theirs.stem, path)
        with self.out.lock():
            record = Record.load_checked(self.out.path(folder.INSTANCES, theirs.stem))
            ours = corrections_of(self.out, theirs.stem) or Corrections.of(
                theirs.stem, record.image
            )
            new = merged(ours, theirs)
            self.taken.counts.update(each.action for each in new)
            self._add(theirs.stem, record, new)

    def _decide(self, path: Path) -> None:
        by, decisions = read_decisions(path)
        for stem, found in sorted(decisions.items()):
            self._try(path, partial(self._decide_image, path, stem, found, by or self.by))

    def _decide_image(self, path: Path, stem: str, found: list[Decision], by: str) -> None:
        stem = self._check(stem, path)
        with self.out.lock():
            record = Record.load_checked(self.out.path(folder.INSTANCES, stem))
            actions = actions_of(found, record, self.table, by)
            self.taken.counts.update(each.action for each in actions)
            self._add(stem, record, actions)

    def _add(self, stem: str, record: Record, actions: list[Action]) -> None:
        if not actions:
            return
        self.taken.changed.append(stem)
        if self.trial:
            return
        corrections = corrections_of(self.out, stem) or Corrections.of(stem, record.image)
        for action in actions:
            corrections.add(action)
        corrections.write(self.out.corrections(stem))

    def undo(self, box_ids: Collection[str]) -> None:
        """Take back the last action that stands on each of these boxes, in all its images."""
        when, found = datetime.now(timezone.utc).isoformat(timespec='seconds'), set[str]()
        for stem in sorted(self.out.corrected() & self._done):
            path = self.out.path(folder.INSTANCES, stem)
            self._try(path, partial(self._undo_last, stem, path, box_ids, when, found))
        self.taken.problems += [
            f'{box_id}: no correction of it stands in {self.out.root}'
            for box_id in sorted(set(box_ids) - found)
        ]

    def _undo_last(
        self, stem: str, path: Path, box_ids: Collection[str], when: str, found: set[str]
    ) -> None:
        with self.out.lock():
            record = Record.load_checked(path)
            last: dict[str, Action] = {}
            corrections = corrections_of(self.out, stem)
            for each in corrections.standing if corrections else ():
                last |= {box_id: each for box_id in box_ids if _is_of(each, box_id, record)}
            back = [undo_of(each, by=self.by, when=when) for each in last.values()]
            found.update(last)
            self.taken.counts.update(each.action for each in back)
            self._add(stem, record, back)

    def undo_stale(self) -> None:
        """Take back the actions that no longer fit their images."""
        when = datetime.now(timezone.utc).isoformat(timespec='seconds')
        for stem in sorted(self.out.corrected() & self._done):
            path = self.out.path(folder.INSTANCES, stem)
            self._try(path, partial(self._undo, stem, path, when))

    def _undo(self, stem: str, path: Path, when: str) -> None:
        with self.out.lock():
            record = Record.load_checked(path)
            misfits = enter(record, corrections_of(self.out, stem), self.table.classes)
            back = [undo_of(each, by=self.by, when=when) for each in misfits]
            self.taken.counts.update(each.action for each in back)
            self._add(stem, record, back)


def _is_of(action: Action, box_id: str, record: Record) -> bool:
    """Whether an action is of a box as the record calls it now; see ``applying.enter``."""
    labelled = [box for box in record.boxes if not box.is_added]
    place = next((box.polygon for box in labelled if box.box_id == box_id), None)
    if place is None:
        return action.box_id == box_id
    alone = sum(box.polygon == place for box in labelled) == 1
    return action.polygon == place and (alone or action.box_id == box_id)


def user() -> str:
    """Return the name of who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return 'unknown'


def tell_taken(taken: Taken) -> None:
    """Print what was found in files, and what of it could not be taken over."""
    tell_failures(taken.problems)
    changed = f', {len(taken.changed)} with corrections: {some(taken.changed)}'
    print(f'images   {counted(taken.images, "image")}' + changed * bool(taken.changed))
    for name, words in WORDS.items():
        if taken.counts[name]:
            print(f'  {name:<9} {taken.counts[name]:<6} {words}')


WORDS = {
    'same': 'as they were: not a byte of their masks changes',
    'accept': 'accepted',
    'reject': 'deleted: rejected',
    'class': 'of another class',
    'mask': 'with another mask',
    'add': 'new',
    'undo': 'taken back',
    'holes': 'holes that polygons can not show stay in changed masks',
}
