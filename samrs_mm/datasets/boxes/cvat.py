"""Any dataset that CVAT exported for images."""

from pathlib import Path
from typing import Any

from samrs_mm.datasets.boxes.base import ClassNames
from samrs_mm.datasets.boxes.label_files import read_bytes
from samrs_mm.datasets.boxes.listed import ListedBoxDataset
from samrs_mm.formats.boxes.cvat import parse_cvat
from samrs_mm.formats.boxes.shapes import ImageShapes
from samrs_mm.formats.foreign import CVAT_XML, foreign_file
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class CVATBoxDataset(ListedBoxDataset):
    """CVAT's XML for images 1.1, of a task, a job or a project.

    Layout: ``annotations.xml`` (also one a subset, or a task) and the images, as
    ``images/SUBSET/NAME`` or anywhere below the root. Parts: the ``subset`` of an image, else
    folders of such names.
    Classes: the labels of the task or project, in its order.
    Labels: boxes, also turned ones, ellipses, polygons and masks, see ``parse_cvat``; the last two
    are true masks.
    Source of the format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
    """

    layout = 'annotations.xml of CVAT for images and images/'
    suffix = '.xml'
    what = "XML file of CVAT's"

    def __init__(self, data_root: str, classes: ClassNames = None, labels: str | None = None):
        self._names: dict[str, str] = {}
        super().__init__(data_root, classes, labels)

    def is_label_file(self, path: Path) -> bool:
        """See ``ListedBoxDataset``."""
        return foreign_file(path) == CVAT_XML

    def read_file(self, path: Path, name: str) -> list[ImageShapes]:
        """See ``ListedBoxDataset``."""
        shapes, names = parse_cvat(read_bytes(path), name)
        self._names |= dict.fromkeys(names, name)
        return shapes

    def listed_classes(self) -> dict[Any, str]:
        """Return the names of the labels, from 1, at last those that only boxes have."""
        if not self._names:
            return {}
        shapes = self._shapes.values()
        met = sorted({box.category for image in shapes for box in image.labels.boxes})
        return dict(enumerate(dict.fromkeys([*self._names, *met]), 1))
