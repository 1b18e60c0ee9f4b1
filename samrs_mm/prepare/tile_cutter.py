"""Cut scenes into tiles: one after the other, or several at once."""

import errno
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from tqdm import tqdm

from samrs_mm.core.errors import ImageReadError, LabelReadError, SamrsError, describe
from samrs_mm.core.images import SceneImage, note_lines, write_png
from samrs_mm.core.input_notes import some
from samrs_mm.core.parallel import unordered_map
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.core.wording import counted

IMAGES = 'images'
FORMAT = 1
"""Version of ``tiles.json``; part of the settings."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class SceneTiles:
    """What was made of a scene, given by its index.

    Args:
        tiles: Tiles it has; ``written`` are those written now, ``bare`` those without boxes.
        boxes: Boxes in its labels, also those that can't be read.
        places: Label lines written; a box stands in every tile that it is assigned to.
        untiled: Ids of the boxes that are in no tile.
        malformed: A line for each label that can't be read as a box.
        notes: What was changed in the labels, one line each.
        anew: Whether it had tiles of other files than it has now.
        relabelled: Label files of tiles that were there before, written or deleted now.
        dropped: Tiles deleted because the scene has no such tile any more.
        shown: How the image is shown, one line each; see ``SceneImage.notes``.
        error: Why the scene has not all its tiles, in one line; None if it has.
        full: Whether that was for want of disk space.
    """

    scene: int
    tiles: int = 0
    written: int = 0
    bare: int = 0
    boxes: int = 0
    places: int = 0
    untiled: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    anew: bool = False
    relabelled: int = 0
    dropped: int = 0
    shown: tuple[str, ...] = ()
    error: str | None = None
    full: bool = False


def anew_line(scenes: Iterable[str]) -> str:
    """Return what is printed of scenes that were cut anew; empty if there are none."""
    names = list(scenes)
    return (
        f'{counted(len(names), "scene")} cut anew, their files changed: {some(names)}'
        if names
        else ''
    )


class TileCutter(ABC):
    """Cuts scenes, each by itself; subclasses know the scenes and write the labels of tiles.

    They give ``settings``, ``start`` and ``finish``, the number of tiles of each scene (0 where its
    size can't be read), its image, to name it in messages, and ``_cut``, which writes the tiles of
    scene ``result.scene`` that are missing and counts them in ``result``. Of a scene that can't be
    read ``_left`` gives the files of its tiles, and whether its own files are others by now.
    """

    def __init__(self, spec: TileSpec, out: str | PathLike):
        self.spec, self.out = spec, Path(out)

    @abstractmethod
    def _tile_counts(self) -> list[int]: ...

    @abstractmethod
    def _image_of(self, scene: int) -> str | Path | None: ...

    @abstractmethod
    def _cut(self, result: SceneTiles) -> None: ...

    @abstractmethod
    def _left(self, scene: int, error: Exception) -> tuple[list[Path], bool]: ...

    def cut(self, scene: int) -> SceneTiles:
        """Cut a scene; what goes wrong is in the result."""
        result = SceneTiles(scene)
        try:
            self._cut(result)
        except Exception as error:  # noqa: BLE001 (a scene must not end the run)
            result.error = describe(error)
            if not isinstance(error, SamrsError | OSError):
                result.error = f'{self._image_of(scene)}: {result.error}'
            if isinstance(error, ImageReadError | LabelReadError):
                result.error += self._drop_outdated(scene, error)
            result.full = getattr(error, 'errno', None) in _FULL
        return result

    def _drop_outdated(self, scene: int, error: Exception) -> str:
        """Delete the tiles of a scene whose files changed; return what became of all it had."""
        files, outdated = self._left(scene, error)
        for path in files if outdated else ():
            path.unlink(missing_ok=True)
        count = sum(path.parent.name == IMAGES for path in files)
        what = 'are deleted, its files changed' if outdated else 'stay'
        return f'; its {count} old tiles {what}' if count else ''

    def run(self, workers: int) -> list[SceneTiles]:
        """Cut all scenes in several processes (0: in this one); report failures as they come.

        Raises:
            SamrsError: The disk is full, or a process died.
        """
        counts = self._tile_counts()
        # large scenes first: the run would wait for one that is started last
        order = sorted(range(len(counts)), key=lambda scene: -counts[scene])
        results = []
        with (
            closing(unordered_map(self.cut, order, min(workers, len(order)))) as stream,
            tqdm(total=sum(counts), unit='tile', mininterval=0.5, leave=False) as bar,
        ):
            for result in stream:
                results.append(result)
                for line in result.malformed:
                    bar.write(f'malformed: {line}', file=sys.stderr)
                for line in result.notes:
                    bar.write(f'note: {self._image_of(result.scene)}: {line}', file=sys.stderr)
                if result.error:
                    bar.write(f'failed: {result.error}', file=sys.stderr)
                if result.full:
                    raise SamrsError(
                        f'{self.out}: no space left on the device; free some and run the same '
                        'command to go on'
                    )
                bar.update(counts[result.scene])
        shown = {str(self._image_of(result.scene)): result.shown for result in results}
        for line in note_lines(shown):
            print(f'note: {line}', file=sys.stderr)
        return sorted(results, key=lambda result: result.scene)

    def _write_image(self, path: Path, image: SceneImage, window: Window) -> None:
        """Write a tile, with alpha 0 where the scene has no data."""
        place = window.x, window.y, window.width, window.height
        pixels, valid = image.crop(*place, self.spec.pad), image.valid(*place)
        if valid is not None:
            pixels = np.dstack([pixels, np.where(valid, np.uint8(255), np.uint8(0))])
        write_png(path, pixels)
