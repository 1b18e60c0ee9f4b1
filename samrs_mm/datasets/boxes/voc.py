"""Any dataset in Pascal VOC's layout."""

from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.boxes import ParsedLabels, geometry
from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.found_files import as_there
from samrs_mm.datasets.boxes.base import ClassNames, Scene
from samrs_mm.datasets.boxes.paired import PairedBoxDataset
from samrs_mm.formats.boxes.box_folders import parse_voc_of
from samrs_mm.formats.boxes.label_pairs import LabelPairs
from samrs_mm.formats.boxes.label_places import IMAGE_FOLDERS, MASK_FOLDERS
from samrs_mm.formats.boxes.voc import object_ids
from samrs_mm.registry import BOX_DATASETS

_VOID = 255
_IN_BOX = 0.5
"""Least share of a mask's upright box that lies in the object's."""


@BOX_DATASETS.register_module()
class VOCBoxDataset(PairedBoxDataset):
    """Pascal VOC's XML, also as Roboflow, roLabelImg and CVAT write it.

    Layout: ``JPEGImages/NAME.jpg`` (or ``images``) and ``Annotations/NAME.xml``, or side by side,
    at any depth. Parts: ``ImageSets/Main/train.txt`` ..., else folders of such names.
    Classes: the names met, sorted, unless the config fixes them.
    Labels: ``bndbox`` and ``robndbox``, see ``parse_voc``. ``SegmentationObject/NAME.png`` has the
    true masks: a pixel's number is that of its object in the XML file, from 1; 255 is of none.
    Source of the format: Everingham et al. 2010, http://host.robots.ox.ac.uk/pascal/VOC/.

    Args:
        classes: As in ``BoxDataset``.
        one_based: Whether pixels count from 1 and ``xmax``, ``ymax`` are inside, as in the VOC
            challenges.
    """

    layout = 'JPEGImages/*.jpg and Annotations/*.xml, or images and labels side by side'
    source = 'voc'
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(self, data_root: str, classes: ClassNames = None, one_based: bool = False):
        self.one_based = one_based
        super().__init__(data_root, classes)

    def survey(self, pairs: LabelPairs) -> list[str]:
        """See ``PairedBoxDataset``."""
        self._stems = {PurePosixPath(image).stem for image in pairs.images}
        return []

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        data, name = self.read(scene)
        return parse_voc_of(data, name, scene.image, self._stems, self.one_based)[0]

    def truth_files(self, index: int) -> list[Path]:
        """Return the picture of objects of scene ``index``, if there is one."""
        image = self.scenes[index].image
        if image is None:
            return []
        *folders, file = PurePosixPath(image).with_suffix('.png').parts
        usual = {name.lower() for name in IMAGE_FOLDERS}
        kept = [part for part in folders if part.lower() not in usual]
        place = self.root.joinpath(*kept)
        path = place / as_there(place, MASK_FOLDERS['voc'][0]) / file
        return [path] if path.is_file() else []

    def ground_truth_of(self, index: int) -> dict[str, dict]:
        """Return the masks of scene ``index`` as COCO RLE by box id.

        Raises:
            LabelReadError: The label file or the picture of objects can't be read, or they do not
                belong together.
        """
        scene, found = self.scenes[index], self.truth_files(index)
        if scene.label is None or not found:
            return {}
        ids, numbers = object_ids(*self.read(scene)), _numbers(found[0])
        there = [int(number) for number in np.unique(numbers) if number not in (0, _VOID)]
        if there and there[-1] > len(ids):
            raise LabelReadError(
                f'{found[0]}: has an object {there[-1]}, {scene.label} has {len(ids)} objects'
            )
        boxes = self.parse(scene).boxes
        hboxes = dict(zip([box.box_id for box in boxes], geometry(boxes).hboxes, strict=True))
        truth = {ids[number - 1]: masks.encode(numbers == number) for number in there}
        for box_id, mask in truth.items():
            if box_id in hboxes and _share_in(mask, hboxes[box_id]) < _IN_BOX:
                raise LabelReadError(
                    f'{found[0]}: the object {ids.index(box_id) + 1} lies outside of its box, '
                    f'{box_id}; are the two of one picture?'
                )
        return truth


def _numbers(path: Path) -> np.ndarray:
    """Return the numbers of objects ``(H, W)`` uint8 of a picture.

    Raises:
        LabelReadError: It can't be read, or has colours instead of numbers.
    """
    try:
        with Image.open(path, formats=('PNG',)) as picture:
            if picture.mode not in ('P', 'L'):
                raise LabelReadError(
                    f'{path}: a picture of mode {picture.mode}; objects are numbers in a PNG with '
                    'a palette, or in grey'
                )
            return np.array(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LabelReadError(f'{path}: cannot read the picture of objects: {error}') from error


def _share_in(mask: dict, box: np.ndarray) -> float:
    """Return how much of a mask's upright box lies in a box ``(4,)`` x0, y0, x1, y1."""
    x, y, width, height = masks.bbox(mask)
    inside = np.minimum([x + width, y + height], box[2:]) - np.maximum([x, y], box[:2])
    return float(np.clip(inside, 0, None).prod() / max(width * height, 1))
