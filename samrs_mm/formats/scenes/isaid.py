"""iSAID as downloaded: DOTA-v1.0's images, 15 classes as colours.

Source: Waqas Zamir et al. 2019, iSAID; the order of classes and colours is its devkit's, which
mmsegmentation's ``iSAIDDataset`` uses as well.
"""

import os
from pathlib import Path

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import files_by_name, first_copy, refuse_incomplete
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene

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

_COLOUR, _INSTANCE = '_instance_color_RGB.png', '_instance_id_RGB.png'


def colour_code() -> ColourCode:
    """Return the code of the semantic pictures; every pixel is background or of a class."""
    return ColourCode({colour: index for index, colour in enumerate(PALETTE)})


def find_scenes(root: str | os.PathLike, partial: bool = False) -> list[LabelledScene]:
    """Return the scenes of ``train`` and ``val``, by split and name.

    Images and ``*_instance_color_RGB.png`` are looked for anywhere in ``train/`` and ``val/``: the
    archives' own folders, those of the devkit, and those that mmsegmentation asks for all do.

    Args:
        root: Folder of the download.
        partial: Take the scenes that are there, rather than refuse an incomplete download.

    Raises:
        RefusedError: A missing folder or file, or two different files of one name.
    """
    scenes = []
    for split, count in SCENES.items():
        scenes += _find_split(Path(root), split, count, partial)
    if not scenes:
        raise RefusedError(
            f'{root}: no image P0000.png with its P0000{_COLOUR} in train/ or val/; see '
            'docs/dataset_prepare.md for the layout'
        )
    return scenes


def _find_split(root: Path, split: str, count: int, partial: bool) -> list[LabelledScene]:
    if partial and not (root / split).is_dir() and root.is_dir():
        return []
    files = files_by_name(root / split)
    pictures = {name.removesuffix(_COLOUR): name for name in files if name.endswith(_COLOUR)}
    images = {
        name.removesuffix('.png'): name
        for name in files
        if name.endswith('.png') and not name.endswith((_COLOUR, _INSTANCE))
    }
    both = sorted(images.keys() & pictures.keys())
    if not partial:
        _check_complete(root / split, images, pictures, count, len(both))
    return [
        LabelledScene(
            name, split, first_copy(files[images[name]]), first_copy(files[pictures[name]])
        )
        for name in both
    ]


def _check_complete(root: Path, images: dict, pictures: dict, count: int, both: int) -> None:
    missing = [f'{name}.png' for name in sorted(pictures.keys() - images.keys())]
    missing += [f'{name}{_COLOUR}' for name in sorted(images.keys() - pictures.keys())]
    otherwise = f'or give --partial to take the {both} scenes that are complete'
    refuse_incomplete(
        str(root), missing, 2 * count,
        f'unpack all parts of the images (DOTA-v1.0) and Semantic_masks below it, {otherwise}',
    )  # fmt: skip
    if both != count:
        raise RefusedError(
            f'{root}: {both} scenes, iSAID has {count} there; unpack all parts of the images '
            f'(DOTA-v1.0) and Semantic_masks below it, {otherwise}'
        )
