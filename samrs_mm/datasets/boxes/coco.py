"""Any dataset with boxes in a COCO json file."""

from pathlib import Path, PurePosixPath
from typing import Any

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import walk_files
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene, check_path
from samrs_mm.formats.boxes.coco import parse_coco
from samrs_mm.formats.foreign import foreign_file
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class COCOBoxDataset(BoxDataset):
    """Any dataset in COCO's format, with H-Boxes and, where the file has them, R-Boxes.

    Layout: ``annotations.json``, and ``images/`` or the images beside the json file; they may lie
    in sub-folders: ``a/b.png`` gets the stem ``a__b``.
    Classes: those of the file, unless the config fixes them.
    Labels: H-Boxes from ``bbox``, R-Boxes from ``rbox`` (8 numbers) or from a 4-point
    ``segmentation``. Annotations whose image is not in the file stand under a scene of their own
    that has no image.
    Source of the format: https://cocodataset.org/#format-data.

    Args:
        classes: As in ``BoxDataset`` (never the order of the file's categories).
        ann_file: The json file, relative to the root, or an absolute path; then its images are
            looked for below the root.
        images: Folder that the file names start from, relative to the root; None takes ``images``
            if it exists, else the folder of ``ann_file``.
        unlisted: Whether images that the file does not list are taken too, as images without
            boxes; only from folders that hold a listed one (``val2017/`` may have siblings).
        ground_truth: Keep all ``segmentation`` entries in memory, for ``ground_truth_of``.

    Raises:
        RefusedError: As in ``BoxDataset``, or the json file can't be read.
    """

    layout = 'annotations.json and images/ (or the images beside it)'
    truth_options = dict(ground_truth=True)

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        ann_file: str = 'annotations.json',
        images: str | None = None,
        unlisted: bool = True,
        ground_truth: bool = False,
    ):
        self.ann_file = self.label_file = Path(ann_file).as_posix()
        if images is None:
            beside = '.' if self._elsewhere else Path(self.ann_file).parent.as_posix()
            images = 'images' if Path(data_root, 'images').is_dir() else beside
        self.images, self.unlisted, self.ground_truth = images, unlisted, ground_truth
        super().__init__(data_root, classes)

    @property
    def _elsewhere(self) -> bool:
        return Path(self.ann_file).is_absolute()

    @property
    def _name(self) -> str:
        """What the json file is called in box ids."""
        return Path(self.ann_file).name if self._elsewhere else self.ann_file

    def index(self) -> list[Scene]:
        """Return the scenes of the json file, and of the images that it does not list."""
        path = self.root / self.ann_file
        try:
            with path.open('rb') as file:
                self.coco = parse_coco(file, self._name, self.ground_truth)
        except LabelReadError as error:
            hint = foreign_file(path)
            raise RefusedError(f'{error}{"; " if hint else ""}{hint}') from error
        except OSError as error:
            raise RefusedError(f'{path}: cannot read the label file: {error.strerror}') from error
        self._rows: dict[str, int] = {}
        base = self.root / self.images
        there = {path.relative_to(base).as_posix() for path in walk_files(base)}
        scenes, folders = [], {PurePosixPath()}
        for row, file_name in enumerate(self.coco.file_names):
            name = self._inside(file_name, there)
            scenes.append(self._scene(name, name in there, self.ann_file))
            self._rows[scenes[-1].stem] = row
            there.discard(name)
            folders.add(PurePosixPath(name).parent)
        if self.unlisted:
            scenes += [
                self._scene(name, True)
                for name in there
                if name.lower().endswith(IMAGE_SUFFIXES) and PurePosixPath(name).parent in folders
            ]
        if self.coco.unplaced.problems:
            scenes.append(Scene(f'{_stem(self._name)}__without_image', None, self.ann_file))
        return scenes

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the scene's part of the json file."""
        row = self._rows.get(scene.stem)
        return self.coco.unplaced if row is None else self.coco.labels(row)

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return COCO segmentations (polygons or RLE) of scene ``index`` by box id.

        Needs ``ground_truth=True``. A 4-point polygon is in it too, also where it is the R-Box;
        the region of a crowd isn't.
        """
        row = self._rows.get(self.scenes[index].stem)
        return {} if row is None else self.coco.segmentations(row)

    def _scene(self, name: str, there: bool, label: str | None = None) -> Scene:
        image = PurePosixPath(self.images, name).as_posix() if there else None
        return Scene(_stem(name), image, label)

    def _inside(self, file_name: str, there: set[str]) -> str:
        """Return a file name relative to the image folder (some files name the folder too)."""
        check_path(file_name)
        name = PurePosixPath(file_name).as_posix()
        shorter = name.removeprefix(f'{self.images}/')
        return shorter if name not in there else name


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix('').as_posix().replace('/', '__')
