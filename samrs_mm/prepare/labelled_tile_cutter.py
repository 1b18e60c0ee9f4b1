"""Cut labelled scenes into tiles: images, and labels of class indices."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from samrs_mm.core import tiling
from samrs_mm.core.atomic import atomic_write, temporary
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import LabelReadError, RefusedError, SamrsError, describe
from samrs_mm.core.images import SceneImage, image_size, write_png
from samrs_mm.core.resumable import differences, dump
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene
from samrs_mm.formats.scenes.tile_index import META
from samrs_mm.prepare.tile_cutter import FULL, SceneTiles

IMAGES, LABELS, SCENES = 'images', 'labels', 'scenes'
FORMAT = 1


class LabelledTileCutter:
    """Cuts scene by scene into ``SPLIT/images/STEM.png`` and ``SPLIT/labels/STEM.png``.

    ``SPLIT/scenes/NAME.json`` is written before a scene's first tile and tells its size and what
    files it comes from (bytes and time): where those have changed, its tiles are cut anew. A tile
    is done when both its files stand.

    Args:
        scenes: What to cut.
        code: Which classes the label pictures' colours are.
        tile: Size and overlap; images are padded with ``tile.pad``, labels with 255.
        out: Folder to write to.
        source: More that decides the labels, such as the kind of label files, as plain data.
    """

    def __init__(
        self,
        scenes: Sequence[LabelledScene],
        code: ColourCode,
        tile: TileSpec,
        out: str | os.PathLike,
        source: str = '',
    ):
        self.scenes, self.code, self.tile, self.out = list(scenes), code, tile, Path(out)
        self.source = source

    @property
    def settings(self) -> dict:
        """What decides the tiles, as plain data."""
        tile = {key: self.tile.as_dict()[key] for key in ('size', 'overlap', 'pad')}
        return dict(format=FORMAT, tile=tile, colours=self.code.as_dict(), source=self.source)

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in the order of the scenes."""
        return list(dict.fromkeys(scene.split for scene in self.scenes))

    def begin(self) -> None:
        """Make the folders, or check that they were begun with these settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        try:
            for split in self.splits:
                self._claim(self.out / split)
        except OSError as error:
            raise RefusedError(
                f'out {self.out}: cannot write there: {error.strerror}; choose another --out'
            ) from error

    def _claim(self, root: Path) -> None:
        meta = root / META
        if meta.exists():
            try:
                old = json.loads(meta.read_bytes())['settings']
            except (ValueError, KeyError, TypeError) as error:
                raise RefusedError(f'{meta}: not a {META} of this tool') from error
            changed = differences(old, self.settings)
            if changed:
                raise RefusedError(
                    f'out {root} was begun with other settings ({"; ".join(changed)}); use the '
                    'same or another --out'
                )
        elif root.is_dir() and any(path != temporary(meta) for path in root.iterdir()):
            raise RefusedError(
                f'out {root} holds files that are not of this tool; choose another --out'
            )
        if not meta.exists():  # written before the folders: without it they would seem foreign
            root.mkdir(parents=True, exist_ok=True)
            data = dict(partial=True, settings=self.settings, counts={}, scenes={})
            atomic_write(meta, dump(data))
        for name in (IMAGES, LABELS, SCENES):
            (root / name).mkdir(exist_ok=True)

    def windows(self, scene: LabelledScene) -> list[Window]:
        """Return the tiles of a scene.

        Raises:
            ImageReadError: Its image's header can't be read.
        """
        return tiling.windows(*image_size(scene.image), self.tile)

    def cut(self, index: int) -> SceneTiles:
        """Cut a scene; what goes wrong is in the result."""
        result = SceneTiles(index)
        try:
            self._cut(result, self.scenes[index])
        except Exception as error:  # noqa: BLE001 (a scene must not end the run)
            result.error = describe(error)
            if not isinstance(error, SamrsError | OSError):
                result.error = f'{self.scenes[index].image}: {result.error}'
            result.full = getattr(error, 'errno', None) in FULL
        return result

    def _cut(self, result: SceneTiles, scene: LabelledScene) -> None:
        size, label_size = image_size(scene.image), image_size(scene.label)
        if size != label_size:
            raise LabelReadError(
                f'{scene.label}: {label_size[0]} x {label_size[1]} px, but its image '
                f'{scene.image} has {size[0]} x {size[1]}; they must be of one size'
            )
        windows = tiling.windows(*size, self.tile)
        self._take_up(scene, size)
        missing = [window for window in windows if not self._done(scene, window)]
        if missing:
            label = self.code.read(scene.label)
            image = SceneImage(scene.image)
            for window in missing:
                x, y, width, height = window.x, window.y, window.width, window.height
                write_png(self._path(scene, LABELS, window), _padded(label, window))
                pixels = image.crop(x, y, width, height, self.tile.pad)
                write_png(self._path(scene, IMAGES, window), pixels)
        result.tiles, result.written = len(windows), len(missing)

    def _done(self, scene: LabelledScene, window: Window) -> bool:
        return all(self._path(scene, kind, window).exists() for kind in (IMAGES, LABELS))

    def _take_up(self, scene: LabelledScene, size: tuple[int, int]) -> None:
        """Note what a scene is cut from; tiles of another state of its files are removed."""
        files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns]
                 for path in (scene.image, scene.label)]  # fmt: skip
        record = dump(dict(scene=scene.name, size=list(size), files=files))
        path = self.out / scene.split / SCENES / f'{scene.name}.json'
        old = path.read_bytes() if path.exists() else None
        if old == record:
            return
        stale = set(tiling.windows(*size, self.tile)) | self._windows_before(old)
        for kind in (IMAGES, LABELS):
            for window in stale:
                self._path(scene, kind, window).unlink(missing_ok=True)
        atomic_write(path, record)

    def _windows_before(self, record: bytes | None) -> set[Window]:
        try:
            return set(tiling.windows(*json.loads(record or b'')['size'], self.tile))
        except (ValueError, KeyError, TypeError):
            return set()

    def _path(self, scene: LabelledScene, kind: str, window: Window) -> Path:
        return self.out / scene.split / kind / f'{tiling.tile_stem(scene.name, window)}.png'

    def finish(self, results: Iterable[SceneTiles]) -> dict[str, list[str]]:
        """Compare the files with what there should be, and write ``tiles.json`` of each split.

        Returns:
            What is wrong, one line each, by split.

        Raises:
            OSError: It can't be written.
        """
        failed = {result.scene for result in results if result.error}
        problems = {}
        for split in self.splits:
            done = [scene for i, scene in enumerate(self.scenes)
                    if scene.split == split and i not in failed]  # fmt: skip
            problems[split] = self._finish_split(
                self.out / split,
                {scene.name: image_size(scene.image) for scene in done},
                any(self.scenes[i].split == split for i in failed),
            )
        return problems

    def _finish_split(
        self, root: Path, sizes: dict[str, tuple[int, int]], failed: bool
    ) -> list[str]:
        expected = {
            f'{tiling.tile_stem(name, window)}.png'
            for name, size in sizes.items()
            for window in tiling.windows(*size, self.tile)
        }
        problems = []
        for kind in (IMAGES, LABELS):
            found = {name for name in os.listdir(root / kind) if not name.startswith('.')}
            foreign = set() if failed else found - expected
            for names, text in (
                (expected - found, 'missing'),
                (foreign, 'not of these scenes; remove them'),
            ):
                if names:
                    example = min(names)
                    problems.append(f'{root / kind}: {len(names)} files are {text}: {example}, ...')
        data = dict(
            partial=bool(failed or problems),
            settings=self.settings,
            counts=dict(scenes=len(sizes), tiles=len(expected)),
            scenes={name: list(size) for name, size in sorted(sizes.items())},
        )
        atomic_write(root / META, dump(data))
        return problems


def _padded(label: np.ndarray, window: Window) -> np.ndarray:
    part = label[window.y : window.y + window.height, window.x : window.x + window.width]
    below, right = window.height - part.shape[0], window.width - part.shape[1]
    return np.pad(part, ((0, below), (0, right)), constant_values=UNLABELLED)
