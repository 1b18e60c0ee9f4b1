"""Cut the scenes of a dataset into tiles, written in DOTA's format."""

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samrs_mm.annotate.plan import Plan, Unit
from samrs_mm.core import tiling
from samrs_mm.core.atomic import atomic_write, temporary
from samrs_mm.core.errors import ImageReadError, RefusedError, SamrsError, describe
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage, image_size, write_png
from samrs_mm.core.parallel import as_done
from samrs_mm.core.resumable import differences, dump
from samrs_mm.datasets.boxes.base import Scene, list_stems
from samrs_mm.datasets.boxes.geometry import geometry
from samrs_mm.formats.boxes.labels import BoxLabel, ParsedLabels
from samrs_mm.formats.scenes.tile_index import META

IMAGES, LABELS = 'images', 'labelTxt'
FORMAT = 1
_TILE_FILE = re.compile(r'\.?(.+)__\d+__\d+___\d+\.(png|txt)(\.tmp)?')
FULL = (errno.ENOSPC, errno.EDQUOT)


def label_text(labels: list[BoxLabel], polygons: np.ndarray) -> str:
    """Return a DOTA label file.

    Args:
        labels: N boxes, for their class names; blanks become ``-``, since columns end there.
        polygons: Their corners ``(N, 4, 2)`` in tile pixels; may reach beyond the tile.
    """
    lines = []
    for label, polygon in zip(labels, polygons, strict=True):
        numbers = ' '.join(repr(round(value, 4) + 0.0) for value in polygon.ravel().tolist())
        category = '-'.join(label.category.split()) or '-'
        lines.append(f'{numbers} {category} 0\n')
    return ''.join(lines)


class ImageFolder:
    """Images without labels, as scenes to cut.

    Args:
        root: The folder; folders inside it are not looked into.
        listed: File of stems, one a line, such as ``train.txt``: only these images are cut. None
            takes all.

    Raises:
        RefusedError: No such folder, no images in it, two images of one name, or a list that can't
            be read, is empty or names an image that isn't there.
    """

    def __init__(self, root: str, listed: str | os.PathLike | None = None):
        self.root = Path(root)
        names = list_stems(self.root, IMAGE_SUFFIXES)
        if not names:
            kinds = ', '.join(IMAGE_SUFFIXES)
            raise RefusedError(f'images {root}: no such folder, or no images in it ({kinds})')
        if listed is not None:
            names = self._only(names, listed)
        for stem, files in names.items():
            if len(files) > 1:
                raise RefusedError(
                    f'images {root}: two images would both be called {stem!r}: '
                    f'{" and ".join(files)}; rename one of them'
                )
        self.scenes = [Scene(stem, files[0], None) for stem, files in sorted(names.items())]

    def _only(self, names: dict[str, list[str]], listed: str | os.PathLike) -> dict[str, list[str]]:
        try:
            stems = set(Path(listed).read_text(encoding='utf-8').split('\n'))
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise RefusedError(f'list {listed}: cannot read it: {reason}') from error
        stems = {stem.strip() for stem in stems} - {''}
        unknown = sorted(stems - names.keys())
        if unknown or not stems:
            what = f'such as {unknown[0]!r}' if unknown else 'it is empty'
            raise RefusedError(
                f'list {listed}: {len(unknown)} of {len(stems)} names are no image in {self.root}, '
                f'{what}; give names without suffix, as make_splits.py writes them'
            )
        return {stem: names[stem] for stem in stems}

    def labels(self, index: int) -> ParsedLabels:
        """Return no boxes."""
        return ParsedLabels()


@dataclass
class SceneTiles:
    """What became of a scene.

    Args:
        scene: Its index in the dataset.
        tiles: Tiles it has, written now or before.
        written: Tiles written now.
        bare: Tiles without boxes.
        boxes: Boxes in its labels, also those that can't be read.
        places: Label lines written; a box stands in every tile that takes it.
        untiled: Ids of the boxes that no tile takes.
        malformed: A line for each label that can't be read as a box.
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
    error: str | None = None
    full: bool = False


class TileCutter:
    """Cuts scene by scene into ``images/STEM.png`` and ``labelTxt/STEM.txt``.

    A tile's image is written after its labels, so that a tile whose image stands is done. A scene
    without a label file has none for its tiles either.

    Args:
        plan: The tiles of a dataset (or of an ``ImageFolder``).
        out: Folder to write to.
        dry: Write nothing.
    """

    def __init__(self, plan: Plan, out: str | os.PathLike, dry: bool = False):
        self.plan, self.out, self.dry = plan, Path(out), dry

    @property
    def settings(self) -> dict:
        """What decides the tiles, as plain data."""
        return dict(format=FORMAT, tile=self.plan.tile.as_dict())

    def begin(self) -> None:
        """Make the folder, or check that it was begun with these scenes and settings.

        Raises:
            RefusedError: Not writable, holds files of someone else, or other settings.
        """
        try:
            self._check_foreign()
            self._check_settings()
            for name in (IMAGES, LABELS) if self._labelled() else (IMAGES,):
                (self.out / name).mkdir(parents=True, exist_ok=True)
            if not (self.out / META).exists():
                data = dump(dict(partial=True, settings=self.settings))
                atomic_write(self.out / META, data)
        except OSError as error:
            raise RefusedError(
                f'out {self.out}: cannot write there: {error.strerror}; choose another --out'
            ) from error

    def _labelled(self) -> bool:
        return any(scene.label for scene in self.plan.dataset.scenes)

    def _check_settings(self) -> None:
        path = self.out / META
        if not path.exists():
            return
        try:
            old = json.loads(path.read_bytes())['settings']
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{path}: not a {META} of this tool') from error
        changed = differences(old, self.settings)
        if changed:
            raise RefusedError(
                f'out {self.out} was begun with other settings ({"; ".join(changed)}); use the '
                'same or another --out'
            )

    def _check_foreign(self) -> None:
        scenes = {scene.stem for scene in self.plan.dataset.scenes}
        meta = self.out / META
        begun = meta.exists()
        for path in self.out.rglob('*'):
            tile = _TILE_FILE.fullmatch(path.name)
            ours = path in (meta, temporary(meta)) or (begun and tile and tile[1] in scenes)
            if path.is_file() and not ours:
                raise RefusedError(
                    f'out {self.out} holds files that are not of this tool and dataset, such as '
                    f'{path.relative_to(self.out)}; choose another --out'
                )

    def cut(self, scene: int) -> SceneTiles:
        """Cut a scene; what goes wrong is in the result."""
        result = SceneTiles(scene)
        try:
            self._cut(result)
        except Exception as error:  # noqa: BLE001 (a scene must not end the run)
            result.error = describe(error)
            if not isinstance(error, SamrsError | OSError):
                result.error = f'{self.plan.dataset.scenes[scene].image}: {result.error}'
            result.full = getattr(error, 'errno', None) in FULL
        return result

    def _cut(self, result: SceneTiles) -> None:
        scene = self.plan.dataset.scenes[result.scene]
        parsed = self.plan.dataset.labels(result.scene)
        result.boxes = len(parsed.boxes) + len(parsed.problems)
        result.malformed = [f'{place.box_id}: {place.message}' for place in parsed.problems]
        if scene.image is None:
            raise ImageReadError(f'{scene.label}: no image for its {result.boxes} boxes')
        path = self.plan.dataset.root / scene.image
        units = self._units(result.scene, path)
        polygons = geometry(parsed.boxes, oriented=False).polygons
        dealt = tiling.assign(polygons, [unit.window for unit in units], self.plan.tile.iof)
        missing = {unit.index for unit in units if not self._path(IMAGES, unit).exists()}
        image = SceneImage(path) if missing and not self.dry else None
        for unit, chosen in zip(units, dealt, strict=True):
            if scene.label and not self.dry:
                labels = [parsed.boxes[i] for i in chosen]
                offset = np.array([unit.window.x, unit.window.y])
                self._write_labels(unit, label_text(labels, polygons[chosen] - offset))
            if unit.index in missing and image:
                self._write_image(unit, image)
            result.tiles += 1
            result.written += unit.index in missing
            result.bare += not len(chosen)
            result.places += len(chosen)
        taken = set().union(*(chosen.tolist() for chosen in dealt))
        boxes = enumerate(parsed.boxes)
        result.untiled = [box.box_id for i, box in boxes if i not in taken]

    def _units(self, scene: int, path: Path) -> list[Unit]:
        units = self.plan.by_scene[scene]
        if units and units[0].window is None:
            image_size(path)
            raise ImageReadError(f'{path}: could not be read when the tool began; run it again')
        return units

    def _path(self, kind: str, unit: Unit) -> Path:
        return self.out / kind / (unit.stem + ('.png' if kind == IMAGES else '.txt'))

    def _write_labels(self, unit: Unit, text: str) -> None:
        path, data = self._path(LABELS, unit), text.encode()
        if not path.exists() or path.read_bytes() != data:
            atomic_write(path, data)

    def _write_image(self, unit: Unit, image: SceneImage) -> None:
        window = unit.window
        pixels = image.crop(window.x, window.y, window.width, window.height, self.plan.tile.pad)
        write_png(self._path(IMAGES, unit), pixels)

    def finish(self, results: Iterable[SceneTiles]) -> None:
        """Write ``tiles.json``: the settings, counts, and the boxes that no tile takes.

        Raises:
            OSError: It can't be written.
        """
        results = sorted(results, key=lambda result: result.scene)
        counts = dict(scenes=len(results))
        for name in ('tiles', 'bare', 'boxes', 'places'):
            counts[name] = sum(getattr(result, name) for result in results)
        data = dict(
            partial=any(result.error for result in results),
            settings=self.settings,
            counts=counts,
            untiled=[box_id for result in results for box_id in result.untiled],
        )
        atomic_write(self.out / META, dump(data))


def largest_first(plan: Plan) -> list[int]:
    """Return the scenes, those with most tiles first: begun last, they would be waited for."""
    scenes = range(len(plan.dataset.scenes))
    return sorted(scenes, key=lambda scene: -len(plan.by_scene.get(scene, ())))


def cut_scenes(cutter: TileCutter, scenes: list[int], workers: int) -> Iterator[SceneTiles]:
    """Yield what became of each scene, in the order in which they are done.

    Args:
        cutter: The cutter; its folder was begun.
        scenes: Indices of scenes, in the order in which they are begun.
        workers: Processes, each with one scene at a time in memory; 0 cuts in this one.

    Raises:
        SamrsError: A process died.
    """
    return as_done(cutter.cut, scenes, workers)
