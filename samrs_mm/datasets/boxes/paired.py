"""What datasets share in which every image has a label file of its own, as in YOLO and VOC."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import BoxDataset, Scene
from samrs_mm.formats.boxes.label_lists import ImageParts, image_parts, part_of
from samrs_mm.formats.boxes.label_pairs import NO_IMAGE, UNREAD_PICTURE, LabelPairs, find_pairs
from samrs_mm.formats.boxes.label_places import IMAGE_FOLDERS

_LAYOUT = {name.lower() for name in (*IMAGE_FOLDERS, 'Annotations', 'labels')}


class PairedBoxDataset(BoxDataset):
    """A dataset of images and label files by ``label_pairs.find_pairs``, read in place.

    An image ``train/images/a.png`` gets the stem ``train__a``: the folders but for those of the
    layout. Its part (``split``) is that of the dataset's lists, else that of its folders' names. A
    label file without an image is a scene, too, whose boxes the ledger names.
    """

    source: ClassVar[str]
    """Format of the labels, see ``label_places.LABELS``."""

    def index(self) -> list[Scene]:
        """Return a scene for each image, and for each label file without one."""
        self.pairs = find_pairs(self.root, self.source)
        notes = self.survey(self.pairs)
        parts = self.parts(self.pairs)
        scenes = []
        for image in self.pairs.images:
            part = parts.of.get(image) or part_of(image)
            scenes.append(Scene(stem_of(image), image, self.pairs.labels.get(image), part))
        self._strays = {stem_of(name): hint for name, hint in self.pairs.strays.items()}
        taken = {scene.stem.lower() for scene in scenes}
        for name in self.pairs.strays:
            stem = stem_of(name)
            if stem.lower() in taken:  # an image of that name has its labels elsewhere
                stem = f'{stem}__without_image'
                self._strays[stem] = self.pairs.strays[name]
            scenes.append(Scene(stem, None, name, part_of(name)))
        self.label_notes = [*notes, *part_lines(parts, scenes), *self._other_files()]
        return scenes

    @abstractmethod
    def survey(self, pairs: LabelPairs) -> list[str]:
        """Find out what the label files need to be read, and return what users should know."""

    def parts(self, pairs: LabelPairs) -> ImageParts:
        """Return which part the images are of that lists name."""
        return image_parts(self.root, self.source, pairs.images)

    def _other_files(self) -> list[str]:
        lines = [f'{name}: {UNREAD_PICTURE}' for name in self.pairs.pictures]
        return lines + [
            f'passed over: {place}, which is {what} of this package'
            for place, what in sorted(self.pairs.passed_over.items())
        ]

    def no_image(self, index: int) -> str:
        """See ``BoxDataset``."""
        return NO_IMAGE + self._strays.get(self.scenes[index].stem, '')


def stem_of(name: str) -> str:
    """Return the name of an image's outputs: its folders but for those of the layout, and its own.

    Example:
        >>> stem_of('train/images/a.png')
        'train__a'
    """
    folders = [part for part in PurePosixPath(name).parts[:-1] if part.lower() not in _LAYOUT]
    return '__'.join([*folders, PurePosixPath(name).stem])


def part_lines(parts: ImageParts, scenes: Sequence[Scene]) -> list[str]:
    """Return which parts the images of a dataset are of, and by what, a line or two."""
    counts = Counter(scene.split for scene in scenes if scene.image)
    lines = []
    if any(counts):
        by = ', '.join(parts.lists) or 'the names of folders'
        held = ', '.join(f'{name} {counts[name]}' for name in sorted(filter(None, counts)))
        bare = f'; {counts[None]} of none' if counts[None] else ''
        lines.append(f'parts: {held} (by {by}){bare}')
    if parts.twice:
        images = counted(len(parts.twice), 'image is', 'images are')
        lines.append(
            f'{images} of two parts, such as {parts.twice[0]}; the first of train, val and test '
            'counts'
        )
    return lines
