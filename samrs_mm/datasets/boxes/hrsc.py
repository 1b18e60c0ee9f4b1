"""HRSC2016."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

from samrs_mm.core import masks
from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage
from samrs_mm.datasets.boxes.base import (
    BoxDataset,
    Scene,
    pair_scenes,
    read_bytes,
    read_names,
)
from samrs_mm.formats.boxes.labels import ParsedLabels, PlaceNamer
from samrs_mm.formats.boxes.xml_tree import BadElementError, Element, read_boxes, read_xml
from samrs_mm.registry import BOX_DATASETS

CATEGORY = 'ship'

_SPLITS = ('train', 'val', 'test')
_MASKS = ('LandMask', 'Segmentations')
_HBOX = ('box_xmin', 'box_ymin', 'box_xmax', 'box_ymax')
_RBOX = ('mbox_cx', 'mbox_cy', 'mbox_w', 'mbox_h', 'mbox_ang')


@BOX_DATASETS.register_module()
class HRSC2016BoxDataset(BoxDataset):
    """HRSC2016: harbour images of 300 to 1,500 px a side, with H-Boxes and R-Boxes of ships.

    Layout: ``FullDataSet/{AllImages,Annotations}`` with 1,680 images and ``ImageSets``, which lists
    436 train, 181 val and 453 test images; or ``Test/`` alone with the same two folders.
    Classes: one, ship.
    Labels: XML with ``box_xmin`` ... and ``mbox_cx`` ... for each ship; some have a true mask.
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


def parse_hrsc(data: bytes, file: str) -> ParsedLabels:
    """Read one HRSC2016 label file.

    H-Box and R-Box were annotated separately, so neither is made from the other. ``mbox_ang`` is
    taken as it stands: radians, along the long side, x right and y down (the ``header_x, header_y``
    of the files agree with that; negated, as BboxToolkit has it, they do not).

    Args:
        data: The file's bytes; often GB2312.
        file: Name for box ids, relative to the data root.

    Returns:
        Boxes with ``hbox`` or ``rotated`` or both set, all called 'ship', and one problem for each
        object that can't be read.

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_boxes(_objects(data, file), file, _box)


def mask_colours(data: bytes, file: str) -> dict[str, tuple[int, int, int]]:
    """Return the colours under which a file's objects are drawn in its picture of masks.

    Args:
        data: The file's bytes; often GB2312.
        file: Name for box ids, relative to the data root.

    Returns:
        ``<seg_color>`` as RGB by box id, of the objects where it isn't missing or blank (most
        files of the release have none).

    Raises:
        LabelReadError: The file as a whole can't be read, or a colour is none.
    """
    colours, name_place = {}, PlaceNamer(file)
    for element in _objects(data, file):
        place = name_place(element.line)
        found = element.first('seg_color')
        if found is None or not found.text:
            continue
        parts = [part.strip() for part in found.text.split(',')]
        if len(parts) != 3 or not all(p.isdecimal() and int(p) < 256 for p in parts):
            raise LabelReadError(
                f'{place}: <seg_color> is {found.text[:60]!r}; allowed: three numbers r,g,b to 255'
            )
        colours[place] = tuple(map(int, parts))
    return colours


def _objects(data: bytes, file: str) -> Iterator[Element]:
    root = read_xml(data, file, 'HRSC_Image')
    return (obj for group in root.all('HRSC_Objects') for obj in group.all('HRSC_Object'))


def _box(element: Element, box_id: str) -> BoxLabel:
    hbox, rotated = element.numbers(_HBOX), element.numbers(_RBOX)
    if hbox is None and rotated is None:
        raise BadElementError('<HRSC_Object> has neither box_xmin ... nor mbox_cx ...')
    return BoxLabel(box_id, CATEGORY, hbox=hbox, rotated=rotated)
