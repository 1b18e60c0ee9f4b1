"""Write an annotated folder in another format: in parallel, and whole or not at all."""

import contextlib
import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.parallel import ordered_map
from samrs_mm.core.resumable import dump
from samrs_mm.datasets.segmentation.image_index import Entry
from samrs_mm.formats.annotated import folder, records
from samrs_mm.formats.exports.base import Export, ExportImage

RECORD = 'export.json'
"""Written last; it also marks the unfinished folder of a killed run as ours."""

COPY, LINK, NONE = 'copy', 'link', 'none'
_IMAGES = 'images'
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Exported:
    """What became of one list of images.

    Args:
        images: Images written.
        counts: Counts of the format.
        left_out: Boxes that aren't kept, by status.
        failures: What could not be read or written, one line each.
    """

    images: int = 0
    counts: Counter = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Exporter:
    """Writes into ``OUT.part`` and renames it at the end.

    Args:
        root: The annotated folder.
        out: What is to be made; must not exist, or be an empty folder.
        images: ``'copy'``, ``'link'`` (relative symbolic links) or ``'none'``.

    Raises:
        RefusedError: There is something at ``out``, or something foreign at ``OUT.part``, or
            ``out`` lies in ``root``.
    """

    def __init__(self, root: Path, out: Path, images: str):
        self.root, self.out, self.images = root, Path(os.path.abspath(out)), images
        self.part = self.out.with_name(f'{self.out.name}.part')
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            raise RefusedError(f'--out {out}: exists and is not an empty folder; choose another')
        if self.out.is_symlink():
            raise RefusedError(f'--out {out}: is a link; name the folder itself')
        if self.out.resolve().is_relative_to(root.resolve()):
            raise RefusedError(f'--out {out}: lies in the annotated folder itself; choose another')
        if self.part.exists() and not (self.part / RECORD).exists():
            raise RefusedError(f'{self.part}: not left by an earlier export; remove it yourself')

    def begin(self) -> None:
        """Make the unfinished folder, in place of one that a killed run left.

        Raises:
            RefusedError: The place can't be written to.
        """
        try:
            if self.part.exists():
                for path in self.part.iterdir():
                    if path.name != RECORD:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.part.mkdir(parents=True, exist_ok=True)
            (self.part / RECORD).touch()
        except OSError as error:
            raise RefusedError(
                f'--out {self.out}: cannot write there: {error.strerror}; choose another'
            ) from error

    def write(
        self,
        entries: Sequence[Entry],
        subset: str,
        make: Callable[[Path], Export],
        workers: int,
        progress: Callable[[Iterable], Iterator] = iter,
    ) -> tuple[Export, Exported]:
        """Export some images.

        Args:
            entries: The images, in the order they are to have.
            subset: Sub-folder they go to; empty for the folder itself.
            make: Makes the export, given its folder.
            workers: Processes; 0 works in this one.
            progress: Wraps the iterator over images.

        Raises:
            SamrsError: The disk is full.
        """
        place = self.part / subset
        place.mkdir(exist_ok=True)
        if self.images != NONE:
            (place / _IMAGES).mkdir()
        export, result = make(place), Exported()
        one = _One(export, self.root, self.images)
        stream = ordered_map(one, entries, min(workers, len(entries)))
        with closing(stream), _told_if_full(self.out):
            for done in progress(stream):
                if done.error:
                    result.failures.append(done.error)
                    continue
                result.images += 1
                result.counts.update(done.counts)
                result.left_out.update(done.left_out)
                export.collect(done.image, done.converted)
            export.finish()
        return export, result

    def finish(self, record: dict[str, Any]) -> None:
        """Write ``export.json`` and give the folder its name."""
        atomic_write(self.part / RECORD, dump(record))
        os.rename(self.part, self.out)


@contextlib.contextmanager
def _told_if_full(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise SamrsError(
            f'{out}: {error.strerror}; free some space, and the same command begins anew'
        ) from error


@dataclass
class _Done:
    error: str = ''
    image: ExportImage | None = None
    converted: Any = None
    counts: Counter = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)


class _One:
    """What is done for one image, in any process."""

    def __init__(self, export: Export, root: Path, images: str):
        self.export, self.root, self.images = export, root, images

    def __call__(self, entry: Entry) -> _Done:
        try:
            return self._convert(entry)
        except SamrsError as error:
            return _Done(str(error))
        except OSError as error:
            if error.errno in _FULL:
                raise
            return _Done(f'{error.filename or entry.stem}: {error.strerror}')

    def _convert(self, entry: Entry) -> _Done:
        path = folder.AnnotatedFolder(self.root).path(folder.INSTANCES, entry.stem)
        record = records.load_masks(path)
        kept = [box for box in record['boxes'] if box['status'] == records.KEPT]
        image = ExportImage(
            stem=entry.stem,
            file=self._name(entry, record),
            width=record['image']['width'],
            height=record['image']['height'],
            semantic=Path(entry.label),
            boxes=kept,
        )
        converted, counts = self.export.convert(image)
        # after its labels: an image without any would be taken for one without objects
        self._place(Path(entry.image), image.file)
        left_out = Counter(box['status'] for box in record['boxes'])
        del left_out[records.KEPT]
        # what the main process needs is names and sizes, not the masks once more
        bare = ExportImage(image.stem, image.file, image.width, image.height, image.semantic, [])
        return _Done(image=bare, converted=converted, counts=counts, left_out=left_out)

    def _name(self, entry: Entry, record: dict) -> str:
        """Return the image's name in the export; where it stays in its place, that of there."""
        path = record['image']['path']
        if self.images == NONE and entry.image.endswith(f'/{path}'):
            return path
        return f'{_IMAGES}/{entry.stem}{Path(entry.image).suffix}'

    def _place(self, source: Path, name: str) -> None:
        target = self.export.out / name
        if self.images == COPY:
            shutil.copyfile(source, target)
        elif self.images == LINK:
            # OUT.part has the same parent as OUT, so the way stays the same when it is renamed
            real = source.resolve(strict=True)
            target.symlink_to(os.path.relpath(real, target.parent.resolve()))
