"""ISPRS Potsdam as downloaded: 38 scenes of 6000 x 6000 px, 5 cm a pixel.

Source: ISPRS 2D Semantic Labeling Contest - Potsdam. The split into 24 and 14 scenes is the
contest's, which mmsegmentation and torchgeo use as well.
"""

import os

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import files_by_name, first_copy, refuse_incomplete
from samrs_mm.core.wording import counted
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene

CLASSES = ('impervious_surface', 'building', 'low_vegetation', 'tree', 'car')
PALETTE = ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0))
CLUTTER, BOUNDARY = (255, 0, 0), (0, 0, 0)

SCENES = {
    'train': tuple(
        f'{row}_{column}'
        for row, columns in (
            *((row, range(10, 13)) for row in (2, 3, 4, 5)),
            *((row, range(7, 13)) for row in (6, 7)),
        )
        for column in columns
    ),
    'test': (
        '2_13', '2_14', '3_13', '3_14', '4_13', '4_14', '4_15',
        '5_13', '5_14', '5_15', '6_13', '6_14', '6_15', '7_13',
    ),
}  # fmt: skip

LABEL_KINDS = {
    'noBoundary': ('top_potsdam_{}_label_noBoundary.tif', '5_Labels_all_noBoundary.zip'),
    'all': ('top_potsdam_{}_label.tif', '5_Labels_all.zip'),
}
"""File name and download of the two kinds of labels, by the tool's name for them."""

_IMAGE, _IMAGE_ZIP = 'top_potsdam_{}_RGB.tif', '2_Ortho_RGB.zip'


def colour_code() -> ColourCode:
    """Return the code of the label pictures; clutter and eroded boundaries are ignored.

    Channels are cut at 127: 4_12 was compressed with loss (24,850 colours), and the cars of 6_7 are
    (252, 255, 0).
    """
    values = {colour: index for index, colour in enumerate(PALETTE)}
    return ColourCode(values | {CLUTTER: UNLABELLED, BOUNDARY: UNLABELLED}, binary=True)


def find_potsdam_scenes(
    root: str | os.PathLike, labels: str = 'noBoundary', partial: bool = False
) -> list[LabelledScene]:
    """Return the 38 scenes of a download, train before test.

    Args:
        root: Where the archives were unpacked, in whatever folders.
        labels: ``'noBoundary'`` (boundaries eroded by 3 px and ignored) or ``'all'``.
        partial: Take the scenes that are there, rather than refuse an incomplete download.

    Raises:
        RefusedError: No such folder, a missing file, or two different files of one name.
    """
    files = files_by_name(root)
    label_name, label_zip = LABEL_KINDS[labels]
    scenes, missing = [], []
    for split, names in SCENES.items():
        for name in names:
            pair = [template.format(name) for template in (_IMAGE, label_name)]
            missing += [file for file in pair if file not in files]
            if all(file in files for file in pair):
                image, label = (first_copy(files[file]) for file in pair)
                scenes.append(LabelledScene(name, split, image, label))
    total = 2 * sum(map(len, SCENES.values()))
    if not partial:
        cure = (
            f'unpack {_IMAGE_ZIP} and {label_zip} below it, or give --partial to take the '
            f'{counted(len(scenes), "scene that is", "scenes that are")} complete'
        )
        refuse_incomplete(str(root), missing, total, cure)
    if not scenes:
        raise RefusedError(
            f'{root}: no scene with both files, such as {_IMAGE.format("2_10")} and '
            f'{label_name.format("2_10")}; unpack {_IMAGE_ZIP} and {label_zip} below it'
        )
    return scenes
