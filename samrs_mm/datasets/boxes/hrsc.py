"""HRSC2016."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage
from samrs_mm.datasets.boxes.base import (
    BoxDataset,
    Scene,
    pair_scenes,
    read_bytes,
    read_names,
)
from samrs_mm.formats.boxes.hrsc import mask_colours, parse_hrsc
from samrs_mm.formats.boxes.labels import ParsedLabels
from samrs_mm.registry import BOX_DATASETS

_SPLITS = ('train', 'val', 'test')
_MASKS = ('LandMask', 'Segmentations')


@BOX_DATASETS.register_module()
class HRSC2016BoxDataset(BoxDataset):
    """HRSC2016: ``FullDataSet/{AllImages,Annotations}`` and ``ImageSets``, or ``Test/`` alone.

    Ships with H-Boxes and R-Boxes, 300 to 1,500 px a side; ``ImageSets`` lists 436 train, 181 val
    and 453 test images, ``FullDataSet`` holds 1,680. One class, ship.
    Source: Liu et al. 2017, doi:10.5220/0006120603240331.

    Args:
        data_root: Folder of the dataset.
        classes: As in ``BoxDataset``.
        split: ``'train'``, ``'val'``, ``'trainval'``, ``'test'``, or ``'all'`` for every image of
            ``FullDataSet``, listed or not.

    Raises:
        RefusedError: As in ``BoxDataset``, or there is no such split.
    """

    layout = (
        'FullDataSet/AllImages/*.bmp, FullDataSet/Annotations/*.xml and ImageSets/*.txt, '
        'or Test/ with AllImages and Annotations'
    )
    truth_options: ClassVar = {}

    def __init__(
        self,
        data_root: str,
        classes: tuple[str, ...] | str | None = None,
        split: str = 'test',
    ):
        allowed = (*_SPLITS, 'trainval', 'all')
        if split not in allowed:
            raise RefusedError(f'dataset.split={split!r}; allowed: {", ".join(allowed)}')
        self.split = split
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of the split; a listed id without any file is a missing image."""
        lists = {split: read_names(self.root / f'ImageSets/{split}.txt') for split in _SPLITS}
        lists['trainval'] = read_names(self.root / 'ImageSets/trainval.txt') or [
            *lists['train'],
            *lists['val'],
        ]
        split_of = {stem: split for split in _SPLITS for stem in lists[split]}
        if self.split == 'all':
            return [
                replace(scene, split=split_of.get(scene.stem))
                for scene in self._pair('FullDataSet')
            ]
        wanted = lists[self.split]
        if not wanted or not (self.root / 'FullDataSet').is_dir():
            return self._folder_of_split()
        there = self._pair('FullDataSet')
        absent = set(wanted) - {scene.stem for scene in there}
        chosen = [scene for scene in there if scene.stem in set(wanted)]
        chosen += [Scene(stem, f'FullDataSet/AllImages/{stem}.bmp', None) for stem in absent]
        return sorted(
            (replace(scene, split=split_of.get(scene.stem, self.split)) for scene in chosen),
            key=lambda scene: scene.stem,
        )

    def _folder_of_split(self) -> list[Scene]:
        """Return the scenes of ``Test/`` or ``Train/``, for a download without the lists."""
        folder = self.split.capitalize()
        if (self.root / 'FullDataSet').is_dir() and not (self.root / folder).is_dir():
            raise RefusedError(
                f'{self.root}: no ImageSets/{self.split}.txt to say which images of FullDataSet '
                f'are {self.split} images; add it, or set dataset.split=all'
            )
        return self._pair(folder, self.split)

    def _pair(self, folder: str, split: str | None = None) -> list[Scene]:
        folders = f'{folder}/AllImages', f'{folder}/Annotations'
        return pair_scenes(self.root, *folders, '.xml', split=split)

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file."""
        return parse_hrsc(read_bytes(self.root / scene.label), scene.label)

    def ground_truth_of(self, index: int) -> dict[str, dict]:
        """Return the masks of scene ``index`` as COCO RLE by box id, of the ships that have one.

        A ship's mask is the colour ``<seg_color>`` of ``LandMask/STEM.png`` (or of
        ``Segmentations/``) beside ``Annotations/``; 124 of the test images have such colours.

        Raises:
            LabelReadError: The label file can't be read, or a colour is none.
            ImageReadError: There are colours, but the picture of masks is missing or unreadable.
        """
        scene = self.scenes[index]
        if scene.label is None:
            return {}
        colours = mask_colours(read_bytes(self.root / scene.label), scene.label)
        if not colours:
            return {}
        picture = SceneImage(self._mask_picture(scene)).read()
        return {
            box_id: masks.encode((picture == colour).all(axis=2))
            for box_id, colour in colours.items()
        }

    def _mask_picture(self, scene: Scene) -> Path:
        base = self.root / PurePosixPath(scene.label).parents[1]
        stem = PurePosixPath(scene.label).stem
        paths = [base / f / f'{stem}{suffix}' for f in _MASKS for suffix in IMAGE_SUFFIXES]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise ImageReadError(
                f'{paths[0]}: no such picture of masks, though {scene.label} names colours in it'
            )
        return found
