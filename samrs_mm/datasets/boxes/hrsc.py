"""HRSC2016."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from samrs_mm.core import masks
from samrs_mm.core.boxes import BadBoxError, BoxLabel, ParsedLabels
from samrs_mm.core.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.core.found_files import as_there
from samrs_mm.core.images import IMAGE_SUFFIXES, SceneImage
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene, pair_scenes
from samrs_mm.datasets.boxes.label_files import read_names
from samrs_mm.formats.boxes.xml_tree import (
    Element,
    marks_of,
    numbers,
    objects_of,
    read_labels,
    read_xml,
    text_of,
)
from samrs_mm.registry import BOX_DATASETS

CATEGORY = 'ship'

_SPLITS = ('train', 'val', 'test')
_MASKS = ('LandMask', 'Segmentations')
_HBOX = ('box_xmin', 'box_ymin', 'box_xmax', 'box_ymax')
_RBOX = ('mbox_cx', 'mbox_cy', 'mbox_w', 'mbox_h', 'mbox_ang')
_ROOT, _OBJECTS = 'HRSC_Image', ('HRSC_Objects/HRSC_Object',)
_SIZE = ('Img_SizeWidth', 'Img_SizeHeight')


@BOX_DATASETS.register_module()
class HRSC2016BoxDataset(BoxDataset):
    """HRSC2016: harbour images of 300 to 1,500 px a side, with H-Boxes and R-Boxes of ships.

    Layout: ``FullDataSet/{AllImages,Annotations}`` with 1,680 images and ``ImageSets``, which lists
    436 train, 181 val and 453 test images; or ``Test/`` alone with the same two folders.
    Classes: one, ship.
    Labels: XML with ``box_xmin`` ... and ``mbox_cx`` ... for each ship; some have a true mask.
    Source: Liu et al. 2017, doi:10.5220/0006120603240331.

    Args:
        split: ``'train'``, ``'val'``, ``'trainval'``, ``'test'``, or ``'all'`` for every image of
            ``FullDataSet``, listed or not.

    Raises:
        RefusedError: As in ``BoxDataset``, or there is no such split.
    """

    layout = (
        'FullDataSet/AllImages/*.bmp, FullDataSet/Annotations/*.xml and ImageSets/*.txt, '
        'or Test/ with AllImages and Annotations'
    )
    truth_options: ClassVar[dict[str, Any] | None] = {}
    empty_truth: ClassVar[str] = 'zero'

    def __init__(self, data_root: str, classes: ClassNames = None, split: str = 'test'):
        allowed = (*_SPLITS, 'trainval', 'all')
        if split not in allowed:
            raise RefusedError(f'dataset.split={split!r}; allowed: {", ".join(allowed)}')
        self.split = split
        super().__init__(data_root, classes)

    def index(self) -> list[Scene]:
        """Return the scenes of the split; a listed id without any file is a missing image."""
        lists = {split: self._listed(split) for split in _SPLITS}
        split_of = {stem: split for split, stems in lists.items() for stem in stems}
        lists['trainval'] = self._listed('trainval') or lists['train'] + lists['val']
        every, whole = self.split == 'all', as_there(self.root, 'FullDataSet')
        if not every and not (lists[self.split] and (self.root / whole).is_dir()):
            return self._folder_of_split()
        scenes = self._pair(whole)
        there = {scene.stem for scene in scenes}
        wanted = there if every else set(lists[self.split])
        scenes += [Scene(s, f'{whole}/AllImages/{s}.bmp', None) for s in wanted - there]
        default = None if every else self.split
        return [
            replace(scene, split=split_of.get(scene.stem, default))
            for scene in scenes
            if scene.stem in wanted
        ]

    def _listed(self, split: str) -> list[str]:
        return read_names(self.root / as_there(self.root, f'ImageSets/{split}.txt'))

    def _folder_of_split(self) -> list[Scene]:
        """Return the scenes of ``Test/`` or ``Train/``, for a download without the lists."""
        folder = as_there(self.root, self.split.capitalize())
        whole = self.root / as_there(self.root, 'FullDataSet')
        if whole.is_dir() and not (self.root / folder).is_dir():
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
        return parse_hrsc(*self.read(scene))

    def truth_files(self, index: int) -> list[Path]:
        """Return the picture of masks of scene ``index``, if there is one."""
        label = self.scenes[index].label
        paths = self._mask_files(label) if label is not None else []
        return [path for path in paths if path.is_file()][:1]

    def _mask_files(self, label: str) -> list[Path]:
        """Return where the picture of masks that goes with a label file may be."""
        place = self.root / label
        folders = [place.parents[1] / as_there(place.parents[1], name) for name in _MASKS]
        return [folder / f'{place.stem}{suffix}' for folder in folders for suffix in IMAGE_SUFFIXES]

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
        colours = mask_colours(*self.read(scene))
        if not colours:
            return {}
        found = self.truth_files(index)
        if not found:
            raise ImageReadError(
                f'{self._mask_files(scene.label)[0]}: no such picture of masks, though '
                f'{scene.label} names colours in it'
            )
        picture = SceneImage(found[0], stored=True).read()
        return {
            box_id: masks.encode((picture == colour).all(axis=2))
            for box_id, colour in colours.items()
        }


def parse_hrsc(data: bytes, file: str) -> ParsedLabels:
    """Read one HRSC2016 label file, often GB2312, called ``file`` in box ids.

    H-Box and R-Box were annotated separately, so neither is made from the other. ``mbox_ang`` is
    taken as it stands: radians, along the long side, x right and y down (the ``header_x, header_y``
    of the files agree with that; negated, as BboxToolkit has it, they do not).

    Raises:
        LabelReadError: The file as a whole can't be read.
    """
    return read_labels(data, file, _ROOT, _OBJECTS, _box, _SIZE)


def mask_colours(data: bytes, file: str) -> dict[str, tuple[int, ...]]:
    """Return the colours under which a file's objects are drawn in its picture of masks.

    They are ``<seg_color>`` as RGB by box id, of the objects where it isn't missing or blank (most
    files of the release have none).

    Raises:
        LabelReadError: The file as a whole can't be read, or a colour is none.
    """
    colours = {}
    for box_id, element in objects_of(read_xml(data, file, _ROOT), file, _OBJECTS):
        found = element.find('seg_color')
        text = '' if found is None else text_of(found)
        if not text:
            continue
        parts = [part.strip() for part in text.split(',')]
        if len(parts) != 3 or not all(p.isdecimal() and int(p) < 256 for p in parts):
            raise LabelReadError(
                f'{box_id}: <seg_color> is {text[:60]!r}; allowed: three numbers r,g,b to 255'
            )
        colours[box_id] = tuple(map(int, parts))
    return colours


def _box(box_id: str, element: Element) -> BoxLabel:
    hbox, rotated = numbers(element, _HBOX), numbers(element, _RBOX)
    if hbox is None and rotated is None:
        raise BadBoxError('<HRSC_Object> has neither box_xmin ... nor mbox_cx ...')
    return BoxLabel(box_id, CATEGORY, hbox=hbox, rotated=rotated, **marks_of(element))
