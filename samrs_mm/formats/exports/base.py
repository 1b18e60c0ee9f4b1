"""What all exports share: one image at a time, and a count of what a format can't hold."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTANCES = 'instances'
"""The count of what was written; all other counts of an export are of what was lost or changed."""


@dataclass(frozen=True)
class ExportImage:
    """One image of an annotated folder.

    Args:
        stem: Name of its files.
        file: Name of the image file in the export.
        width: Width in pixels.
        height: Height in pixels.
        semantic: Its label map in the annotated folder.
        boxes: The kept boxes of its record.
    """

    stem: str
    file: str
    width: int
    height: int
    semantic: Path
    boxes: list[dict]


class Export(ABC):
    """A dataset in another format, in one folder.

    ``convert`` is called for each image, in any process; ``collect`` with its results, in the order
    of the images and in one process; then ``finish``.

    Args:
        out: The folder; it exists and is empty.
        classes: Class names; the index is the pixel value.

    Attributes:
        folders: Sub-folders that ``convert`` writes to.
        losses: What the format can't hold, in words, by the name of its count.
        unlabelled: What becomes of pixels that no mask covers (255), in words.
    """

    folders: tuple[str, ...] = ()
    losses: dict[str, str] = {}
    unlabelled: str

    def __init__(self, out: Path, classes: Sequence[str]):
        self.out, self.classes = Path(out), tuple(classes)
        for name in self.folders:
            (self.out / name).mkdir()

    @abstractmethod
    def convert(self, image: ExportImage) -> tuple[Any, Counter]:
        """Write an image's own files; return what ``collect`` wants, and the counts."""

    def collect(self, image: ExportImage, converted: Any) -> None:  # noqa: B027 (formats without such files)
        """Take the result of an image."""

    def finish(self) -> None:  # noqa: B027
        """Write the files of the whole set."""
