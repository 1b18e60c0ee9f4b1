"""DeepGlobe Land Cover Classification as downloaded: 803 labelled scenes of 2448 x 2448 px.

Source: Demir et al. 2018, "DeepGlobe 2018", arXiv:1805.06561. Labels of the challenge's own
validation and test images are not public, and the labelled ones have no split.
"""

import os
from collections.abc import Callable

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import files_by_name, first_copy, refuse_incomplete
from samrs_mm.core.wording import counted
from samrs_mm.formats.scenes.scene_labels import ColourCode, LabelledScene

CLASSES = ('urban_land', 'agriculture_land', 'rangeland', 'forest_land', 'water', 'barren_land')
PALETTE = (
    (0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255),
)  # fmt: skip
UNKNOWN = (0, 0, 0)
SCENES = 803
"""Number of labelled scenes."""

_IMAGE, _LABEL = '_sat.jpg', '_mask.png'


def colour_code() -> ColourCode:
    """Return the code of the masks; unknown pixels are ignored.

    Channels are cut at 127, as the download's own readme asks for: values are not pure.
    """
    values = {colour: index for index, colour in enumerate(PALETTE)}
    return ColourCode(values | {UNKNOWN: UNLABELLED}, binary=True)


def find_deepglobe_scenes(
    root: str | os.PathLike, side: Callable[[str], str], partial: bool = False
) -> list[LabelledScene]:
    """Return the labelled scenes of a download, by name; images without a mask are left out.

    Args:
        root: Where the archive was unpacked, in whatever folders.
        side: The split of a scene by its name.
        partial: Take the scenes that are there, rather than refuse an incomplete download.

    Raises:
        RefusedError: No such folder, a mask without its image, fewer scenes than there are, or two
            different files of one name.
    """
    files = files_by_name(root)
    names = sorted(name.removesuffix(_LABEL) for name in files if name.endswith(_LABEL))
    missing = [f'{name}{_IMAGE}' for name in names if f'{name}{_IMAGE}' not in files]
    if not partial:
        cure = 'unpack it below it, or give --partial to take the scenes that are complete'
        refuse_incomplete(str(root), missing, 2 * len(names), cure)
        if names and len(names) != SCENES:
            raise RefusedError(
                f'{root}: {counted(len(names), "mask is", "masks are")} there, DeepGlobe has '
                f'{SCENES}, in its folder train; {cure}'
            )
    pairs = {
        name: [first_copy(files[f'{name}{end}']) for end in (_IMAGE, _LABEL)]
        for name in names
        if f'{name}{_IMAGE}' in files
    }
    scenes = [LabelledScene(name, side(name), *pair) for name, pair in pairs.items()]
    if not scenes:
        raise RefusedError(
            f'{root}: no scene with both files, such as 119{_IMAGE} and 119{_LABEL}; unpack '
            "DeepGlobe's land cover dataset below it"
        )
    return scenes
