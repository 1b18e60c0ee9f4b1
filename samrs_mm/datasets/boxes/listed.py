"""What datasets share whose label files name their images: one file for many."""

import re
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.found_files import walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.core.path_ends import PathEnds
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.datasets.boxes.paired import part_lines, stem_of
from samrs_mm.formats.boxes.label_lists import PARTS, ImageParts, part_of
from samrs_mm.formats.boxes.shapes import ImageShapes


class ListedBoxDataset(BoxDataset):
    """A dataset whose images are named in a label file, read in place.

    An image is that at the path that the file names, from the root, from ``images`` or from the
    folder of the file on, or the only one below the root that ends in it, at last in its name. An
    image that no file names is taken without boxes where its folder holds a named one.

    Args:
        classes: As in ``BoxDataset``.
        labels: The label file, relative to the root or absolute; None takes all that are there.

    Raises:
        RefusedError: As in ``BoxDataset``; there is no such file; or two name one image.
    """

    suffix: ClassVar[str]
    """Of the label files."""
    what: ClassVar[str]
    """What they are, for messages."""
    prefix: ClassVar[str] = ''
    """Pattern of what the format's tool puts before the names of images."""
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(self, data_root: str, classes: ClassNames = None, labels: str | None = None):
        self._labels = labels
        self._shapes: dict[str, ImageShapes] = {}
        super().__init__(data_root, classes)

    @abstractmethod
    def read_file(self, path: Path, name: str) -> list[ImageShapes]:
        """Read one label file, called ``name`` in box ids.

        Raises:
            LabelReadError: It is none of this format, or can't be read.
        """

    @abstractmethod
    def is_label_file(self, path: Path) -> bool:
        """Whether a file looks like one of this format."""

    def index(self) -> list[Scene]:
        """Return a scene for each image, and for each one that is named and not there."""
        names = sorted(walk_names(self.root))
        images = [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
        places = _Places(images, self.prefix)
        scenes: dict[str, Scene] = {}
        folders, self._wanted = set(), {}
        for label in self._files(names):
            for shapes in self._read(label):
                image = places.find(shapes.image, label, shapes.subset)
                stem = stem_of(image or _plain(shapes.image))
                if stem in scenes:
                    raise RefusedError(
                        f'{label}: {shapes.image} is there twice, or {scenes[stem].label} names it '
                        f'too; give --cfg-options dataset.labels=FILE'
                    )
                part = PARTS.get(shapes.subset.lower()) or part_of(image or shapes.image)
                scenes[stem] = Scene(stem, image, label, part)
                self._shapes[stem] = shapes
                if image is None:
                    self._wanted[stem] = places.why_not(shapes.image)
                else:
                    folders.add(PurePosixPath(image).parent)
        taken = {scene.image for scene in scenes.values()}
        rest = [
            Scene(stem_of(name), name, None, part_of(name))
            for name in images
            if name not in taken and PurePosixPath(name).parent in folders
        ]
        found = [*scenes.values(), *rest]
        self.label_notes = [*part_lines(ImageParts(), found), *self.file_notes()]
        return found

    def _files(self, names: Iterable[str]) -> list[str]:
        if self._labels is not None:
            self.label_file = self._labels
            if not (self.root / self._labels).is_file():
                raise RefusedError(f'{self.root / self._labels}: no such file')
            return [self._labels]
        files = [
            name
            for name in names
            if name.lower().endswith(self.suffix) and self.is_label_file(self.root / name)
        ]
        if not files:
            raise RefusedError(
                f'data_root {self.root}: no {self.what} ({self.suffix}) in it; expected '
                f'{self.layout}, or give --cfg-options dataset.labels=FILE'
            )
        return files

    def _read(self, label: str) -> list[ImageShapes]:
        name = Path(label).name if Path(label).is_absolute() else label
        try:
            return self.read_file(self.root / label, name)
        except LabelReadError as error:
            raise RefusedError(str(error)) from error

    def file_notes(self) -> list[str]:
        """Return what users should know of the files, one line each."""
        return []

    def no_image(self, index: int) -> str:
        """See ``BoxDataset``."""
        return self._wanted.get(self.scenes[index].stem, super().no_image(index))

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes of a scene."""
        return self._shapes[scene.stem].labels

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return the polygons and masks of scene ``index``; see ``BoxDataset``."""
        scene = self.scenes[index]
        if scene.label is None:
            return {}
        return self.fitted_masks(index, self._shapes[scene.stem].truth)


class _Places:
    """The images of a dataset, by the ends of their paths."""

    def __init__(self, images: list[str], prefix: str):
        self._images, self._prefix, self._ends = set(images), prefix, PathEnds(images)

    def find(self, named: str, label: str, subset: str = '') -> str | None:
        """Return the image that a label file means by a path; None if there is none."""
        name, here = _plain(named), PurePosixPath(label).parent
        for start in ('', 'images', f'images/{subset}', here, here / 'images'):
            place = str(PurePosixPath(start) / name)
            if place in self._images:
                return place
        bare = re.sub(self._prefix, '', PurePosixPath(name).name) if self._prefix else ''
        ends = self._ends.ending_in(name) or (self._ends.ending_in(bare) if bare else [])
        return ends[0] if len(ends) == 1 else None

    def why_not(self, named: str) -> str:
        """Return why ``find`` found nothing."""
        ends = self._ends.ending_in(_plain(named))
        if ends:
            several = counted(len(ends), 'image')
            return f'{_plain(named)} may be {several}, such as {ends[0]} and {ends[1]}'
        return f'{_plain(named)} is not there'


def _plain(named: str) -> str:
    """Return a path of a label file with forward slashes, without a root or folders above.

    Characters that can't be shown in a line become question marks: no file is called so.
    """
    named = ''.join(letter if letter.isprintable() else '?' for letter in named)
    parts = PurePosixPath(named.replace('\\', '/')).parts
    return '/'.join(part for part in parts if part not in ('/', '..', '.')) or 'nameless'
