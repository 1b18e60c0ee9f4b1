"""Cut the scenes of a detection dataset into tiles, written in DOTA's format."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from samrs_mm.annotate.plan import Plan
from samrs_mm.core import tiling
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.boxes import MALFORMED, BoxLabel, ParsedLabels, geometry, note_lines
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.found_files import files_by_stem, read_stems
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage, image_size
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.own_outputs import own_pictures
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.core.tiling import Window
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.formats.scenes.tile_index import META
from samrs_mm.prepare.tile_cutter import FORMAT, IMAGES, SceneTiles, TileCutter

LABELS = 'labelTxt'
_TILE_FILE = re.compile(r'(?:.*/)?\.?(?P<stem>[^/]+)\.(?:png|txt)(?:\.tmp)?')


def label_text(labels: list[BoxLabel], polygons: np.ndarray) -> str:
    """Return a DOTA label file of boxes with corners ``(N, 4, 2)`` in tile pixels.

    Blanks in class names become ``-``, since columns end there; of the labels' flags ``difficult``
    is kept.
    """
    lines = []
    for label, polygon in zip(labels, polygons, strict=True):
        numbers = ' '.join(repr(round(value, 4) + 0.0) for value in polygon.ravel().tolist())
        category = '-'.join(label.category.split()) or '-'
        lines.append(f'{numbers} {category} {label.flags.get("difficult", 0)}\n')
    return ''.join(lines)


class ImageFolder:
    """Images without labels, as scenes to cut.

    Folders inside are not looked into. ``listed`` is a file of the stems to take; None takes all.

    Raises:
        RefusedError: No such folder, no images in it, two images of one name, or a list that can't
            be read, is empty or names an image that isn't there.
    """

    def __init__(self, root: str, listed: str | os.PathLike | None = None):
        self.root = Path(root)
        if what := own_pictures(self.root):
            raise RefusedError(f'images {root}: holds {what}, no images of scenes')
        names = files_by_stem(self.root, IMAGE_SUFFIXES)
        if not names:
            kinds = ', '.join(IMAGE_SUFFIXES)
            raise RefusedError(f'images {root}: no such folder, or no images in it ({kinds})')
        if listed is not None:
            stems = read_stems(Path(listed), names, f'image in {self.root}')
            names = {stem: names[stem] for stem in stems}
        for stem, files in names.items():
            if len(files) > 1:
                raise RefusedError(
                    f'images {root}: two images would both be called {stem!r}: '
                    f'{" and ".join(files)}; rename one of them'
                )
        self.files = [self.root / names[stem][0] for stem in sorted(names)]
        self.scenes = [Scene(stem, names[stem][0], None) for stem in sorted(names)]

    def image_path(self, index: int) -> Path:
        """Return the file of an image."""
        return self.files[index]

    def labels(self, index: int) -> ParsedLabels:
        """Return no boxes."""
        return ParsedLabels()


class _TilesFolder(ResumableFolder):
    """``images/``, ``labelTxt/`` and ``tiles.json``, of the scenes of these names.

    Scenes that it has notes of may be gone from the data, but not all of them.
    """

    owner = 'this tool and dataset'

    def __init__(self, root: Path, scenes: Iterable[str]):
        super().__init__(root, META)
        self._scenes = set(scenes)

    def foreign(self) -> list[str]:
        """Return the files that are no tiles of these scenes; without a record, all files."""
        others = super().foreign()
        if not self.record.exists():
            return others
        noted = self.notes.read().keys()
        known = self._scenes | noted if self._scenes & noted else self._scenes
        files = {name: _TILE_FILE.fullmatch(name) for name in others}
        return [name for name, file in files.items()
                if not file or tiling.scene_of_tile(file['stem']) not in known]  # fmt: skip


class BoxTileCutter(TileCutter):
    """Cuts scenes into ``images/STEM.png`` and ``labelTxt/STEM.txt``.

    A tile's image is written after its labels, so that a tile whose image stands is done. A scene
    without a label file has none for its tiles either. ``dry`` counts and writes nothing. ``gone``
    are tiles of scenes that the data don't have any more, by scene; known from ``start`` on.
    """

    def __init__(self, plan: Plan, out: str | os.PathLike, dry: bool = False):
        assert plan.spec is not None, 'whole scenes are no tiles'
        super().__init__(plan.spec, out)
        self.plan, self.dry = plan, dry
        self.scenes = plan.dataset.scenes
        self._there: dict[str, set[str]] = {}
        self.gone: dict[str, set[str]] = {}
        self.folder = _TilesFolder(self.out, (scene.stem for scene in self.scenes))

    @property
    def settings(self) -> dict:
        """What decides the tiles, as plain data."""
        return dict(format=FORMAT, tile=self.spec.as_dict())

    def start(self) -> None:
        """Make the folder, or check that it was started with these scenes and settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        self.folder.refuse_foreign()
        labelled = any(scene.label for scene in self.scenes)
        record = dict(partial=True, settings=self.settings)
        self.folder.start(record, (IMAGES, LABELS) if labelled else (IMAGES,))
        self.folder.notes.read()
        for kind, suffix in ((IMAGES, '.png'), (LABELS, '.txt')):
            for stem in files_by_stem(self.out / kind, (suffix,)):
                self._there.setdefault(tiling.scene_of_tile(stem) or stem, set()).add(stem)
        own = {scene.stem for scene in self.scenes}
        self.gone = {name: self._there[name] for name in sorted(self._there.keys() - own)}

    def prune(self) -> int:
        """Delete the tiles of scenes that are gone; return their number."""
        stems = set().union(*self.gone.values())
        for stem in stems:
            for kind in (IMAGES, LABELS):
                self._path(kind, stem).unlink(missing_ok=True)
        self.gone = {}
        return len(stems)

    def _tile_counts(self) -> list[int]:
        return [len(self.plan.by_scene.get(scene, ())) for scene in range(len(self.scenes))]

    def _image_of(self, scene: int) -> str | None:
        return self.scenes[scene].image

    def _cut(self, result: SceneTiles) -> None:
        scene = self.scenes[result.scene]
        parsed = self.plan.dataset.labels(result.scene)
        result.boxes = len(parsed.boxes) + len(parsed.problems)
        result.malformed = [
            f'{place.box_id}: {place.message}'
            for place in parsed.problems
            if place.status == MALFORMED
        ]
        result.notes = [*parsed.notes, *note_lines(parsed.boxes)]
        boxes = [box for box in parsed.boxes if not box.meaning]
        regions = [box.box_id for box in parsed.boxes if box.meaning]
        result.notes += [
            f'{place}: a crowd or to be ignored, no object: left out, DOTA has no place for it'
            for place in regions
        ]
        if scene.image is None:
            raise ImageReadError(f'{scene.label}: no image for its {counted(result.boxes, "box")}')
        if parsed.misfit:
            raise LabelReadError(f'{scene.image}: {parsed.misfit}')
        path = self.plan.dataset.root / scene.image
        windows, inputs = self._windows(result.scene, path), Inputs('', [path])
        if not self.dry:
            self._remove_outdated(scene, inputs, windows, result)
        polygons = geometry(boxes).polygons
        assigned = self.plan.assign(self.plan.by_scene[result.scene], boxes, polygons)
        missing = {stem for stem in windows if not self._path(IMAGES, stem).exists()}
        if not self.dry:
            self.folder.notes.confirm(scene.stem, inputs, made=bool(missing))
        image = SceneImage(path) if missing and not self.dry else None
        result.shown = image.notes if image else ()
        for (stem, window), chosen in zip(windows.items(), assigned, strict=True):
            if scene.label and not self.dry:
                offset = np.array([window.x, window.y])
                text = label_text([boxes[i] for i in chosen], polygons[chosen] - offset)
                result.relabelled += self._write_labels(stem, text) and stem not in missing
            if stem in missing and image:
                self._write_image(self._path(IMAGES, stem), image, window)
            result.tiles += 1
            result.written += stem in missing
            result.bare += not len(chosen)
            result.places += len(chosen)
        tiled = set().union(*(chosen.tolist() for chosen in assigned))
        if missing and not self.dry:
            self.folder.notes.add({scene.stem: inputs.note()})
        result.untiled = [box.box_id for i, box in enumerate(boxes) if i not in tiled] + regions

    def _write_labels(self, stem: str, text: str) -> bool:
        """Write the labels of a tile; return whether they were others before."""
        path, data = self._path(LABELS, stem), text.encode()
        same = path.exists() and path.read_bytes() == data
        if not same:
            atomic_write(path, data)
        return not same

    def _remove_outdated(
        self, scene: Scene, inputs: Inputs, windows: Collection[str], result: SceneTiles
    ) -> None:
        """Delete what is there of a scene and is not of its image or has no window any more."""
        stems = self._there.get(scene.stem, set())
        images = self._images(stems)
        result.anew = bool(images) and not self.folder.notes.stands(scene.stem, inputs, images)
        for stem in stems:
            if result.anew or stem not in windows:
                self._path(IMAGES, stem).unlink(missing_ok=True)
            label = self._path(LABELS, stem)
            if (stem not in windows or scene.label is None) and label.exists():
                label.unlink()
                result.relabelled += stem in windows and not result.anew
        result.dropped = 0 if result.anew else len(stems.difference(windows))

    def _images(self, stems: Iterable[str]) -> list[Path]:
        return [path for stem in stems if (path := self._path(IMAGES, stem)).exists()]

    def _left(self, scene: int, error: Exception) -> tuple[list[Path], bool]:
        image, name = self.scenes[scene].image, self.scenes[scene].stem
        images = self._images(self._there.get(name, ()))
        files = [path for each in images for path in (each, self._path(LABELS, each.stem))]
        if not images or image is None or not (path := self.plan.dataset.root / image).exists():
            return files, False
        stands = self.folder.notes.stands(name, Inputs('', [path]), images)
        return files, not stands or isinstance(error, LabelReadError)

    def _windows(self, scene: int, path: Path) -> dict[str, Window]:
        """Return the windows of a scene by the stems of their tiles."""
        tiles = self.plan.by_scene[scene]
        windows = {tile.stem: tile.window for tile in tiles if tile.window}
        if len(windows) < len(tiles):
            image_size(path)
            raise ImageReadError(f'{path}: could not be read when the tool started; run it again')
        return windows

    def _path(self, kind: str, stem: str) -> Path:
        return self.out / kind / (stem + ('.png' if kind == IMAGES else '.txt'))

    def finish(self, results: list[SceneTiles]) -> None:
        """Write ``tiles.json``: the settings, counts, and the boxes that are in no tile."""
        self.folder.notes.keep({scene.stem for scene in self.scenes} | self.gone.keys())
        names = ('tiles', 'bare', 'boxes', 'places')
        counts = {name: sum(getattr(result, name) for result in results) for name in names}
        record = dict(
            partial=any(result.error for result in results),
            settings=self.settings,
            counts=dict(scenes=len(results)) | counts,
            untiled=[box_id for result in results for box_id in result.untiled],
        )
        self.folder.save(record)
