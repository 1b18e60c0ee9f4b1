"""What all exports share: one image at a time, and a count of what a format can't hold."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from samrs_mm.formats.annotated.entries import HELD
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.labelled_image import LabelledImage

INSTANCES = 'instances'
"""The count of what was written; most other counts of an export are of what was lost or changed."""
FLAGS = 'flags'
"""The count of instances that lost flags of their labels, such as ``difficult``."""


class Export(ABC):
    """A dataset in another format, in one folder.

    ``convert`` is called for each image, in any process; ``collect`` with its results, in the order
    of the images and in one process; then ``finish``. ``out`` exists and is empty; the place of a
    class name is its pixel value.
    """

    folders: tuple[str, ...] = ()
    """Sub-folders that ``convert`` writes to."""
    losses: dict[str, str] = {}
    """What the format can't hold, in words, by the name of its count."""
    holds: tuple[str, ...] = HELD
    """Statuses of the boxes that the format holds."""
    unit: str = 'instance'
    """What is counted as ``INSTANCES``, in words."""
    by_part: bool = False
    """Whether its readers know parts of a dataset, such as train and val."""
    own_images: bool = False
    """Whether the export writes the image files itself, in whatever form its readers want."""
    unlabelled: str
    """What pixels that no mask covers (255) are in the format, in words."""

    def __init__(self, out: Path, classes: Sequence[str]):
        self.out, self.classes = Path(out), tuple(classes)
        for name in self.folders:
            (self.out / name).mkdir()

    @classmethod  # noqa: B027 (formats that hold all)
    def check_classes(cls, classes: Sequence[str]) -> None:
        """Raise RefusedError where the format can't tell the classes apart."""

    @classmethod
    def arrange(cls, parts: dict[str, list[LabelledImage]]) -> dict[str, list[LabelledImage]]:
        """Return the images of each folder to write by its name, '' for ``out`` itself.

        They are given by part of the dataset, '' where it has none. Raises RefusedError where the
        format's readers would not find them.
        """
        return parts

    @abstractmethod
    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[Any, Counter]:
        """Write an image's own files; return what ``collect`` wants, and the counts.

        The kept boxes of its record are exported; ``file`` is its image relative to ``out``.
        """

    def collect(self, converted: Any) -> None:  # noqa: B027 (formats without such files)
        """Take the result of an image."""

    def finish(self) -> Counter | None:
        """Write the files of the whole set; return counts beside those of its images, if any."""
        return None


def in_one_folder(parts: dict[str, list[LabelledImage]]) -> dict[str, list[LabelledImage]]:
    """Return the images of all parts of a dataset as one, each knowing its part by name."""
    images = [replace(image, split=name) for name, part in parts.items() for image in part]
    return {'': images}
