"""Predict a list of images into a folder: what is done is skipped, what fails is named."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage, image_size, write_png
from samrs_mm.core.resumable import differences, dump
from samrs_mm.drawing.legend import legend
from samrs_mm.predict.scene_predictor import ScenePredictor
from samrs_mm.predict.scene_writer import SceneFile, SceneWriter

KINDS = ('labels', 'probabilities', 'overlays')
META = 'predictions.json'

_SUFFIXES = dict(labels=('.png', '.tif'), probabilities=('.tif',), overlays=('.jpg',))


def find_images(inputs: Iterable[str]) -> dict[str, Path]:
    """Return images by stem, in the order given; of folders all images that lie directly in them.

    Raises:
        RefusedError: A path that isn't there or holds no image, or two images of one stem.
    """
    found: dict[str, Path] = {}
    for path in map(Path, inputs):
        if not path.exists():
            raise RefusedError(f'{path}: no such file or folder')
        paths = [path]
        if path.is_dir():
            paths = sorted(item for item in path.iterdir() if _is_image(item))
        if not paths:
            raise RefusedError(f'{path}: no image in it (looked for {", ".join(IMAGE_SUFFIXES)})')
        for item in paths:
            other = found.setdefault(item.stem, item)
            if other != item:
                raise RefusedError(
                    f'{other} and {item} would be written to one file; predict them into two --out'
                )
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.')


def class_names(checkpoint: dict[str, Any], source: str | None, count: int) -> list[str]:
    """Return the classes that a checkpoint was trained on; ``class 0`` and so on if it doesn't say.

    Args:
        checkpoint: A checkpoint of mmengine, or weights that ``ExportWeightsHook`` wrote.
        source: The head that is used; None for a network with one.
        count: Number of classes.
    """
    meta = checkpoint.get('meta') or {}
    trained = meta.get('dataset_meta') or {}
    if source is None:
        names = trained.get('classes') or ()
    else:
        names = (meta.get('classes') or {}).get(source) or (
            trained.get('sources', {}).get(source, {}).get('classes', ())
        )
    return list(names) if len(names) == count else [f'class {index}' for index in range(count)]


class PredictedFolder:
    """Where predictions go: ``labels``, ``probabilities``, ``overlays`` and ``predictions.json``.

    An image is done when all that is wanted of it is there.

    Args:
        root: The folder.
        kinds: What is wanted, of ``KINDS``.
    """

    def __init__(self, root: str | os.PathLike, kinds: Sequence[str]):
        self.root, self.kinds = Path(root), tuple(kinds)

    def open(self, settings: dict[str, Any], names: Sequence[str]) -> None:
        """Make the folder, or go on with one that was begun with the same settings.

        Args:
            settings: What decides the predictions, as plain data.
            names: Classes, in the order of their values.

        Raises:
            RefusedError: Not writable, or begun with other settings.
        """
        old = self._settings()
        changed = [] if old is None else differences(old, settings)
        if changed:
            raise RefusedError(
                f'out {self.root} was begun with other settings ({"; ".join(changed)}); use the '
                'same, another --out, or --restart'
            )
        try:
            for kind in self.kinds:
                (self.root / kind).mkdir(parents=True, exist_ok=True)
            data = dump(dict(settings=settings, classes=list(names)))
            atomic_write(self.root / META, data)
            if 'overlays' in self.kinds:
                write_png(self.root / 'overlays' / 'legend.png', legend(names))
        except OSError as error:
            raise RefusedError(
                f'out {self.root}: cannot write there: {error.strerror}; choose another --out'
            ) from error

    def _settings(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.root / META).read_bytes())['settings']
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(f'{self.root / META}: not a {META} of this tool') from error

    def check_foreign(self, stems: Iterable[str]) -> None:
        """Refuse to overwrite files in a folder that isn't ours.

        Raises:
            RefusedError: A file that would be written is there, but no ``predictions.json``.
        """
        if (self.root / META).exists():
            return
        there = [path for stem in stems for kind in KINDS for path in self.files(kind, stem)]
        if there:
            raise RefusedError(
                f'out {self.root} has no {META}, so {there[0]} is not of this tool; choose another '
                '--out'
            )

    def restart(self, stems: Sequence[str], settings: dict[str, Any]) -> int:
        """Delete the predictions of images; return the number of files.

        Raises:
            RefusedError: Other images' predictions, of other settings, would be left beside.
        """
        mine = {path for stem in stems for kind in KINDS for path in self.files(kind, stem)}
        old = self._settings()
        if old is not None and differences(old, settings):
            folders = [self.root / kind for kind in KINDS if (self.root / kind).is_dir()]
            legend_file = self.root / 'overlays' / 'legend.png'
            others = sorted(
                path
                for folder in folders
                for path in folder.iterdir()
                if path not in mine and path != legend_file and not path.name.startswith('.')
            )
            if others:
                raise RefusedError(
                    f'--restart: {self.root} was begun with other settings and holds {len(others)} '
                    f'files of other images, such as {others[0]}; give these images too, or '
                    'another --out'
                )
            (self.root / META).unlink()
        for path in mine:
            path.unlink()
        return len(mine)

    def files(self, kind: str, stem: str) -> list[Path]:
        """Return the files of a kind that are there for an image."""
        paths = [self.root / kind / f'{stem}{suffix}' for suffix in _SUFFIXES[kind]]
        return [path for path in paths if path.exists()]

    def is_done(self, stem: str) -> bool:
        """Whether all that is wanted of an image is there."""
        return all(self.files(kind, stem) for kind in self.kinds)

    def targets(self, stem: str, on_map: bool) -> dict[str, Path]:
        """Return the files to write for an image; a label map on the map is a GeoTIFF."""
        suffixes = dict(labels='.tif' if on_map else '.png', probabilities='.tif', overlays='.jpg')
        return {kind: self.root / kind / f'{stem}{suffixes[kind]}' for kind in self.kinds}


def measure(images: dict[str, Path], predictor: ScenePredictor) -> tuple[dict[str, int], list[str]]:
    """Return the number of windows of images by stem, and a line for each that can't be read."""
    windows, failed = {}, []
    for stem, path in images.items():
        try:
            width, height = image_size(path)
            windows[stem] = predictor.count(height, width)
        except ImageReadError as error:
            failed.append(str(error))
    return windows, failed


def predict_image(
    path: Path,
    stem: str,
    predictor: ScenePredictor,
    out: PredictedFolder,
    names: Sequence[str],
    tick: Callable[[int], object],
) -> None:
    """Predict one image and write what is wanted of it.

    Pixels without data (a nodata value, zero alpha or a mask in the file) are 255 in labels and
    probabilities; windows of nothing else are passed over.

    Args:
        path: The image.
        stem: Its name in the folder.
        predictor: What predicts.
        out: The folder, opened.
        names: Classes.
        tick: Called with the number of windows that are done.

    Raises:
        ImageReadError: It can't be read.
        SamrsError: A file can't be written.
    """
    image, file = SceneImage(path, stream=True), SceneFile(path)
    targets = out.targets(stem, file.position is not None)
    size = image.height, image.width
    with SceneWriter(targets, file, size, names) as writer:
        for strip in predictor.strips(
            image,
            (lambda *window: file.valid(*window).any()) if file.masked else None,
            'probabilities' in targets,
            tick,
        ):
            place = 0, strip.top, image.width, len(strip.labels)
            if file.masked:
                empty = ~file.valid(*place)
                strip.labels[empty] = UNLABELLED
                if strip.probabilities is not None:
                    strip.probabilities[:, empty] = UNLABELLED
            pixels: np.ndarray | None = image.crop(*place) if 'overlays' in targets else None
            writer.push(strip.labels, strip.probabilities, pixels)


def predict_images(
    images: dict[str, Path],
    predictor: ScenePredictor,
    out: PredictedFolder,
    names: Sequence[str],
    bar: Callable[..., Any],
) -> list[str]:
    """Predict images one after the other; one that can't be read doesn't stop the others.

    Args:
        images: Images by stem.
        predictor: What predicts.
        out: The folder, opened.
        names: Classes.
        bar: Builds a ``tqdm`` bar for ``total`` windows.

    Returns:
        A line for each image that could not be read.

    Raises:
        SamrsError: A file can't be written, or the GPU's memory is full.
        OSError: A file can't be written.
    """
    windows, failed = measure(images, predictor)
    with bar(total=sum(windows.values())) as progress:
        for stem, count in windows.items():
            end = progress.n + count
            try:
                predict_image(images[stem], stem, predictor, out, names, progress.update)
            except ImageReadError as error:
                failed.append(str(error))
            progress.update(end - progress.n)
    return failed
