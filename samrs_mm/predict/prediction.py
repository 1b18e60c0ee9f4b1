"""Predict a list of images into a folder: what is done is skipped, what fails is named."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.found_files import files_by_stem, tell_deeper, tell_untaken
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage, image_size
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.own_outputs import own_pictures
from samrs_mm.core.place import place_of
from samrs_mm.predict.folder import OVERLAYS, PROBABILITIES, PredictedFolder, inputs_of
from samrs_mm.predict.scene_blends import Strip
from samrs_mm.predict.scene_predictor import ScenePredictor
from samrs_mm.predict.scene_writer import SceneWriter


def find_images(inputs: Iterable[str]) -> dict[str, Path]:
    """Return the images of ``list_images`` by stem.

    Raises:
        RefusedError: As there, or two images of one stem.
    """
    found: dict[str, Path] = {}
    for item in list_images(inputs):
        other = found.setdefault(item.stem, item)
        if other != item:
            raise RefusedError(
                f'{other} and {item} would be written to one file; predict them into two --out'
            )
    return found


def list_images(inputs: Iterable[str]) -> list[Path]:
    """Return images in the order given; of folders all images that lie directly in them.

    Raises:
        RefusedError: A path that isn't there or holds no image.
    """
    found: dict[str, Path] = {}
    for path in map(Path, inputs):
        if not path.exists():
            raise RefusedError(f'{path}: no such file or folder')
        paths = [path]
        if path.is_dir():
            if what := own_pictures(path):
                raise RefusedError(f'{path}: holds {what}, no images of scenes; give their folder')
            names = files_by_stem(path, IMAGE_SUFFIXES).values()
            paths = [path / name for files in names for name in files]
        if not paths:
            deeper = tell_deeper(path, IMAGE_SUFFIXES)
            raise RefusedError(
                deeper or f'{path}: no image in it (looked for {", ".join(IMAGE_SUFFIXES)})'
            )
        for item in paths:
            found.setdefault(os.path.abspath(item), item)
    return [*found.values()]


def tell_left_out(inputs: Iterable[str]) -> list[str]:
    """Return lines on the pictures in folders that ``list_images`` leaves out."""
    folders = [path for path in inputs if os.path.isdir(path)]
    lines = [tell_untaken(path) for path in folders]
    lines += [tell_deeper(path, IMAGE_SUFFIXES, folders) for path in folders]
    return [line for line in lines if line]


def class_names(checkpoint: dict[str, Any], source: str | None, count: int) -> list[str]:
    """Return the classes that a checkpoint was trained on; ``class 0`` and so on if it doesn't say.

    It is one of mmengine or of ``ExportWeightsHook``; ``source`` is None for a network of one head.
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


def predict_scene(
    predictor: ScenePredictor,
    image: SceneImage,
    probabilities: bool = False,
    tick: Callable[[int], object] = lambda windows: None,
) -> Iterator[Strip]:
    """Yield a predicted image from the top; see ``ScenePredictor.strips``.

    Pixels without data (see ``SceneImage``) are 255 in labels and probabilities; windows of nothing
    else are skipped.
    """

    def has_data(x: int, y: int, width: int, height: int) -> bool:
        valid = image.valid(x, y, width, height)
        return valid is None or bool(valid.any())

    seen = has_data if image.gaps else None
    for strip in predictor.strips(image, seen, probabilities, tick):
        valid = image.valid(0, strip.top, image.width, len(strip.labels))
        if valid is not None:
            strip.labels[~valid] = UNLABELLED
            if strip.probabilities is not None:
                strip.probabilities[:, ~valid] = UNLABELLED
        yield strip


def _predict_image(
    image: SceneImage,
    inputs: Inputs,
    stem: str,
    predictor: ScenePredictor,
    out: PredictedFolder,
    names: Sequence[str],
    tick: Callable[[int], object],
    rule: ImageRule | None,
) -> None:
    """Predict one image and write what is wanted of it.

    Its note comes first: files that stand are never taken for those of an earlier image. Overlays
    of other than three bands of 8 bits show the first bands.
    """
    place = place_of(Path(inputs.paths[0]))
    targets = out.targets(stem, bool(place.profile))
    size = image.height, image.width
    strips = predict_scene(predictor, image, PROBABILITIES in targets, tick)
    picture = image
    if OVERLAYS in targets and (image.bands, image.dtype) != (3, np.uint8):
        picture = SceneImage(image.path, stream=True, rule=rule and rule.picture())
    with SceneWriter(targets, place, size, names) as writer:
        for strip in strips:
            pixels: np.ndarray | None = None
            if OVERLAYS in targets:
                pixels = picture.crop(0, strip.top, image.width, len(strip.labels))
            writer.push(strip.labels, strip.probabilities, pixels)
        out.notes.add({stem: inputs.note()})


def predict_images(
    images: dict[str, Path],
    predictor: ScenePredictor,
    out: PredictedFolder,
    names: Sequence[str],
    bar: Callable[..., Any],
    rule: ImageRule | None = None,
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Predict images by stem into an opened folder.

    ``names`` are the classes; ``bar`` builds a ``tqdm`` bar for ``total`` windows; ``rule`` is how
    images are shown to the network.

    Returns:
        A line for each image that can't be read, and the notes of the others by file name: what was
        done to show them to the network as 8-bit RGB.

    Raises:
        SamrsError: A file can't be written, or the GPU's memory is full; also OSError.
    """
    windows, failed, notes = {}, [], {}
    for stem, path in images.items():
        try:
            width, height = image_size(path)
            windows[stem] = predictor.count(height, width)
        except ImageReadError as error:
            failed.append(str(error))
    with bar(total=sum(windows.values())) as progress:
        for stem, count in windows.items():
            end, inputs = progress.n + count, inputs_of(images[stem])
            try:
                image = SceneImage(images[stem], stream=True, rule=rule)
                _predict_image(image, inputs, stem, predictor, out, names, progress.update, rule)
                notes[images[stem].name] = image.notes
            except ImageReadError as error:
                failed.append(str(error))
            progress.update(end - progress.n)
    out.notes.keep(out.notes.read())
    return failed, notes
