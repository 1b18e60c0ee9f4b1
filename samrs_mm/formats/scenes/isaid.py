"""iSAID as downloaded: DOTA-v1.0's images, 15 classes as colours, and their objects.

Source: Waqas Zamir et al. 2019, iSAID; the order of classes and colours is its devkit's, which
mmsegmentation's ``iSAIDDataset`` uses as well. ``*_instance_id_RGB.png`` numbers the objects as
R + 256 G + 65536 B, 0 is background.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import files_by_name, first_copy, refuse_incomplete
from samrs_mm.core.wording import counted
from samrs_mm.formats.scenes.scene_labels import (
    ColourCode,
    LabelledScene,
    colour_numbers,
    read_strips,
)

CLASSES = (
    'background', 'ship', 'store_tank', 'baseball_diamond', 'tennis_court', 'basketball_court',
    'Ground_Track_Field', 'Bridge', 'Large_Vehicle', 'Small_Vehicle', 'Helicopter',
    'Swimming_pool', 'Roundabout', 'Soccer_ball_field', 'plane', 'Harbor',
)  # fmt: skip
PALETTE = (
    (0, 0, 0), (0, 0, 63), (0, 63, 63), (0, 63, 0), (0, 63, 127), (0, 63, 191), (0, 63, 255),
    (0, 127, 63), (0, 127, 127), (0, 0, 127), (0, 0, 191), (0, 0, 255), (0, 191, 127),
    (0, 127, 191), (0, 127, 255), (0, 100, 155),
)  # fmt: skip
SCENES = {'train': 1411, 'val': 458}
"""Images by split; the labels of the 937 test images aren't public."""

CLASS_MAP, ID_MAP = '_instance_color_RGB.png', '_instance_id_RGB.png'
"""What the names of the label pictures of an image end in."""


def colour_code() -> ColourCode:
    """Return the code of the semantic pictures; every pixel is background or of a class."""
    return ColourCode({colour: index for index, colour in enumerate(PALETTE)})


def find_isaid_scenes(root: str | os.PathLike, partial: bool = False) -> list[LabelledScene]:
    """Return the scenes of ``train`` and ``val``, by split and name.

    Images and ``*_instance_color_RGB.png`` are looked for anywhere in ``train/`` and ``val/``: the
    archives' own folders, those of the devkit, and those that mmsegmentation asks for all do. Of an
    incomplete download those that are there are taken if ``partial``.

    Raises:
        RefusedError: A missing folder or file, or two different files of one name.
    """
    scenes = []
    for split, count in SCENES.items():
        scenes += _find_split(Path(root), split, count, partial)
    if not scenes:
        raise RefusedError(
            f'{root}: no image P0000.png with its P0000{CLASS_MAP} in train/ or val/; see '
            'docs/dataset_prepare.md for the layout'
        )
    return scenes


def _find_split(root: Path, split: str, count: int, partial: bool) -> list[LabelledScene]:
    if partial and not (root / split).is_dir() and root.is_dir():
        return []
    pictures, _, images = files_by_kind(root / split)
    both = sorted(images.keys() & pictures.keys())
    if not partial:
        missing = [f'{name}.png' for name in sorted(pictures.keys() - images.keys())]
        missing += [f'{name}{CLASS_MAP}' for name in sorted(images.keys() - pictures.keys())]
        cure = (
            'unpack all parts of the images (DOTA-v1.0) and Semantic_masks below it, or give '
            '--partial to take the '
            f'{counted(len(both), "scene that is", "scenes that are")} complete'
        )
        refuse_incomplete(str(root / split), missing, 2 * count, cure)
        if len(both) != count:
            raise RefusedError(
                f'{root / split}: {counted(len(both), "scene")}, iSAID has {count} there; {cure}'
            )
    return [
        LabelledScene(name, split, first_copy(images[name]), first_copy(pictures[name]))
        for name in both
    ]


def files_by_kind(root: Path) -> tuple[dict[str, list[Path]], ...]:
    """Return the pictures of classes, those of instances, and the images below a folder, by name.

    Raises:
        RefusedError: No such folder.
    """
    kinds: dict[str, dict] = {CLASS_MAP: {}, ID_MAP: {}, '.png': {}}
    for name, paths in files_by_name(root).items():
        suffix = next((suffix for suffix in kinds if name.endswith(suffix)), None)
        if suffix:
            kinds[suffix][name.removesuffix(suffix)] = paths
    return tuple(kinds.values())


@dataclass(frozen=True)
class ISAIDInstance:
    """One object of an image of a height and width in pixels."""

    number: int
    """In the picture of instances; unique in the image."""
    label: int
    """Index in ``CLASSES`` of most of its pixels; 0 is background."""
    places: np.ndarray
    """Positions ``x * height + y`` of its pixels, ascending, int64."""
    height: int
    width: int

    def mask(self) -> dict:
        """Return the mask as COCO RLE."""
        return masks.encode_pixels(self.places, self.height, self.width)

    def hbox(self) -> np.ndarray:
        """Return the H-Box x0, y0, x1, y1 around the pixels, their far edges included."""
        x, y = np.divmod(self.places, self.height)
        return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float64)

    def rbox(self) -> np.ndarray:
        """Return the corners ``(4, 2)`` of the smallest rectangle around the pixels' corners."""
        x, y = np.divmod(self.places, self.height)
        columns, first = np.unique(x, return_index=True)
        top, bottom = y[first], y[np.append(first[1:], len(y)) - 1] + 1
        x0, x1 = columns, columns + 1
        corners = [np.stack(pair, 1) for pair in ((x0, top), (x1, top), (x0, bottom), (x1, bottom))]
        rectangle = cv2.minAreaRect(np.concatenate(corners).astype(np.float32))
        return cv2.boxPoints(rectangle).astype(np.float64)


def read_instances(ids: Path, colours: Path) -> list[ISAIDInstance]:
    """Return the objects of an image, by number, of its ``ID_MAP`` and its ``CLASS_MAP``.

    Raises:
        ImageReadError: A file can't be read.
        LabelReadError: A colour that is of no class, or pictures of different size.
    """
    numbers = read_strips(ids, lambda rgb, _: colour_numbers(rgb[..., ::-1]), np.int32)
    labels = colour_code().read(colours)
    if numbers.shape != labels.shape:
        raise LabelReadError(
            f'{ids}: {numbers.shape[1]} x {numbers.shape[0]} px, but {colours.name} has '
            f'{labels.shape[1]} x {labels.shape[0]} px; are they of one download?'
        )
    height, width = numbers.shape
    numbers, labels = numbers.ravel('F'), labels.ravel('F')
    places = np.flatnonzero(numbers)
    found, which = np.unique(numbers[places], return_inverse=True)
    order = np.argsort(which, kind='stable')
    parts = np.split(places[order], np.cumsum(np.bincount(which, minlength=len(found)))[:-1])
    return [
        ISAIDInstance(int(number), int(np.bincount(labels[part]).argmax()), part, height, width)
        for number, part in zip(found, parts[: len(found)], strict=True)
    ]
