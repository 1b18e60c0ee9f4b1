"""DOTA v1.0, v1.5 and v2.0, and any folder in DOTA's format."""

from samrs_mm.datasets.boxes.base import BoxDataset, Scene, pair_scenes, read_text
from samrs_mm.formats.boxes.dota import parse_dota
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class DOTABoxDataset(BoxDataset):
    """DOTA: ``images/*.png`` and ``labelTxt/*.txt``, or the same inside ``train/`` and ``val/``.

    Sizes 800 to 20,000 px a side, RGB or grey; polygons clockwise, coordinates up to one pixel
    beyond the border. v2.0's own files come without header, v1.x's with two lines.
    Source: https://captain-whu.github.io/DOTA.

    Args:
        data_root: Folder of the dataset.
        classes: As in ``BoxDataset``.
        images: Name of the image folder.
        labels: Name of the label folder; OBB or HBB files.
        splits: Sub-folders looked at where the root itself holds no image folder.
    """

    layout = (
        'images/*.png and labelTxt/*.txt, or train/ and val/ with the same inside, or images and '
        'labels side by side'
    )

    def __init__(
        self,
        data_root: str,
        classes: tuple[str, ...] | str | None = None,
        images: str = 'images',
        labels: str = 'labelTxt',
        splits: tuple[str, ...] = ('train', 'val'),
    ):
        self.images, self.label_folder, self.splits = images, labels, splits
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of the root, or of its train and val folders."""
        if (self.root / self.images).is_dir():
            return pair_scenes(self.root, self.images, self.label_folder, '.txt')
        if not any((self.root / split).is_dir() for split in self.splits):
            return pair_scenes(self.root, '.', '.', '.txt')
        scenes = []
        for split in self.splits:
            folders = f'{split}/{self.images}', f'{split}/{self.label_folder}'
            scenes += pair_scenes(self.root, *folders, '.txt', split=split)
        return sorted(scenes, key=lambda scene: scene.stem)

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_dota(read_text(self.root / scene.label), scene.label)
