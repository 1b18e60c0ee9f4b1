"""DIOR and DIOR-R."""

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import as_there, files_by_stem
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.datasets.boxes.label_files import read_names
from samrs_mm.formats.boxes.voc import parse_voc
from samrs_mm.registry import BOX_DATASETS

_FOLDERS = {
    'JPEGImages-trainval': 'trainval',
    'JPEGImages-test': 'test',
    'trainval_images': 'trainval',
    'test_images': 'test',
}


@BOX_DATASETS.register_module()
class DIORBoxDataset(BoxDataset):
    """DIOR and DIOR-R: 23,463 images of 800 x 800 px with 192,472 H-Boxes or R-Boxes.

    Layout: ``JPEGImages-trainval`` and ``JPEGImages-test`` (or ``trainval_images`` and
    ``test_images``), ``Annotations/KIND/*.xml``, ``ImageSets/Main/*.txt``. All images are taken:
    5,862 of train, 5,863 of val, 11,738 of test, by these lists, else (trainval or test) by folder.
    Classes: 20.
    Labels: VOC's XML, see ``parse_voc``.
    Source: Li et al. 2020, arXiv:1909.00133; DIOR-R: Cheng et al. 2022, arXiv:2110.01931.

    Args:
        labels: Folder inside ``Annotations``: ``'Horizontal Bounding Boxes'`` or
            ``'Oriented Bounding Boxes'``.

    Raises:
        RefusedError: As in ``BoxDataset``, or there is no such folder of labels.
    """

    layout = (
        'JPEGImages-trainval/ and JPEGImages-test/ with *.jpg, '
        'Annotations/Horizontal Bounding Boxes/*.xml'
    )

    def __init__(
        self, data_root: str, classes: ClassNames = None, labels: str = 'Horizontal Bounding Boxes'
    ):
        self.label_folder = f'Annotations/{labels}'
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of all image folders, and the label files without an image."""
        self.label_folder = as_there(self.root, self.label_folder)
        if not (self.root / self.label_folder).is_dir():
            raise RefusedError(
                f'{self.root}: no folder {self.label_folder!r}; expected {self.layout}, or set '
                'dataset.labels to the name of a folder in Annotations'
            )
        files = files_by_stem(self.root / self.label_folder, ('.xml',))
        labels = {stem: f'{self.label_folder}/{names[0]}' for stem, names in files.items()}
        splits = {
            stem: split
            for split in ('train', 'val', 'test')
            for stem in read_names(self.root / as_there(self.root, f'ImageSets/Main/{split}.txt'))
        }
        folders = {as_there(self.root, name): split for name, split in _FOLDERS.items()}
        scenes = [
            Scene(stem, f'{folder}/{name}', labels.get(stem), splits.get(stem, split))
            for folder, split in folders.items()
            for stem, names in files_by_stem(self.root / folder, IMAGE_SUFFIXES).items()
            for name in names
        ]
        bare = labels.keys() - {scene.stem for scene in scenes}
        return scenes + [Scene(stem, None, labels[stem], splits.get(stem)) for stem in bare]

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_voc(*self.read(scene))
