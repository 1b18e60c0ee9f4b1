"""All COCO files of a dataset in one, as COCO itself and Roboflow lay them out: one file a part."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import walk_names
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.paired import part_lines, stem_of
from samrs_mm.formats.boxes.coco_files import coco_files, part_of_file
from samrs_mm.formats.boxes.label_lists import ImageParts
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class COCOPartsBoxDataset(BoxDataset):
    """Several COCO files, each a part of one dataset.

    Layout: ``annotations/instances_train2017.json``, ``instances_val2017.json`` and ``train2017/``,
    ``val2017/``, as COCO has it, ``train/_annotations.coco.json`` beside the images, as Roboflow
    has it, or any other files and folders. An image ``train2017/a.jpg`` gets the stem
    ``train2017__a``.
    Parts: those of the files' images, else of folders, else of the files' names.
    Classes: the files' categories by id; an id has one name in all of them. A category that is only
    the heading (``supercategory``) of others, as Roboflow's first, is none.
    Labels: see ``COCOBoxDataset``.

    Args:
        classes: As in ``BoxDataset``.
        ann_files: The files, relative to the root; None takes all that are there.
        bbox: As in ``COCOBoxDataset``, likewise ``ground_truth``.

    Raises:
        RefusedError: As in ``COCOBoxDataset``; there is no file; two files name one image; or an id
            has two names and the config fixes no classes.
    """

    layout = 'COCO files and folders of images, such as annotations/instances_*.json and train2017/'
    truth_options = dict(ground_truth=True)

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        ann_files: Sequence[str] | None = None,
        bbox: str | None = None,
        ground_truth: bool = False,
    ):
        self._given = ann_files
        self._options: dict[str, Any] = dict(bbox=bbox, ground_truth=ground_truth)
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of all files, and of images beside these that no file lists."""
        names = list(walk_names(self.root))
        found = coco_files(self.root, names)
        if self._given is not None:
            folders = dict(found)
            found = [(name, folders.get(name, '')) for name in self._given]
        if not found:
            raise RefusedError(f'{self.root}: no COCO file in it; expected {self.layout}')
        self.files = [
            COCOBoxDataset(str(self.root), None, name, folder or None, **self._options)
            for name, folder in found
        ]
        self._owners: dict[str, tuple[COCOBoxDataset, int]] = {}
        scenes: dict[str, Scene] = {}
        bare: dict[str, Scene] = {}
        for part in self.files:
            for index, scene in enumerate(part.scenes):
                if scene.label is None:
                    bare[stem_of(scene.image or '')] = scene
                    continue
                stem = _stem(part, scene)
                if stem in scenes:
                    raise RefusedError(
                        f'{scenes[stem].label} and {scene.label} both list the image '
                        f'{scene.image or scene.stem}; name the files to take, such as '
                        f'--cfg-options dataset.ann_files=[{scene.label}]'
                    )
                split = scene.split or part_of_file(part.ann_file)
                scenes[stem] = Scene(stem, scene.image, scene.label, split)
                self._owners[stem] = part, index
        for stem, scene in bare.items():
            scenes.setdefault(stem, Scene(stem, scene.image, None, scene.split))
        self.label_notes = [
            f'{counted(len(self.files), "COCO file")}: {", ".join(name for name, _ in found)}',
            *part_lines(ImageParts(), list(scenes.values())),
            *(note for part in self.files for note in part.label_notes),
            *self._notes_of_headings(),
        ]
        return list(scenes.values())

    def _notes_of_headings(self) -> list[str]:
        return [
            f'category {key} {name!r} is only the supercategory of others and has no box: no class'
            for key, name in self._headings().items()
        ]

    def _headings(self) -> dict[Any, str]:
        """Return the categories that are headings in every file, by id."""
        shared = set.intersection(*(part.coco.headings for part in self.files))
        return {key: name for key, name in self.files[0].coco.categories.items() if key in shared}

    def listed_classes(self) -> dict[Any, str]:
        """Return the names of the files' categories by id.

        Raises:
            RefusedError: An id has two names.
        """
        first: dict[Any, tuple[str, str]] = {}
        for part in self.files:
            for key, name in part.coco.categories.items():
                other, file = first.setdefault(key, (name, part.ann_file))
                if other != name:
                    raise RefusedError(
                        f'category {key} is {other!r} in {file} and {name!r} in {part.ann_file}; '
                        'list the classes in the order wanted: --cfg-options dataset.classes=[...]'
                    )
        headings = self._headings()
        return {key: name for key, (name, _) in first.items() if key not in headings}

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes of a scene."""
        part, index = self._owners[scene.stem]
        return part.parse(part.scenes[index])

    def no_image(self, index: int) -> str:
        """See ``BoxDataset``."""
        part, row = self._owners[self.scenes[index].stem]
        return part.no_image(row)

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return the true masks of scene ``index``; see ``COCOBoxDataset``."""
        scene = self.scenes[index]
        if scene.stem not in self._owners:
            return {}
        part, row = self._owners[scene.stem]
        part.rule = self.rule
        return part.ground_truth_of(row)


def _stem(part: COCOBoxDataset, scene: Scene) -> str:
    """Return the stem of a scene of a part: its path from the root, without layout folders."""
    if scene.image is not None:
        return stem_of(scene.image)
    folder = stem_of(PurePosixPath(part.images, 'x').as_posix()).removesuffix('x')
    return folder + scene.stem
