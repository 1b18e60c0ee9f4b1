"""The folder that predictions go to."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import write_png
from samrs_mm.core.input_notes import Inputs, facts_of
from samrs_mm.core.resumable import ResumableFolder, differences
from samrs_mm.core.side_files import left_by_viewers
from samrs_mm.core.wording import counted
from samrs_mm.drawing.layout import legend

LABELS, PROBABILITIES, OVERLAYS, POLYGONS = KINDS = (
    'labels', 'probabilities', 'overlays', 'polygons',
)  # fmt: skip
META = 'predictions.json'
_SUFFIXES = {
    LABELS: ('.png', '.tif'), PROBABILITIES: ('.tif',), OVERLAYS: ('.jpg',), POLYGONS: ('.gpkg',),
}  # fmt: skip
_LEGEND = f'{OVERLAYS}/legend.png'


def inputs_of(image: Path) -> Inputs:
    """Return what a prediction is made from; its facts say in which folder the image lies."""
    return Inputs(_place(image.parent), [image], place=True)


def _place(folder: str | os.PathLike) -> str:
    return facts_of(os.path.realpath(folder))


class PredictedFolder(ResumableFolder):
    """``labels``, ``probabilities``, ``overlays``, ``polygons`` and ``predictions.json``.

    An image is done when all ``kinds`` that are wanted of it are there. Other files may lie beside.
    """

    if_foreign = 'choose another --out'
    if_other = 'use the same, another --out, or --restart'

    def __init__(self, root: str | os.PathLike, kinds: Sequence[str], stems: Iterable[str]):
        super().__init__(root, META)
        self.kinds, self.stems = tuple(kinds), list(stems)

    def foreign(self) -> list[str]:
        """Return the files that would be overwritten."""
        return [name for stem in self.stems for name in self._all_files(stem)]

    def _files(self, kind: str, stem: str) -> list[str]:
        """Return the files of a kind that are there for an image, relative to the root."""
        names = [f'{kind}/{stem}{suffix}' for suffix in _SUFFIXES[kind]]
        return [name for name in names if (self.root / name).exists()]

    def _all_files(self, stem: str) -> list[str]:
        return [name for kind in KINDS for name in self._files(kind, stem)]

    def open(self, settings: dict[str, Any], classes: Sequence[str]) -> None:
        """Make the folder, or go on with one that was started with the same settings.

        Raises:
            RefusedError: Not writable, or started with other settings.
        """
        self.start(dict(settings=settings, classes=list(classes)), self.kinds)
        if OVERLAYS in self.kinds:
            with self.writing():
                write_png(self.root / _LEGEND, legend(classes))

    def restart(self, settings: dict[str, Any]) -> int:
        """Delete the predictions of the images before a run with these settings; count the files.

        Raises:
            RefusedError: Other images' predictions, of other settings, would be left beside.
        """
        own, record = set(self.foreign()), self.read()
        there = [name for name in self.files() if name.startswith(tuple(f'{k}/' for k in KINDS))]
        own |= {name for name in there if left_by_viewers(name)}
        if record is None or not differences(record['settings'], settings):
            return self.delete(own)
        others = sorted(set(there) - own - {_LEGEND})
        others = [name for name in others if not Path(name).name.startswith('.')]
        if others:
            raise RefusedError(
                f'--restart: {self.root} was started with other settings and holds '
                f'{counted(len(others), "file")} of other images, such as {others[0]}; '
                'give these images too, or another '
                '--out'
            )
        return self.delete(own | {META}) - 1

    def remove_outdated(self, images: Mapping[str, Path]) -> tuple[list[str], int]:
        """Delete what was predicted of images, by stem, that were replaced since.

        An image counts as replaced where a file beside it (mask, ``.aux.xml``, world file) changed.

        Predictions without a note of their image are kept if none is older than the image.

        Returns:
            The stems of what was deleted, and how many have been without a note.
        """
        removed, notes, unnoted = [], {}, 0
        self.notes.read()
        for stem, path in images.items():
            files = self._all_files(stem)
            if not files:
                continue
            inputs = inputs_of(path)
            look = self.notes.look(stem, inputs)
            if not look.noted and path.exists():
                unnoted += 1
                if not inputs.newer_than(self.root / name for name in files):
                    notes[stem] = inputs.note()
                    continue
            if not look.noted or look.changed:
                self.delete(files)
                removed.append(stem)
            elif look.note:
                notes[stem] = look.note
        self.notes.add(notes)
        return removed, unnoted

    def gone(self, folders: Iterable[str | os.PathLike]) -> list[str]:
        """Return the stems of predictions of images that these folders held, and hold no longer."""
        places, given = {_place(folder) for folder in folders}, set(self.stems)
        return sorted(
            stem
            for stem, note in self.notes.read().items()
            if stem not in given and note.partition('\t')[0] in places and self._all_files(stem)
        )

    def prune(self, stems: Iterable[str]) -> int:
        """Delete the predictions of these images; return the number of files."""
        stems = set(stems)
        removed = self.delete(name for stem in stems for name in self._all_files(stem))
        self.notes.keep(self.notes.read().keys() - stems)
        return removed

    def is_done(self, stem: str) -> bool:
        """Whether all that is wanted of an image is there."""
        return all(self._files(kind, stem) for kind in self.kinds)

    def targets(self, stem: str, on_map: bool) -> dict[str, Path]:
        """Return the files to write for an image, by kind; ``on_map`` all of them are GeoTIFFs."""
        suffixes = {kind: ends[-1] for kind, ends in _SUFFIXES.items()}
        if not on_map:
            suffixes[LABELS] = '.png'
        return {kind: self.root / kind / f'{stem}{suffixes[kind]}' for kind in self.kinds}
