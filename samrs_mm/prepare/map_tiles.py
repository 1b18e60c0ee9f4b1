"""Cut labelled scenes into tiles: images, and label maps of class indices."""

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import tiling
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import LabelReadError, SamrsError
from samrs_mm.core.images import SceneImage, image_size, write_png
from samrs_mm.core.input_notes import GONE, InputNotes, Inputs, some
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.core.wording import counted
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene
from samrs_mm.formats.scenes.tile_index import META
from samrs_mm.prepare.tile_cutter import FORMAT, IMAGES, SceneTiles, TileCutter

LABELS, SCENES = 'labels', 'scenes'


class MapTileCutter(TileCutter):
    """Cuts scenes into ``SPLIT/images/STEM.png`` and ``SPLIT/labels/STEM.png``.

    ``SPLIT/scenes/NAME.json`` is written before a scene's first tile and holds its size and what
    files it comes from; ``SPLIT/inputs.tsv`` has their times and hashes: where those have changed,
    its tiles are cut anew. A tile is done when both its files stand. Images are padded with
    ``spec.pad``, labels with 255, which also stands where the image has no data.
    ``source`` is what else decides the labels, such as the kind of label files.
    """

    def __init__(
        self,
        scenes: Sequence[LabelledScene],
        code: ColourCode,
        spec: TileSpec,
        out: str | os.PathLike,
        source: str = '',
    ):
        super().__init__(spec, out)
        self.scenes, self.code, self.source = list(scenes), code, source
        self.notes: dict[str, InputNotes] = {}

    @property
    def settings(self) -> dict:
        """What decides the tiles, as plain data."""
        tile = {key: self.spec.as_dict()[key] for key in ('size', 'overlap', 'pad')}
        return dict(format=FORMAT, tile=tile, colours=self.code.as_dict(), source=self.source)

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in the order of the scenes."""
        return list(dict.fromkeys(scene.split for scene in self.scenes))

    def start(self) -> None:
        """Make a folder for each split, or check that they were started with these settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        record = dict(partial=True, settings=self.settings, counts={}, scenes={})
        for split in self.splits:
            folder = ResumableFolder(self.out / split, META)
            folder.start(record, (IMAGES, LABELS, SCENES))
            self.notes[split] = folder.notes
            folder.notes.read()

    def _tile_counts(self) -> list[int]:
        counts = [0] * len(self.scenes)
        for index, scene in enumerate(self.scenes):
            with contextlib.suppress(SamrsError):  # met again, and reported, when the scene is cut
                counts[index] = len(tiling.windows(*image_size(scene.image), self.spec))
        return counts

    def _image_of(self, scene: int) -> Path:
        return self.scenes[scene].image

    def _cut(self, result: SceneTiles) -> None:
        scene = self.scenes[result.scene]
        size, label_size = image_size(scene.image), image_size(scene.label)
        if size != label_size:
            raise LabelReadError(
                f'{scene.label}: {label_size[0]} x {label_size[1]} px, but its image '
                f'{scene.image} has {size[0]} x {size[1]}; they must be of one size'
            )
        windows = tiling.windows(*size, self.spec)
        inputs = Inputs('', [scene.image, scene.label])
        result.anew = self._take_up(scene, size, inputs)
        missing = [window for window in windows if not self._done(scene, window)]
        self.notes[scene.split].confirm(scene.name, inputs, made=bool(missing))
        if missing:
            label, image = self.code.read(scene.label), SceneImage(scene.image)
            result.shown = image.notes
            for window in missing:
                part = _padded(label, window)
                valid = image.valid(window.x, window.y, window.width, window.height)
                if valid is not None:
                    part[~valid] = UNLABELLED
                write_png(self._path(scene, LABELS, window), part)
                self._write_image(self._path(scene, IMAGES, window), image, window)
            self.notes[scene.split].add({scene.name: inputs.note()})
        result.tiles, result.written = len(windows), len(missing)

    def _done(self, scene: LabelledScene, window: Window) -> bool:
        return all(self._path(scene, kind, window).exists() for kind in (IMAGES, LABELS))

    def _take_up(self, scene: LabelledScene, size: tuple[int, int], inputs: Inputs) -> bool:
        """Write down what a scene is cut from, and remove tiles of another state of its files.

        Returns:
            Whether there were any.
        """
        path = self._record(scene)
        names = [Path(each).name for each in inputs.paths]
        record = dump(dict(scene=scene.name, size=list(size), files=names))
        old = self._recorded(scene)
        there = self._there(scene, [size, old.get('size')])
        stands = self._stands(scene, inputs, old, there)
        if not stands:
            for place in there:
                place.unlink()
        if not path.exists() or path.read_bytes() != record:
            atomic_write(path, record)
        return bool(there) and not stands

    def _left(self, scene: int, error: Exception) -> tuple[list[Path], bool]:
        place = self.scenes[scene]
        old, inputs = self._recorded(place), Inputs('', [place.image, place.label])
        there = self._there(place, [old.get('size')])
        return there, GONE not in inputs.stamps and not self._stands(place, inputs, old, there)

    def _record(self, scene: LabelledScene) -> Path:
        return self.out / scene.split / SCENES / f'{scene.name}.json'

    def _recorded(self, scene: LabelledScene) -> dict[str, Any]:
        """Return what an earlier call wrote down of a scene; {} if nothing."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return dict(json.loads(self._record(scene).read_bytes()))
        return {}

    def _there(self, scene: LabelledScene, sizes: Iterable[Any]) -> list[Path]:
        """Return the files that are there of a scene of any of these sizes (width, height)."""
        windows: set[Window] = set()
        for size in sizes:
            with contextlib.suppress(ValueError, TypeError):
                width, height = size
                windows |= set(tiling.windows(width, height, self.spec))
        places = [self._path(scene, kind, each) for kind in (IMAGES, LABELS) for each in windows]
        return [place for place in places if place.exists()]

    def _stands(
        self, scene: LabelledScene, inputs: Inputs, old: dict[str, Any], there: list[Path]
    ) -> bool:
        """Whether tiles are of a scene's files; older versions noted these files' times."""
        noted = [each for each in old.get('files', ()) if isinstance(each, list)]
        if not noted:
            return bool(old) and self.notes[scene.split].stands(scene.name, inputs, there)
        now = zip(inputs.paths, inputs.stamps, strict=True)
        return noted == [[Path(path).name, *map(int, each.split(':'))] for path, each in now]

    def _path(self, scene: LabelledScene, kind: str, window: Window) -> Path:
        return self.out / scene.split / kind / f'{tiling.tile_stem(scene.name, window)}.png'

    def finish(self, results: Iterable[SceneTiles]) -> dict[str, list[str]]:
        """Compare the files with what there should be, and write ``tiles.json`` of each split.

        Returns:
            What is wrong, one line each, by split.
        """
        failed = {result.scene for result in results if result.error}
        return {split: self._finish_split(split, failed) for split in self.splits}

    def _finish_split(self, split: str, failed: set[int]) -> list[str]:
        root = self.out / split
        scenes = {i: scene for i, scene in enumerate(self.scenes) if scene.split == split}
        sizes = {s.name: image_size(s.image) for i, s in scenes.items() if i not in failed}
        complete = failed.isdisjoint(scenes)
        expected = {
            f'{tiling.tile_stem(name, window)}.png'
            for name, size in sizes.items()
            for window in tiling.windows(*size, self.spec)
        }
        problems = []
        for kind in (IMAGES, LABELS):
            found = {name for name in os.listdir(root / kind) if not name.startswith('.')}
            wrong = {'missing': expected - found}
            if complete:
                wrong['not of these scenes; remove them'] = found - expected
            problems += [
                f'{root / kind}: {counted(len(names), "file is", "files are")} {what}: '
                f'{some(names, 1)}'
                for what, names in wrong.items()
                if names
            ]
        record = dict(
            partial=bool(problems) or not complete,
            settings=self.settings,
            counts=dict(scenes=len(sizes), tiles=len(expected)),
            scenes={name: list(size) for name, size in sorted(sizes.items())},
        )
        self.notes[split].keep({scene.name for scene in scenes.values()})
        ResumableFolder(root, META).save(record)
        return problems


def _padded(label: np.ndarray, window: Window) -> np.ndarray:
    """Return a window ``(height, width)`` of a label map, 255 beyond its border."""
    part = label[window.y : window.y + window.height, window.x : window.x + window.width]
    below, right = window.height - part.shape[0], window.width - part.shape[1]
    return np.pad(part, ((0, below), (0, right)), constant_values=UNLABELLED)
