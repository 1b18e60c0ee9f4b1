"""The annotated folder on disk: names, atomic writes, and what is ours in it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import atomic_write, temporary
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import records

IMAGES, SEMANTIC, INSTANCES, FAILED = 'images', 'semantic', 'instances', 'failed'
SHOW, REPORT, PACKED = 'show', 'report', 'packed'
_SUFFIX = {IMAGES: '.png', SEMANTIC: '.png', INSTANCES: '.json', FAILED: '.json', SHOW: '.jpg'}
ANNOTATIONS, LEDGER, META = 'annotations.json', 'ledger.csv', 'meta.json'
INDEX = 'images.csv'
LISTS = ('train.txt', 'val.txt', 'splits.json')
"""What ``make_splits.py`` writes beside them."""
SUBSETS = 'train_*pct.txt'
"""The same, with ``--fraction``."""
REFILTERING = 'refiltering'
"""Key of ``meta.json`` while ``--refilter`` is at work: the signature it is going to."""


class AnnotatedFolder:
    """Paths of an annotated dataset.

    Args:
        root: The output folder.
    """

    kinds = (SEMANTIC, INSTANCES, FAILED)
    """Sub-folders that are made at once."""

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)

    def path(self, kind: str, stem: str) -> Path:
        """Return the file of an image: kind is images, semantic, instances, failed or show."""
        return self.root / kind / (stem + _SUFFIX[kind])

    @property
    def meta(self) -> Path:
        """``meta.json``."""
        return self.root / META

    def done(self) -> set[str]:
        """Return the stems that have a record."""
        return self._stems(INSTANCES)

    def failed(self) -> set[str]:
        """Return the stems whose last try failed."""
        return self._stems(FAILED)

    def _stems(self, kind: str) -> set[str]:
        suffix = _SUFFIX[kind]
        try:
            names = os.listdir(self.root / kind)
        except FileNotFoundError:
            return set()
        return {
            name.removesuffix(suffix)
            for name in names
            if name.endswith(suffix) and not name.startswith('.')
        }

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's set-level files against other shards on this file system."""
        handle = os.open(self.root, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def open(self, settings: dict[str, Any]) -> None:
        """Make the folder, or check that it was begun with the same settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        try:
            for kind in self.kinds:
                (self.root / kind).mkdir(parents=True, exist_ok=True)
            with self.lock():
                self._claim(settings)
        except OSError as error:
            raise RefusedError(
                f'out {self.root}: cannot write there: {error.strerror}; choose another --out'
            ) from error

    def _claim(self, settings: dict[str, Any]) -> None:
        if self.meta.exists():
            try:
                meta = json.loads(self.meta.read_bytes())
                old = meta['settings']
            except (ValueError, KeyError, TypeError) as error:
                raise RefusedError(f'{self.meta}: not a meta.json of this tool') from error
            self.refuse_half_filtered(meta)
            changed = records.differences(old, settings)
            if changed:
                raise RefusedError(
                    f'out {self.root} was begun with other settings ({"; ".join(changed)}); use '
                    'the same, another --out, or --restart to begin anew'
                )
            return
        foreign = self.foreign(set())
        if foreign:
            raise RefusedError(
                f'out {self.root} holds files that are not of this tool, such as {foreign[0]}; '
                'choose an empty folder'
            )
        data = dict(partial=True, settings=settings, signature=records.signature(settings))
        atomic_write(self.meta, records.dump(data))

    def refuse_half_filtered(self, meta: dict[str, Any]) -> None:
        """Refuse to work on a folder in which ``--refilter`` was interrupted.

        Raises:
            RefusedError: It was.
        """
        if REFILTERING in meta:
            raise RefusedError(
                f'out {self.root}: a --refilter was interrupted there; finish it with the same '
                'filters, or --restart to begin anew'
            )

    def foreign(self, stems: set[str]) -> list[str]:
        """Return the files, relative to the root, that none of our tools would write there."""
        others = self._files() - self._ours(stems) - set(LISTS)
        return sorted(name for name in others if not fnmatch(name, SUBSETS))

    def _files(self) -> set[str]:
        """Return all files relative to the root, but for those of the report and of the store."""
        found = set()
        for folder, _, names in os.walk(self.root):
            relative = Path(folder).relative_to(self.root)
            if relative.parts[:1] not in ((REPORT,), (PACKED,)):
                found |= {str(relative / name) for name in names}
        return found

    def _ours(self, stems: set[str]) -> set[str]:
        """Return what annotating these images may leave behind, relative to the root."""
        ours = {ANNOTATIONS, LEDGER, INDEX, META}
        ours |= {f'{kind}/{stem}{suffix}' for kind, suffix in _SUFFIX.items() for stem in stems}
        return ours | {str(temporary(Path(name))) for name in ours}

    def restart(self, stems: set[str]) -> int:
        """Delete what earlier annotation runs made; return the number of files.

        Lists, the packed store and the report stay: other tools made them.

        Args:
            stems: Names of all images of the dataset.

        Raises:
            RefusedError: The folder holds files that are not named in our own records.
        """
        recorded = stems | self._recorded()
        foreign, ours = self.foreign(recorded), self._files() & self._ours(recorded)
        if (foreign or ours) and not self.meta.exists():
            raise RefusedError(f'--restart: {self.root} has no meta.json, so it is not ours')
        if foreign:
            raise RefusedError(
                f'--restart: {self.root} holds {len(foreign)} files that are not of this tool, '
                f'such as {foreign[0]}; remove them or choose another --out'
            )
        # meta.json goes last: while it stands, a killed --restart can be repeated
        for name in sorted(ours, key=lambda name: name == META):
            (self.root / name).unlink()
        return len(ours)

    def _recorded(self) -> set[str]:
        stems = set()
        for kind in (INSTANCES, FAILED):
            for stem in self._stems(kind):
                with contextlib.suppress(records.RecordError):
                    records.load(self.path(kind, stem))
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
