"""Which finished images are no longer what the data give: compared, and made ready to be redone.

The notes of a folder tell quickly that an image, its boxes and its name are those that its record
was made from. Where they don't, or there are none, the record itself is compared with what labels
and image give now, so that a file that was only touched is not done again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from samrs_mm.annotate.correcting import correct
from samrs_mm.annotate.driver import SampleStream
from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.annotate.writer import Sample
from samrs_mm.core import masks
from samrs_mm.core.boxes import OK
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.images import write_png
from samrs_mm.core.input_notes import Inputs, Look, some
from samrs_mm.core.prompts import NO_DATA
from samrs_mm.core.tiling import scene_of_tile
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import EMPTY, FILTERED, KEPT, REGIONS
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.corrections.applying import restore

MASK_KEYS = ('status', 'reason', 'score', 'stability', 'bbox', 'area', 'visible_area',
             'segmentation', *masks.MEASURES)  # fmt: skip
"""Of a box in a record: what depends on its mask."""

_NAMES = {
    'category': 'names', 'category_id': 'names', 'flags': 'flags', 'box_id': 'places in the file',
    'notes': 'notes',
}  # fmt: skip
"""Of a box in a record: what can change without its mask, and what it is in messages."""

IMAGE, BOXES = 'the image was replaced', 'boxes changed'
BESIDE = 'a file beside the image (its mask, or .aux.xml) changed'
FACTS = 'boxes, or their names or flags, changed'
FILES, WINDOW = 'files of its true masks changed', 'the scene has no such tile any more'
UNREADABLE = 'its image or label file can no longer be read'


@dataclass
class Changes:
    """What became of the finished images of a plan, by stem.

    Args:
        redo: Those to be done anew, and why.
        rename: Those whose boxes only have other names or flags, so that masks stay, and why.
        stale: Tiles that their scene has no longer.
        gone: What the data has no scene of any more.
        notes: Notes of those that were found to be the same in another way than by their note.
        unnoted: How many of these had no note.
    """

    redo: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    unnoted: int = 0

    def of(self, groups: Sequence[Sequence[Tile]]) -> 'Changes':
        """Return what concerns tiles in groups, see ``Plan.shard``; all that is stale or gone."""
        stems = {tile.stem for group in groups for tile in group}
        redo, rename = (
            {stem: why for stem, why in found.items() if stem in stems}
            for found in (self.redo, self.rename)
        )
        return replace(self, redo=redo, rename=rename)

    @property
    def outdated(self) -> dict[str, str]:
        """Finished images of the plan that are no longer what the data give, and why."""
        return self.redo | self.rename

    def lines(self, redo: str = 'done anew', rename: str = 'renamed') -> Iterator[str]:
        """Yield a line for each kind of change, with counts and a few names."""
        kinds = ((redo, '', self.redo), (rename, ', masks stay', self.rename))
        for done, more, found in kinds:
            for why, count in sorted(Counter(found.values()).items()):
                stems = [stem for stem, reason in found.items() if reason == why]
                yield f'{done}: {counted(count, "image")}, {why}{more}: {some(stems)}'
        if self.stale:
            yield f'{redo}: {counted(len(self.stale), "tile")}, {WINDOW}: {some(self.stale)}'


class Comparison:
    """Compares the finished images of a folder with the data.

    Args:
        plan: The plan; its dataset has collected its classes.
        stream: Makes the records' boxes again.
        out: The folder.
        progress: Wraps the iterator over scenes.
    """

    def __init__(
        self,
        plan: Plan,
        stream: SampleStream,
        out: AnnotatedFolder,
        progress: Callable[[Iterable], Iterator] = iter,
    ):
        self.plan, self.stream, self.out, self.progress = plan, stream, out, progress
        self.dataset = plan.dataset

    def run(self, own: Sequence[Sequence[Tile]] | None = None) -> Changes:
        """Compare all finished images; those without a note only in the groups of ``own``.

        A shard thus hashes no image of the others; None compares all.
        """
        changes = Changes()
        done, self.old = self.out.done(), self.out.signatures()
        self.out.notes.read()
        hashed = None if own is None else {group[0].scene for group in own if group}
        for scene, tiles in self.progress(self.plan.by_scene.items()):
            finished = [tile for tile in tiles if tile.stem in done]
            if finished:
                self._scene(scene, finished, hashed is None or scene in hashed, changes)
        self._others(done | self.out.failed() | self.out.leftovers(), changes)
        return changes

    def _others(self, stems: set[str], changes: Changes) -> None:
        """Sort out what the plan doesn't have: old tiles of its scenes, and other images."""
        by_stem = {
            scene.stem: self.plan.by_scene[index]
            for index, scene in enumerate(self.dataset.scenes)
            if index in self.plan.by_scene
        }
        for stem in sorted(stems - {tile.stem for tile in self.plan.tiles}):
            tiles = by_stem.get(scene_of_tile(stem) or stem)
            if tiles is None or self.plan.spec is None:
                changes.gone.append(stem)
            elif all(tile.window for tile in tiles):
                changes.stale.append(stem)  # else the scene can't be read now, and that is said

    def _scene(self, scene: int, tiles: list[Tile], hashed: bool, changes: Changes) -> None:
        inputs, outlines = self.stream.inputs(scene), None
        for tile in tiles:
            look = self.out.notes.look(tile.stem, inputs)
            if look.same and not self.old:
                if look.note:
                    changes.notes[tile.stem] = look.note
                continue
            if not look.noted and not hashed:
                continue
            try:
                if outlines is None:
                    outlines = {s.tile.stem: s for s in self.stream.outlines(tiles)}
                self._compare(outlines[tile.stem], look, inputs, changes)
            except RecordError:
                continue  # the set-level files name it
            except (SamrsError, OSError):
                changes.redo[tile.stem] = UNREADABLE

    def _compare(self, fresh: Sample, look: Look, inputs: Inputs, changes: Changes) -> None:
        """Compare the record of a tile with a new one that has no masks yet."""
        stem = fresh.tile.stem
        record = self.stream.prompter.record_type.load(self.out.path(folder.INSTANCES, stem))
        if type(record) is Record:  # people correct no ablation
            restore(record)
        if not self.stream.prompter.from_labels:
            fresh.record.boxes = record.boxes
        size = fresh.record.image.width, fresh.record.image.height
        image = record.image
        if image.sha256 != inputs.sha256() or (image.width, image.height) != size:
            changes.redo[stem] = IMAGE
        elif len(inputs.paths) in look.changed:
            changes.redo[stem] = BESIDE
        elif any(position > 0 for position in look.changed):
            changes.redo[stem] = FILES
        elif look.noted and not look.same_facts and not self.stream.prompter.holds_boxes:
            changes.redo[stem] = FACTS
        else:
            found = differing(record.boxes, fresh.record.boxes)
            about = _about(record) != _about(fresh.record) or record.signature in self.old
            words = [word for key, word in _NAMES.items() if found and key in found] or ['names']
            if found is None:
                changes.redo[stem] = BOXES
            elif found or about:
                changes.rename[stem] = f'{" and ".join(dict.fromkeys(words))} of boxes changed'
        if stem not in changes.redo:
            changes.notes[stem] = inputs.note()
            changes.unnoted += not look.noted


def make_ready(
    changes: Changes, out: AnnotatedFolder, stream: SampleStream, signature: str, policy: str
) -> None:
    """Delete what is to be done anew, and give records the names that their boxes have now.

    A record goes first and comes last, so a killed call is repeated by the next.

    Raises:
        OSError: A file can't be written or deleted.
    """
    if changes.redo or changes.rename or changes.stale:
        out.reopen()
    for stem in (*changes.stale, *changes.redo):
        out.remove(stem)
    by_scene: dict[int, list[Tile]] = {}
    for tiles in stream.groups:
        by_scene[tiles[0].scene] = [tile for tile in tiles if tile.stem in changes.rename]
    for tiles in filter(None, by_scene.values()):
        for sample in stream.outlines(tiles):
            path = out.path(folder.INSTANCES, sample.tile.stem)
            record = Record.load_checked(path)
            restore(record)
            if not stream.prompter.from_labels:
                sample.record.boxes = record.boxes
            take_names(record, sample.record, signature)
            correct(record, out, sample.tile.stem, stream.dataset.classes)
            write_png(out.path(folder.SEMANTIC, sample.tile.stem), record.paint(policy))
            record.write(path)
    out.notes.add(changes.notes)


def differing(boxes: Sequence[Any], fresh: Sequence[Any]) -> set[str] | None:
    """Return what of the boxes of a record differs from new ones, as keys of ``_NAMES``.

    None where more than these differs, so that masks have to be made again.
    """
    if len(boxes) != len(fresh):
        return None
    keys: set[str] = set()
    for box, new in zip(boxes, fresh, strict=True):
        allowed = (KEPT, EMPTY, FILTERED) if new.status == OK else (new.status,)
        without_data = new.status == OK and box.reason == NO_DATA  # of the same pixels
        if box.status not in allowed and not without_data:
            return None
        old, now = box.as_dict(), new.as_dict()
        now.pop('results', None)
        of_masks = () if new.status in REGIONS else MASK_KEYS
        keys |= {key for key in now if key not in of_masks and old.get(key) != now[key]}
    return keys if keys <= _NAMES.keys() else None


def _about(record: Any) -> tuple:
    image = record.image
    return image.path, image.scene, image.split, image.offset


def take_names(record: Any, fresh: Any, signature: str) -> None:
    """Give a record the names and classes of a new one of the same boxes; its masks stay."""
    for box, new in zip(record.boxes, fresh.boxes, strict=True):
        for key in _NAMES:
            setattr(box, key, getattr(new, key))
    for key in ('path', 'scene', 'split', 'offset'):
        setattr(record.image, key, getattr(fresh.image, key))
    record.signature = signature
