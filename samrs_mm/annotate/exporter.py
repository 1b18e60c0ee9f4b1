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

from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.parallel import ordered_map
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.formats.annotated.folder import INSTANCES, AnnotatedFolder
from samrs_mm.formats.annotated.record import KEPT, Record
from samrs_mm.formats.exports.base import Export
from samrs_mm.formats.labelled_image import LabelledImage

RECORD = 'export.json'
"""Written last; it also marks the unfinished folder of a killed run as ours."""

COPY, LINK, NONE = 'copy', 'link', 'none'
_IMAGES = 'images'
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class ExportCounts:
    """What was written of a list of images, and what was not.

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
        self._folder = ResumableFolder(self.part, RECORD)
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            raise RefusedError(f'--out {out}: exists and is not an empty folder; choose another')
        if self.out.is_symlink():
            raise RefusedError(f'--out {out}: is a link; name the folder itself')
        if self.out.resolve().is_relative_to(root.resolve()):
            raise RefusedError(f'--out {out}: lies in the annotated folder itself; choose another')
        if self.part.exists() and not self._folder.record.exists():
            raise RefusedError(f'{self.part}: not left by an earlier export; remove it yourself')

    def start(self) -> None:
        """Make the unfinished folder, in place of one that a killed run left.

        Raises:
            RefusedError: The place can't be written to.
        """
        with self._folder.writing():
            for path in self.part.iterdir() if self.part.exists() else ():
                if path != self._folder.record:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.part.mkdir(parents=True, exist_ok=True)
            self._folder.record.touch()

    def write(
        self,
        images: Sequence[LabelledImage],
        subset: str,
        make: Callable[[Path], Export],
        workers: int,
        progress: Callable[[Iterable], Iterator] = iter,
    ) -> tuple[Export, ExportCounts]:
        """Export some images.

        Args:
            images: The images, in the order they are to have.
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
        export, result = make(place), ExportCounts()
        convert = _ImageExport(export, self.root, self.images)
        stream = ordered_map(convert, images, min(workers, len(images)))
        with closing(stream), self._explaining_full_disk():
            for converted in progress(stream):
                if isinstance(converted, str):
                    result.failures.append(converted)
                    continue
                result.images += 1
                result.counts.update(converted.counts)
                result.left_out.update(converted.left_out)
                export.collect(converted.result)
            export.finish()
        return export, result

    @contextlib.contextmanager
    def _explaining_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise SamrsError(
                f'{self.out}: {error.strerror}; free some space and run the same command again'
            ) from error

    def finish(self, record: dict[str, Any]) -> None:
        """Write ``export.json`` and give the folder its name."""
        self._folder.save(record)
        os.rename(self.part, self.out)


@dataclass
class _Converted:
    """An image that was written: what ``Export.collect`` wants of it, and counts."""

    result: Any
    counts: Counter
    left_out: Counter


class _ImageExport:
    """Exports single images, in any process."""

    def __init__(self, export: Export, root: Path, images: str):
        self.export, self.out, self.images = export, AnnotatedFolder(root), images

    def __call__(self, image: LabelledImage) -> _Converted | str:
        """Write an image's files; return an error as its message."""
        try:
            return self._convert(image)
        except SamrsError as error:
            return str(error)
        except OSError as error:
            if error.errno in _FULL:
                raise
            return f'{error.filename or image.stem}: {error.strerror}'

    def _convert(self, image: LabelledImage) -> _Converted:
        record = Record.load_checked(self.out.path(INSTANCES, image.stem))
        file = self._file_name(image, record)
        result, counts = self.export.convert(image, record, file)
        # after its labels: an image without any would be taken for one without objects
        self._place(Path(image.image), file)
        left_out = Counter(box.status for box in record.boxes if box.status != KEPT)
        return _Converted(result, counts, left_out)

    def _file_name(self, image: LabelledImage, record: Record) -> str:
        """Return the image's name in the export; where it stays in its place, that of there."""
        if self.images == NONE and image.image.endswith(f'/{record.image.path}'):
            return record.image.path
        return f'{_IMAGES}/{image.stem}{Path(image.image).suffix}'

    def _place(self, source: Path, name: str) -> None:
        target = self.export.out / name
        if self.images == COPY:
            shutil.copyfile(source, target)
        elif self.images == LINK:
            # OUT.part has the same parent as OUT, so the way stays the same when it is renamed
            real = source.resolve(strict=True)
            target.symlink_to(os.path.relpath(real, target.parent.resolve()))
