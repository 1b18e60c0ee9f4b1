"""FAIR1M-1.0 and 2.0."""

from samrs_mm.datasets.boxes.base import BoxDataset, Scene, pair_scenes, read_bytes
from samrs_mm.formats.boxes.fair1m import parse_fair1m
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.registry import BOX_DATASETS

# folder: (prefix of the stems, split)
_PARTS = {
    'train/part1': ('train_', 'train'),
    'train/part2': ('train_', 'train'),
    'train': ('train_', 'train'),
    'validation': ('valid_', 'val'),
    'data': ('train_', 'train'),
}
_LABEL_FOLDERS = ('labelXml', 'labelXmls')


@BOX_DATASETS.register_module()
class FAIR1MBoxDataset(BoxDataset):
    """FAIR1M: ``train/part1``, ``train/part2``, ``validation``: ``images/*.tif``, ``labelXml``.

    37 classes; R-Boxes; training and validation number their images alike, so stems get
    ``train_`` and ``valid_``, as in SAMRS. The first, small release (``data/images``,
    ``data/labelXmls``) is read as well; the test set has no public labels.
    Source: Sun et al. 2022, arXiv:2103.05569.

    Args:
        data_root: Folder of the dataset.
        classes: As in ``BoxDataset``.
    """

    layout = 'train/part1/, train/part2/ and validation/, each with images/*.tif and labelXml/*.xml'

    def index(self) -> list[Scene]:
        """Return the scenes of all parts that are there."""
        scenes = []
        for part, (prefix, split) in _PARTS.items():
            found = [name for name in _LABEL_FOLDERS if (self.root / part / name).is_dir()]
            labels = f'{part}/{(found or _LABEL_FOLDERS)[0]}'
            scenes += pair_scenes(self.root, f'{part}/images', labels, '.xml', prefix, split)
        return sorted(scenes, key=lambda scene: scene.stem)

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_fair1m(read_bytes(self.root / scene.label), scene.label)
