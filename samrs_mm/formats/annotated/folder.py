"""The annotated folder on disk: names, and what is ours in it."""

import contextlib
import csv
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any

from samrs_mm.core import input_notes
from samrs_mm.core.atomic import temporary
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import files_by_stem
from samrs_mm.core.resumable import ResumableFolder, signature_of
from samrs_mm.core.side_files import ABOUT, OF_SQLITE
from samrs_mm.core.system import follow, relative_path
from samrs_mm.core.tiling import scene_of_tile
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated.record import Record, RecordError

IMAGES, SEMANTIC, INSTANCES, FAILED = 'images', 'semantic', 'instances', 'failed'
SHOW, REPORT, PACKED = 'show', 'report', 'packed'
SCENES = 'scenes'
"""What is known of whole scenes, see ``annotate.scene_sheets``."""
CORRECTIONS = 'corrections'
"""What people decided, a file an image: a second source of labels, which --restart keeps."""
LABELS, GEOPACKAGE, MASKS_STYLE = 'labels', 'masks.gpkg', 'masks.qml'
"""Of data on the map: label maps of whole scenes, and polygons with their style."""
LABEL_SUFFIXES = '.tif', '.qml'
"""Of a scene's label map, and of its style."""
_SUFFIX = {IMAGES: '.png', SEMANTIC: '.png', INSTANCES: '.json', FAILED: '.json', SHOW: '.jpg'}
_SHEET = '.json'
ANNOTATIONS, LEDGER, META = 'annotations.json', 'ledger.csv', 'meta.json'
INDEX, MADE, OBJECTS = 'images.csv', 'lists.json', 'objects.json'
LISTS = ('train.txt', 'val.txt', 'splits.json', 'train_*pct.txt', 'checked.csv')
OTHER_TOOLS = (*LISTS, f'{REPORT}/*', f'{PACKED}/*', f'{CORRECTIONS}/*')
"""What other tools write there: reports, the packed store, lists of images and what was checked."""
REFILTERING = 'refiltering'
"""Key of ``meta.json`` while ``--refilter`` is at work: the signature that it leads to."""


RELABELLING = 'relabelling'
"""Key of ``meta.json`` while records take over other classes: the signatures they had before."""
DATA_ROOT = 'data_root'
CONFIG = 'config'
"""Key of ``meta.json``: the way to the data."""
ONLY = 'data_file'
"""Key of ``meta.json``: the one image of the data that was taken; absent: all."""
FIT = 'label_fit'
"""Key of ``meta.json``: what was asked of labels that don't fit, by flag; absent: nothing."""
_COMPARED = 50


RECORDS_HASH = 'records_sha256'
"""Key of ``meta.json``: the hash of all records, by which others know whether they changed."""


class AnnotatedFolder(ResumableFolder):
    """Paths of an annotated dataset."""

    kinds: tuple[str, ...] = (SEMANTIC, INSTANCES, FAILED)
    """Sub-folders that are made at once."""
    record_type: type[Record] = Record
    """What ``instances`` and ``failed`` hold."""

    if_other = 'use the same, another --out, or --restart to start over'

    def __init__(self, root: str | os.PathLike):
        super().__init__(root, META)

    def path(self, kind: str, stem: str) -> Path:
        """Return the file of an image: kind is images, semantic, instances, failed or show.

        Of a scene it is scenes.
        """
        return self.root / kind / (stem + (_SHEET if kind == SCENES else _SUFFIX[kind]))

    def corrections(self, stem: str) -> Path:
        """Return the file with what people decided about an image."""
        return self.root / CORRECTIONS / f'{stem}.json'

    def corrected(self) -> set[str]:
        """Return the stems that have such a file."""
        return set(files_by_stem(self.root / CORRECTIONS, ('.json',)))

    @property
    def meta(self) -> Path:
        """``meta.json``."""
        return self.record

    def done(self) -> set[str]:
        """Return the stems that have a record."""
        return self._stems(INSTANCES)

    def listed(self) -> set[str]:
        """Return the stems that have a record and stand in ``images.csv``, if there is one.

        What the data has no longer, or what is outdated, stands in no list.

        Raises:
            RefusedError: ``images.csv`` is damaged.
        """
        path = self.root / INDEX
        try:
            with open(path, newline='', encoding='utf-8') as file:
                return self.done() & {row['stem'] for row in csv.DictReader(file)}
        except FileNotFoundError:
            return self.done()
        except (KeyError, ValueError, csv.Error) as error:
            raise RefusedError(
                f'{path}: not an index of this tool ({error}); write it with sam_annotate.py '
                '--finalise'
            ) from error

    def is_replaced(self, stem: str, path: Path, sha256: str | None) -> bool:
        """Whether a file is no longer the image that a record was made from, by its hash.

        Raises:
            OSError: It can't be read.
        """
        return sha256 is not None and self.notes.sha256(stem, path) != sha256

    def failed(self) -> set[str]:
        """Return the stems whose last attempt failed."""
        return self._stems(FAILED)

    def finished(self, stems: set[str]) -> bool:
        """Return whether all these images are done or have failed."""
        return stems <= self.done() | self.failed()

    def _stems(self, kind: str) -> set[str]:
        return set(files_by_stem(self.root / kind, (_SUFFIX[kind],)))

    def open(self, settings: dict[str, Any], relabel: bool = False) -> None:
        """Make the folder, or check that it was started with the same settings.

        With ``relabel`` their classes may be others: until the set-level files are written again,
        ``meta.json`` says under ``RELABELLING`` which signatures records have that are to follow.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        meta = dict(partial=True, settings=settings, signature=signature_of(settings))
        if relabel and self.root.is_dir():
            with self.writing(), self.lock():
                self._take_classes(meta)
        self.start(meta, self.kinds)

    def _take_classes(self, meta: dict[str, Any]) -> None:
        """Note other settings in ``meta.json`` if they are the old ones but for the classes."""
        old = self.read()
        if old is None or old['settings'] == meta['settings']:
            return
        if _but_classes(old['settings']) == _but_classes(meta['settings']):
            self.refuse_half_filtered(old)
            before = {*old.get(RELABELLING, ()), signature_of(old['settings'])}
            kept = {key: old[key] for key in (DATA_ROOT, ONLY, FIT) if key in old}
            self.save(meta | kept | {RELABELLING: sorted(before)})

    def signatures(self) -> set[str]:
        """Return the signatures of records that have yet to take over the folder's classes.

        Classes that changed back were those of some records already.
        """
        meta = self.read() or {}
        return set(meta.get(RELABELLING, ())) - {meta.get('signature')}

    def check(self, record: dict[str, Any]) -> bool:
        """Return whether the folder was started, by a run with the settings of this record.

        Raises:
            RefusedError: It holds files of someone else, was started with other settings or by
                another version, or its filters are half changed.
        """
        old = self.read() or {}
        self.refuse_half_filtered(old)
        settings, now = old.get('settings'), record['settings'].get('format')
        made = settings.get('format', now) if isinstance(settings, dict) else now
        if made != now:
            raise RefusedError(
                f'out {self.root} is of another version of this tool (format {made}, this one '
                f'writes {now}); it is read, exported and trained on as it is; to annotate choose '
                'another --out, or --restart to start over'
            )
        return super().check(record)

    def refuse_half_filtered(self, meta: dict[str, Any]) -> None:
        """Raise RefusedError for a folder in which ``--refilter`` was interrupted."""
        if REFILTERING in meta:
            raise RefusedError(
                f'out {self.root}: a --refilter was interrupted there; finish it with the same '
                'filters, or --restart to start over'
            )

    def reopen(self) -> None:
        """Say in ``meta.json`` that images are to be done, as in a folder that was just started.

        Until the set-level files are written again, none of our tools reads it as finished.
        """
        meta = self.read()
        if meta is not None:
            kept = 'settings', 'signature', RELABELLING, REFILTERING, DATA_ROOT, ONLY, FIT, CONFIG
            self.save(dict(partial=True) | {key: meta[key] for key in kept if key in meta})

    def remove(self, stem: str) -> int:
        """Delete what was made of an image, its record first; return the number of files."""
        removed = 0
        for kind in (INSTANCES, FAILED, SEMANTIC, IMAGES, SHOW):
            path = self.path(kind, stem)
            for each in (path, temporary(path)):
                with contextlib.suppress(FileNotFoundError):
                    each.unlink()
                    removed += 1
        return removed

    def remove_scene(self, stem: str) -> int:
        """Delete what was made of a whole scene beside its images; return the number of files."""
        removed = 0
        for name in _files_of_scene(stem):
            with contextlib.suppress(FileNotFoundError):
                (self.root / name).unlink()
                removed += 1
        return removed

    def leftovers(self) -> set[str]:
        """Return the stems of images of ours, by their notes, that have files but no record."""
        there = self._stems(SEMANTIC) | self._stems(IMAGES)
        return (there & self.notes.read().keys()) - self.done()

    def refuse_other_data(self, root: Path) -> None:
        """Raise RefusedError for a folder that holds masks of another data root.

        A root that is gone was moved, and one whose images have the same names and sizes in bytes
        (the first ones are looked at) is a copy.
        """
        way = (self.read() or {}).get(DATA_ROOT)
        if not isinstance(way, str):
            return
        before = follow(way, self.root)
        if before.is_dir() and before.resolve() != root.resolve() and not self._same(before, root):
            raise RefusedError(
                f'out {self.root} holds the masks of {before}, which is not {root}; give --out '
                'DIR, one for each dataset'
            )

    def refuse_other_fit(self, given: dict[str, str]) -> None:
        """Raise RefusedError where masks were asked for that these flags would throw away.

        What was only checked, and so has no masks, may be asked for later.
        """
        before = (self.read() or {}).get(FIT) or {}
        lost = {flag: word for flag, word in before.items() if given.get(flag) != word}
        if lost:
            flags = ' '.join(f'{flag} {word}' for flag, word in lost.items())
            raise RefusedError(
                f'out {self.root} was made with {flags}; give it again, or --restart to start over '
                'without the masks of labels that do not fit'
            )

    def note_data(self, root: Path, fit: dict[str, str], only: str | None = None) -> None:
        """Write into ``meta.json`` what the folder is of; after ``open``.

        ``root`` are the data, ``only`` the one image of them that is taken, ``fit`` what was asked
        of labels that don't fit.
        """
        told = {DATA_ROOT: relative_path(root, self.root), **({FIT: fit} if fit else {})}
        told |= {ONLY: only} if only else {}
        with self.writing(), self.lock():
            meta = self.read()
            if meta is None:
                return
            new = {key: value for key, value in meta.items() if key != ONLY} | told
            if new != meta:
                self.save(new)

    def _same(self, before: Path, root: Path) -> bool:
        """Whether the images of the first records are of the same size in both roots."""
        for stem in islice(sorted(self.done()), _COMPARED):
            try:
                name = Record.load(self.path(INSTANCES, stem)).image.path
                if (before / name).stat().st_size != (root / name).stat().st_size:
                    return False
            except (OSError, RecordError):
                return False
        return True

    def foreign(self, stems: Iterable[str] = ()) -> list[str]:
        """Return the files, relative to the root, that no tool would write for these images."""
        files = self.files()
        others = files - self._ours(stems, files)
        return sorted(n for n in others if not any(fnmatch(n, ours) for ours in OTHER_TOOLS))

    def _ours(self, stems: Iterable[str], files: Iterable[str]) -> set[str]:
        """Return what annotating these images may leave behind, relative to the root.

        Of ``files`` those count, too, that GDAL writes beside a file that isn't whole yet.
        """
        ours = {ANNOTATIONS, LEDGER, INDEX, OBJECTS, MADE, META, input_notes.NAME}
        ours |= {f'{kind}/{stem}{suffix}' for kind, suffix in _SUFFIX.items() for stem in stems}
        scenes = {scene_of_tile(stem) or stem for stem in stems}
        ours |= {GEOPACKAGE, MASKS_STYLE, *(GEOPACKAGE + suffix for suffix in OF_SQLITE)}
        ours |= {name for scene in scenes for name in _files_of_scene(scene)}
        parts = {temporary(Path(name)).as_posix() for name in ours}
        return ours | parts | {n for n in files if ''.join(n.partition('.tmp')[:2]) in parts}

    def restart(self, stems: set[str]) -> int:
        """Delete what earlier runs made of these images; return the number of files.

        What other tools made, such as lists and the report, stays.

        Raises:
            RefusedError: The folder holds files that are not named in our own records.
        """
        recorded = stems | self._recorded()
        files = self.files()
        foreign, ours = self.foreign(recorded), files & self._ours(recorded, files)
        if (foreign or ours) and not self.meta.exists():
            raise RefusedError(f'--restart: {self.root} has no {META}, so it is not ours')
        if foreign:
            raise RefusedError(
                f'--restart: {self.root} holds '
                f'{counted(len(foreign), "file that is", "files that are")} not of this tool, '
                f'such as {foreign[0]}; remove them or choose another --out'
            )
        return self.delete(ours)

    def _recorded(self) -> set[str]:
        stems = set()
        for kind in (INSTANCES, FAILED):
            for stem in self._stems(kind):
                with contextlib.suppress(RecordError):
                    self.record_type.load(self.path(kind, stem))
                    stems.add(stem)
        return stems

    def clean(self) -> None:
        """Remove what is left of killed writes and of failures that were mended later."""
        done = self.done()
        for stem in self.failed() & done:
            self.path(FAILED, stem).unlink(missing_ok=True)
        for kind, suffix in _SUFFIX.items():
            folder = self.root / kind
            for name in os.listdir(folder) if folder.is_dir() else ():
                stem = name.removeprefix('.').removesuffix(f'{suffix}.tmp')
                if name == f'.{stem}{suffix}.tmp' and stem in done:
                    (folder / name).unlink(missing_ok=True)


def has_pictures(settings: dict[str, Any]) -> bool:
    """Whether a folder has pictures of its own: of tiles, or of scenes that a config shows."""
    return settings.get('tile') is not None or settings.get('image') is not None


def refuse_without_pictures(
    root: str | os.PathLike, meta: dict[str, Any], what: str, instead: str = ''
) -> None:
    """Raise RefusedError where a folder has no pictures of its tiles.

    ``what`` needs them, ``instead`` is what else a user can do.
    """
    if not ((meta.get('settings') or {}).get('tile') or {}).get('images', True):
        raise RefusedError(
            f'{root}: has no pictures of its tiles (tile.images=False), and {what} needs them; '
            f'annotate into another --out with tile.images=True{instead}'
        )


def scene_key(stem: str) -> str:
    """Return the key under which the input of a scene's sheet is noted."""
    return f'{SCENES}/{stem}'


def _files_of_scene(stem: str) -> list[str]:
    labels = [f'{LABELS}/{stem}{suffix}' for suffix in (*LABEL_SUFFIXES, f'.tif{ABOUT}')]
    return [f'{SCENES}/{stem}{_SHEET}', *labels]


def _but_classes(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without the class names, which records hold by name."""
    dataset = settings.get('dataset')
    known = {key: dataset[key] for key in dataset if key != 'classes'} if dataset else dataset
    return settings | dict(dataset=known)
