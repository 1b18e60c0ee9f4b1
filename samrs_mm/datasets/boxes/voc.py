"""Any dataset in Pascal VOC's layout."""

from pathlib import PurePosixPath

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.datasets.boxes.base import ClassNames, Scene
from samrs_mm.datasets.boxes.paired import PairedBoxDataset
from samrs_mm.formats.boxes.box_folders import parse_voc_of
from samrs_mm.formats.boxes.label_pairs import LabelPairs
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class VOCBoxDataset(PairedBoxDataset):
    """Pascal VOC's XML, also as Roboflow, roLabelImg and CVAT write it.

    Layout: ``JPEGImages/NAME.jpg`` (or ``images``) and ``Annotations/NAME.xml``, or side by side,
    at any depth. Parts: ``ImageSets/Main/train.txt`` ..., else folders of such names.
    Classes: the names met, sorted, unless the config fixes them.
    Labels: ``bndbox`` and ``robndbox``, see ``parse_voc``.
    Source of the format: Everingham et al. 2010, http://host.robots.ox.ac.uk/pascal/VOC/.

    Args:
        classes: As in ``BoxDataset``.
        one_based: Whether pixels count from 1 and ``xmax``, ``ymax`` are inside, as in the VOC
            challenges.
    """

    layout = 'JPEGImages/*.jpg and Annotations/*.xml, or images and labels side by side'
    source = 'voc'

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
