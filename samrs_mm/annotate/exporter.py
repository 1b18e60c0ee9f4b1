"""Write an annotated folder in another format: in parallel, and whole or not at all."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.orientation import orientation_of
from samrs_mm.core.parallel import ordered_map
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.core.system import relative_path
from samrs_mm.formats.annotated.folder import INSTANCES, AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import Export
from samrs_mm.formats.labelled_image import LabelledImage

RECORD = 'export.json'
"""Written last; it also marks the unfinished folder of a killed run as ours."""

COPY, LINK, NONE = 'copy', 'link', 'none'
_IMAGES = 'images'
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class ExportCounts:
    """What was written of a list of images, and what was not."""

    images: int = 0
    counts: Counter = field(default_factory=Counter)
    """See ``Export``."""
    left_out: Counter = field(default_factory=Counter)
    """Boxes that the format doesn't hold, by status."""
    turned: dict[str, int] = field(default_factory=dict)
    """EXIF orientations by stem: labels are in stored pixels, readers may turn the picture."""
    failures: list[str] = field(default_factory=list)
    """What could not be read or written, one line each."""


class Exporter:
    """Writes an annotated folder into ``OUT.part`` and renames it at the end.

    Links to images are relative and symbolic.

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
            RefusedError: The place can't be written to, or holds no links where some are wanted.
        """
        with self._folder.writing():
            for path in self.part.iterdir() if self.part.exists() else ():
                if path != self._folder.record:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.part.mkdir(parents=True, exist_ok=True)
            self._folder.record.touch()
        if self.images == LINK:
            self._try_link()

    def _try_link(self) -> None:
        """Raise RefusedError where no link can be made: Windows wants a right for it."""
        probe = self.part / '.link'
        try:
            probe.symlink_to(RECORD)
            probe.unlink()
        except OSError as error:
            shutil.rmtree(self.part)
            raise RefusedError(
                f'--images {LINK}: no symbolic link can be made in {self.out.parent}: '
                f'{error.strerror}; give --images {COPY}'
            ) from error

    def write(
        self,
        images: Sequence[LabelledImage],
        subset: str,
        make: Callable[[Path], Export],
        workers: int,
        progress: Callable[[Iterable], Iterator] = iter,
    ) -> tuple[Export, ExportCounts]:
        """Export some images, in their order, to a sub-folder; '' is the folder itself.

        Raises:
            SamrsError: The disk is full.
        """
        place = self.part / subset
        place.mkdir(exist_ok=True)
        if self.images != NONE:
            (place / _IMAGES).mkdir()
        export, result = make(place), ExportCounts()
        convert = partial(
            _convert, export=export, root=AnnotatedFolder(self.root), images=self.images
        )
        try:
            with closing(ordered_map(convert, images, min(workers, len(images)))) as stream:
                for image, converted in zip(images, progress(stream), strict=True):
                    if isinstance(converted, str):
                        result.failures.append(converted)
                        continue
                    collected, counts, left_out, orientation = converted
                    if orientation != 1:
                        result.turned[image.stem] = orientation
                    result.images += 1
                    result.counts.update(counts)
                    result.left_out.update(left_out)
                    export.collect(collected)
                result.counts.update(export.finish())
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise SamrsError(
                f'{self.out}: {error.strerror}; free some space and run the same command again'
            ) from error
        return export, result

    def finish(self, record: dict[str, Any]) -> None:
        """Write ``export.json`` and give the folder its name."""
        self._folder.save(record)
        if self.out.exists():  # empty; Windows renames over nothing
            self.out.rmdir()
        os.rename(self.part, self.out)


def _convert(
    image: LabelledImage, export: Export, root: AnnotatedFolder, images: str
) -> tuple[Any, Counter, Counter, int] | str:
    """Write an image's files, in any process.

    Returns:
        What ``Export.collect`` wants of it, the format's counts, the boxes that it doesn't hold, by
        status, and the EXIF orientation of its file; or an error as its message.
    """
    try:
        record = Record.load_checked(root.path(INSTANCES, image.stem), len(export.classes))
        source = Path(image.image)
        whole = source != root.path(_IMAGES, image.stem)
        if images == NONE and whole:
            file = record.image.path  # it stays in its place
        else:
            file = f'{_IMAGES}/{image.stem}{source.suffix}'
        if whole and root.is_replaced(image.stem, source, record.image.sha256):
            raise SamrsError(
                f'{source}: was replaced since it was annotated; run sam_annotate.py again'
            )
        result, counts = export.convert(image, record, file)
        # after its labels: an image without any would be taken for one without objects
        target = export.out / file
        if export.own_images:
            pass
        elif images == COPY:
            shutil.copyfile(image.image, target)
        elif images == LINK:
            # OUT.part has the same parent as OUT, so the way stays the same when it is renamed
            real = Path(image.image).resolve(strict=True)
            target.symlink_to(Path(relative_path(real, target.parent)))
    except SamrsError as error:
        return str(error)
    except OSError as error:
        if error.errno in _FULL:
            raise
        return f'{error.filename or image.stem}: {error.strerror}'
    left_out = Counter(box.status for box in record.boxes if box.status not in export.holds)
    orientation = 1 if export.own_images else orientation_of(source)
    return result, counts, left_out, orientation
