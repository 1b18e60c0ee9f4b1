"""Any dataset that Label Studio exported as JSON."""

from pathlib import Path

from samrs_mm.datasets.boxes.label_files import read_bytes
from samrs_mm.datasets.boxes.listed import ListedBoxDataset
from samrs_mm.formats.boxes.label_studio import parse_label_studio
from samrs_mm.formats.boxes.shapes import ImageShapes
from samrs_mm.formats.foreign import LABEL_STUDIO, foreign_file
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class LabelStudioBoxDataset(ListedBoxDataset):
    """Label Studio's exports JSON and JSON-MIN.

    Layout: a JSON file and the images, anywhere below the root; ``/data/upload/1/0a1b2c3d-NAME`` is
    also found as ``NAME``. Parts: folders called train, val, valid or test.
    Classes: the labels met, sorted, unless the config fixes them.
    Labels: rectangles, also turned ones, ellipses, polygons and brush strokes, see
    ``parse_label_studio``; the last two are true masks.
    Source of the format: https://labelstud.io/guide/export, https://labelstud.io/tags/brushlabels.
    """

    layout = 'a JSON file of Label Studio and the images'
    suffix = '.json'
    what = "JSON file of Label Studio's"
    prefix = r'^[0-9a-f]{8}-'

    def is_label_file(self, path: Path) -> bool:
        """See ``ListedBoxDataset``."""
        return foreign_file(path) == LABEL_STUDIO

    def read_file(self, path: Path, name: str) -> list[ImageShapes]:
        """See ``ListedBoxDataset``."""
        return parse_label_studio(read_bytes(path), name)
