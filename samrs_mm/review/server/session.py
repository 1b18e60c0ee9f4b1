"""What people do to the masks of a folder while they review it.

What counts is ``corrections/STEM.json``, which an action is written to at once. Records, label maps
and lists follow when the review ends, or by the next ``sam_annotate.py CONFIG --finalise``.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from samrs_mm.annotate.correcting import corrections_of, enter_corrections
from samrs_mm.core import masks
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.system import follow
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import HAND_STATUSES, REJECTED, BoxEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import (
    ACCEPT,
    CLASS,
    MASK,
    Action,
    Corrections,
    CorrectionsError,
    action_of,
    added,
    undo_of,
)
from samrs_mm.formats.corrections.applying import CORRECTABLE, enter
from samrs_mm.formats.corrections.decisions import Decision, actions_of
from samrs_mm.formats.corrections.shapes import EditError, mask_digest
from samrs_mm.review.report import finished_meta
from samrs_mm.review.server.queue import Queue
from samrs_mm.review.server.scene_views import SceneView, SceneViews

Progress = Callable[[Iterable], Iterator]


class UnknownImageError(SamrsError):
    """There is no image of that name in the folder."""


class Session:
    """A folder under review.

    Args:
        root: The annotated folder, finished.
        data_root: Where its images are; None takes what ``meta.json`` says.
        by: Who reviews it.
        boxes: Of scenes on the map the file of the boxes; None as ``ReopenedFolder`` finds it.

    Attributes:
        queue: Its masks, the most doubtful first.
        changed: Names of the images that got actions.

    Raises:
        RefusedError: Not an annotated folder, not a finished one, or one without its pictures.
    """

    def __init__(
        self, root: str | os.PathLike, data_root: str | os.PathLike | None, by: str,
        boxes: str | None = None,
    ):  # fmt: skip
        self.out, self.by = AnnotatedFolder(root), by
        self.meta = finished_meta(self.out.root)
        folder.refuse_without_pictures(root, self.meta, 'the review')
        self.classes: list[str] = self.meta['classes']
        self.table = ClassTable(self.classes)
        self.data_root = None if data_root is None else str(data_root)
        self.boxes = boxes
        images = Path(self.data_root or follow(self.meta['data_root'], self.out.root))
        held = self.data_root is None and (self.out.root / folder.IMAGES).is_dir()
        if not images.is_dir() and not held:
            raise RefusedError(
                f'data root {images}: no such folder; say with --data-root where it is'
            )
        self.views = SceneViews(self.out, images)
        self.queue = Queue.of_ledger(self.out.root / folder.LEDGER)
        self.stems = {*self.queue.stems} | self.out.done()
        self.changed: set[str] = set()
        self._writing = threading.Lock()
        self._catch_up()

    def _catch_up(self) -> None:
        """Take over what a review that was killed left: files that are newer than the ledger."""
        written = (self.out.root / folder.LEDGER).stat().st_mtime_ns
        for stem in sorted(self.out.corrected() & self.stems):
            path = self.out.corrections(stem)
            if path.stat().st_mtime_ns >= written:
                try:
                    self.queue.catch_up(Corrections.load(path))
                except CorrectionsError:
                    continue  # said when the image is opened
                self.changed.add(stem)

    def record(self, stem: str) -> Record:
        """Return an image's record with all that was decided up to now.

        Raises:
            UnknownImageError: There is no such image.
            SamrsError: Its record or its corrections can't be read.
        """
        if stem not in self.stems:
            raise UnknownImageError(f'no image {stem!r:.80} in {self.out.root}')
        record = Record.load_checked(self.out.path(folder.INSTANCES, stem), len(self.classes))
        enter(record, corrections_of(self.out, stem), self.classes)
        return record

    def view(self, stem: str) -> SceneView:
        """Return an image's picture.

        Raises:
            UnknownImageError: There is no such image.
            SamrsError: Its record or its picture can't be read, or it is another picture now.
        """
        return self.views.open(stem, self.record(stem).image)

    def look(self, stem: str) -> Record:
        """Return an image's record, and bring the queue up to it; raises as ``record``."""
        record = self.record(stem)
        self.queue.update(stem, record)
        return record

    def decide(
        self, stem: str, box_id: str, action: str, seen: str, value: str | None = None,
        seconds: float | None = None,
    ) -> Record:  # fmt: skip
        """Accept or reject a mask, or give it a class; return the image's record.

        Args:
            stem: Name of the image.
            box_id: The box.
            action: ``accept``, ``reject`` or ``class``.
            seen: Digest of the mask that was looked at (``mask_digest``).
            value: Of ``class`` its name.
            seconds: How long the mask was looked at.

        Raises:
            EditError: It can't be decided so: no such box or class, another mask by now, no mask.
            SamrsError: As ``record``.
        """
        decision = Decision(stem, box_id, seen, action, value, now(), seconds)
        try:
            decision.check('the decision')
        except ValueError as error:
            raise EditError(str(error)) from error

        def actions(record: Record, _: Corrections) -> list[Action]:
            box = box_of(record, box_id)
            if action in (ACCEPT, CLASS) and box.segmentation is None:
                raise EditError(f'{box_id} has no mask to {action}; draw one, or reject it')
            return actions_of([decision], record, self.table, self.by)

        return self._act(stem, actions)

    def redraw(
        self, stem: str, box_id: str, seen: str, mask: dict, seconds: float | None = None
    ) -> Record:
        """Give a box another mask; return the image's record.

        Args:
            stem: Name of the image.
            box_id: The box.
            seen: Digest of the mask that was looked at (``mask_digest``).
            mask: COCO RLE of the image's size.
            seconds: How long it took.

        Raises:
            EditError: No such box, its mask is another by now, or the new one has no pixel.
            SamrsError: As ``record``.
        """

        def actions(record: Record, _: Corrections) -> list[Action]:
            box = box_of(record, box_id)
            _check_drawn(record, mask)
            if mask_digest(box) != seen:
                raise EditError(
                    f'two edits of {box_id}: its mask in {stem} is not the one that was looked at; '
                    'look at it and draw again'
                )
            if box.segmentation == mask and box.status != REJECTED:
                return []
            return [action_of(box, MASK, mask, by=self.by, when=now(), seconds=seconds)]

        return self._act(stem, actions)

    def add(
        self, stem: str, category: str, mask: dict, seconds: float | None = None
    ) -> tuple[Record, str]:
        """Add an object; return the image's record and the new box's id.

        Args:
            stem: Name of the image.
            category: Class name.
            mask: COCO RLE of the image's size.
            seconds: How long it took.

        Raises:
            EditError: No such class, or the mask has no pixel.
            SamrsError: As ``record``.
        """
        new: list[Action] = []

        def actions(record: Record, _: Corrections) -> list[Action]:
            _check_drawn(record, mask)
            try:
                name = self.classes[self.table.index(category)]
            except UnknownClassError as error:
                raise EditError(str(error)) from error
            new.append(added(name, mask, by=self.by, when=now(), seconds=seconds))
            return new

        record = self._act(stem, actions)
        return record, new[0].box_id

    def undo(self, stem: str, box_id: str, seconds: float | None = None) -> Record:
        """Take back what was done to a box last; return the image's record.

        Raises:
            EditError: Nothing was.
            SamrsError: As ``record``.
        """

        def actions(_: Record, corrections: Corrections) -> list[Action]:
            standing = [each for each in corrections.standing if each.box_id == box_id]
            if not standing:
                raise EditError(f'{box_id}: nothing was decided, so there is nothing to take back')
            return [undo_of(standing[-1], by=self.by, when=now(), seconds=seconds)]

        return self._act(stem, actions)

    def _act(self, stem: str, actions: Callable[[Record, Corrections], list[Action]]) -> Record:
        """Add actions to an image's corrections, under the folder's lock."""
        with self._writing, self.out.lock():
            record = self.record(stem)
            corrections = corrections_of(self.out, stem) or Corrections.of(stem, record.image)
            if not corrections.is_of(record.image):
                raise EditError(
                    f'{stem}: its corrections were made on another picture; take them back by '
                    'import_corrections.py OUT --undo-stale'
                )
            new = actions(record, corrections)
            for action in new:
                corrections.add(action)
            if new:
                corrections.write(self.out.corrections(stem))
                self.changed.add(stem)
                enter(record, corrections, self.classes)
            self.queue.update(stem, record)
        return record

    def close(self, progress: Callable[[str], Progress]) -> list[str]:
        """Write records, label maps and lists anew, where something was decided.

        Args:
            progress: Returns, for a name, what wraps an iterator to show progress.

        Returns:
            What does not reconcile in the folder now, a line each.

        Raises:
            SamrsError: The data can't be read as they were.
            OSError: Something can't be written.
        """
        from samrs_mm.annotate.reopened import ReopenedFolder  # with torch, for a start in no time

        if not self.changed:
            return []
        opened = ReopenedFolder(self.out, progress('reading labels'), self.data_root, self.boxes)
        policy = opened.settings['overlap_policy']
        enter_corrections(self.out, self.classes, policy, progress=progress('entering corrections'))
        totals = opened.finalise(progress('writing annotations.json'))
        self.changed.clear()
        return list(totals.problems)


def box_of(record: Record, box_id: str) -> BoxEntry:
    """Return a box of a record that can be corrected.

    Raises:
        EditError: There is none, or it is one that has no mask to correct.
    """
    for box in record.boxes:
        if box.box_id == box_id:
            if box.status not in (*CORRECTABLE, *HAND_STATUSES):
                raise EditError(f'{box_id} is {box.status}, which has no mask to correct')
            return box
    raise EditError(f'no box {box_id!r:.80} (any more)')


def _check_drawn(record: Record, mask: dict) -> None:
    """Refuse a mask of another size, or without a pixel."""
    try:
        masks.check_size(mask, [record.image.height, record.image.width])
    except masks.MaskError as error:
        raise EditError(f'the mask: {error}') from error
    if not masks.area(mask):
        raise EditError('the mask has no pixel; reject the box instead')


def now() -> str:
    """Return the time as ISO 8601 with its offset."""
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
