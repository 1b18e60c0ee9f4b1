"""Any dataset with boxes in a COCO json file."""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.found_files import as_there, folded, walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES, image_size
from samrs_mm.core.path_ends import PathEnds, without_root
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.datasets.boxes.label_files import check_path
from samrs_mm.datasets.boxes.layouts import coco_options, layout_hint
from samrs_mm.formats.boxes.coco import parse_coco
from samrs_mm.formats.boxes.label_lists import part_of
from samrs_mm.formats.boxes.label_source import refuse_changed_labels
from samrs_mm.formats.foreign import foreign_file
from samrs_mm.registry import BOX_DATASETS

_LOOKED_AT = 200


@BOX_DATASETS.register_module()
class COCOBoxDataset(BoxDataset):
    """Any dataset in COCO's format, with H-Boxes and, where the file has them, R-Boxes.

    Layout: ``annotations.json``, and ``images/`` or the images beside the json file; they may lie
    in sub-folders: ``a/b.png`` gets the stem ``a__b``. Folders called train, val, valid or test
    (or ``train2017``) are parts of the dataset, unless an image has a ``split``. An absolute path
    means the only image that its last parts fit.
    Classes: the file's categories by id, those without a box too, unless the config fixes them.
    Labels: H-Boxes from ``bbox``, R-Boxes from ``rbox`` (8 numbers) or from a 4-point
    ``segmentation``. Crowds (``iscrowd``) and what is to be ignored (``ignore``) are regions, not
    objects. Annotations whose image is not in the file stand under a scene of their own
    that has no image.
    Source of the format: https://cocodataset.org/#format-data.

    Args:
        classes: As in ``BoxDataset``.
        ann_file: The json file, relative to the root, or an absolute path; then its images are
            looked for below the root.
        images: Folder that the file names start from, relative to the root; None takes ``images``
            or the folder of ``ann_file``, where more of them are found.
        unlisted: Whether images that the file does not list are taken too, as images without
            boxes; only from folders that hold a listed one (``val2017/`` may have siblings).
        bbox: What the four numbers of ``bbox`` are: ``'xywh'``, as COCO has it, or ``'xyxy'``, two
            corners; None takes COCO's, and refuses a file whose numbers look like something else.
        ground_truth: Keep all ``segmentation`` entries in memory, for ``ground_truth_of``.

    Raises:
        RefusedError: As in ``BoxDataset``, the json file can't be read, or
            ``boxes_to_coco.py`` made it of label files that have changed since.
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
        bbox: str | None = None,
    ):
        if bbox not in (None, 'xywh', 'xyxy'):
            raise RefusedError(f"dataset.bbox={bbox!r}; allowed: 'xywh', 'xyxy' or None")
        self.bbox = bbox
        self.ann_file = self.label_file = Path(ann_file).as_posix()
        beside = '.' if self._elsewhere else Path(self.ann_file).parent.as_posix()
        self._beside = beside if images is None else None
        if images is None:
            usual = as_there(data_root, 'images')
            images = usual if Path(data_root, usual).is_dir() else beside
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
            raise RefusedError(
                f'{path}: cannot read the label file: {error.strerror}{layout_hint(self.root)}'
            ) from error
        if note := refuse_changed_labels(self.root, path):
            self.label_notes = [note]
        self._rows: dict[str, int] = {}
        there = self._find_images()
        scenes, folders = [], {PurePosixPath()}
        for row, name in enumerate(self._named(there)):
            part = self.coco.parts[row]
            scenes.append(self._scene(name, name in there, self.ann_file, part))
            self._rows[scenes[-1].stem] = row
            there.discard(name)
            folders.add(PurePosixPath(name).parent)
        self._refuse_strangers(scenes, there)
        self._check_bbox(scenes)
        if self.unlisted:
            scenes += [
                self._scene(name, True)
                for name in there
                if name.lower().endswith(IMAGE_SUFFIXES) and PurePosixPath(name).parent in folders
            ]
        if self.coco.unplaced.problems:
            scenes.append(Scene(f'{_stem(self._name)}__without_image', None, self.ann_file))
        return scenes

    def _named(self, there: set[str]) -> list[str]:
        """Return the images of the file, as they are called in the image folder if one is there.

        One that is there only in another case is taken, unless the file names that, too.

        Raises:
            RefusedError: A path leads out, or what an absolute one means is not clear.
        """
        ends = PathEnds(there)
        names = [self._inside(file_name, there, ends) for file_name in self.coco.file_names]
        self._refuse_unclear(names, there, ends)
        if there.issuperset(names):
            return names
        others: dict[str, list[str]] = {}
        for other in there.difference(names):
            others.setdefault(folded(other), []).append(other)
        counts = Counter(map(folded, names))
        for row, name in enumerate(names):
            found = others.get(folded(name), [])
            if name not in there and len(found) == counts[folded(name)] == 1:
                names[row] = found[0]
        return names

    def _refuse_unclear(self, names: Sequence[str], there: set[str], ends: PathEnds) -> None:
        """Refuse absolute paths that may be several images, or of which two are the same one."""
        known: dict[str, str] = {}
        for file_name, name in zip(self.coco.file_names, names, strict=True):
            other = known.setdefault(name, file_name)
            if without_root(file_name) is None:
                continue
            found = [] if name in there else ends.ending_in(name)
            if found or other != file_name:
                raise RefusedError(
                    f'{self.ann_file}: file_name {file_name!r} '
                    + (f'may be {counted(len(found), "image")}, such as {found[0]} and {found[1]}'
                       if found else f'and {other!r} would be the same image {name}')
                    + '; give its place from the folder of images on'
                )  # fmt: skip

    def _find_images(self) -> set[str]:
        """Return the files below the image folder; of two that may be it, the one that fits."""
        there = set(walk_names(self.root / self.images))
        if self._beside is None or self._beside == self.images:
            return there
        found = self._count(there)
        if found == len(self.coco.file_names):
            return there
        beside = set(walk_names(self.root / self._beside))
        if self._count(beside) > found:
            self.images, there = self._beside, beside
        return there

    def _count(self, there: set[str]) -> int:
        """Return how many images of the file are among the files of a folder."""
        ends = PathEnds(there)
        return sum(self._inside(name, there, ends) in there for name in self.coco.file_names)

    def _check_bbox(self, scenes: list[Scene]) -> None:
        """Refuse boxes whose numbers are not what COCO's are, as far as sizes of images tell."""
        if self.bbox == 'xyxy':
            self.coco.read_as_corners()
        form = 'xywh' if self.bbox else self.coco.form_of_boxes(self._some_sizes(scenes))
        if form == 'fractions':
            raise RefusedError(
                f'{self.ann_file}: all numbers of all bbox are within 0..1; COCO has pixels: '
                'multiply x and width by the width of the image, y and height by its height '
                '(--cfg-options dataset.bbox=xywh takes them as pixels)'
            )
        if form == 'xyxy':
            raise RefusedError(
                f'{self.ann_file}: all bbox fit their images as x0, y0, x1, y1, and most reach '
                'beyond them as x, y, width, height, which COCO has; give --cfg-options '
                'dataset.bbox=xyxy if they are corners, dataset.bbox=xywh if not'
            )

    def _some_sizes(self, scenes: list[Scene]) -> list[tuple[int, int] | None]:
        """Return the sizes that the file states, of the first images without one their own."""
        sizes, left = list(self.coco.sizes), _LOOKED_AT
        for row, scene in enumerate(scenes):
            if sizes[row] is None and scene.image is not None and left:
                left -= 1
                with contextlib.suppress(ImageReadError):
                    sizes[row] = image_size(self.root / scene.image)
        return sizes

    def _refuse_strangers(self, scenes: list[Scene], others: set[str]) -> None:
        """Refuse a json file and a folder of images that have no image in common."""
        images = sorted(name for name in others if name.lower().endswith(IMAGE_SUFFIXES))
        if not scenes or not images or any(scene.image for scene in scenes):
            return
        names = self.coco.file_names
        hint = _hint(names, images)
        everything = list(walk_names(self.root))
        for option in coco_options(self.root, everything):
            if option.startswith(f'dataset.ann_file={self.ann_file} '):
                hint += f'; --cfg-options {option} finds them'
        raise RefusedError(
            f'{self.ann_file}: none of its {counted(len(names), "image")} (such as '
            f'{names[0]!r}) is among the '
            f'{len(images)} in {self.root / self.images} (such as {images[0]!r}){hint}; mend '
            'file_name, or give --cfg-options dataset.images=FOLDER, from which the names start'
        )

    def listed_classes(self) -> dict[Any, str]:
        """Return the names of the file's categories by id."""
        return self.coco.categories

    def no_image(self, index: int) -> str:
        """See ``BoxDataset``; the json file names its images."""
        row = self._rows.get(self.scenes[index].stem)
        if row is None:
            return super().no_image(index)
        return f'{PurePosixPath(self.images, self.coco.file_names[row])} is not there'

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the scene's part of the json file."""
        row = self._rows.get(scene.stem)
        return self.coco.unplaced if row is None else self.coco.labels(row)

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return COCO segmentations (polygons or RLE) of scene ``index`` by box id.

        Needs ``ground_truth=True``. A 4-point polygon is in it too, also where it is the R-Box;
        the region of a crowd isn't.

        Raises:
            LabelReadError: See ``fitted_masks``.
        """
        row = self._rows.get(self.scenes[index].stem)
        if row is None:
            return {}
        return self.fitted_masks(index, self.coco.segmentations(row))

    def _scene(
        self, name: str, there: bool, label: str | None = None, part: str | None = None
    ) -> Scene:
        image = PurePosixPath(self.images, name).as_posix() if there else None
        return Scene(_stem(name), image, label, part or part_of(image or name))

    def _inside(self, file_name: str, there: set[str], ends: PathEnds) -> str:
        """Return a file name relative to the image folder (some files name the folder too).

        An absolute path, as of another machine, is the only file of the folder that it ends in.
        """
        name = file_name.replace('\\', '/')  # as Windows writes it
        if name not in there and (rest := without_root(file_name)) is not None:
            check_path(rest)
            found = ends.ending_in(rest)
            return found[0] if len(found) == 1 else rest
        check_path(name)
        name = PurePosixPath(name).as_posix()
        shorter = name.removeprefix(f'{self.images}/')
        return shorter if name not in there else name


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix('').as_posix().replace('/', '__')


def _hint(names: Sequence[str], images: Sequence[str]) -> str:
    """Return what of some file names would fit some images, to go on a message."""
    parts: dict[str, Callable[[PurePosixPath], str]] = {
        'their folders': lambda path: path.name,
        'their suffixes': lambda path: str(path.with_suffix('')),
        'folders and suffixes': lambda path: path.stem,
    }
    for what, part in parts.items():
        theirs, ours = (
            {part(PurePosixPath(each.replace('\\', '/'))) for each in group}
            for group in (names, images)
        )
        if theirs & ours:
            return f'; without {what} {len(theirs & ours)} would fit'
    return ''
