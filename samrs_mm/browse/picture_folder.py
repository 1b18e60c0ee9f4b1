"""The folder that pictures are drawn into."""

from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.resumable import ResumableFolder

INDEX = 'index.txt'
MARK = '# drawn by browse_dataset.py'
"""Last line of ``INDEX``: what it lists may be deleted."""


class PictureFolder(ResumableFolder):
    """JPEG files and a list of them; a new run replaces what the list names."""

    def __init__(self, root: Path):
        super().__init__(root, INDEX)
        self.written: list[str] = []

    def listed(self) -> set[str] | None:
        """Return the files that an earlier run listed; None without a list of this tool."""
        text = self.record.read_text('utf-8', errors='replace') if self.record.exists() else ''
        *lines, mark = text.splitlines() or ['']
        return {Path(line.split('\t')[0]).name for line in lines} if mark == MARK else None

    def foreign(self) -> list[str]:
        """Return all files: they are looked at where there is no list of this tool."""
        return sorted(self.files())

    def clear(self) -> None:
        """Make the folder, and delete what an earlier run drew.

        Raises:
            RefusedError: It holds files of someone else, or can't be written to.
        """
        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            listed = self.listed()
            if listed is None:
                self.refuse_foreign()
            else:
                self.delete({*listed, INDEX} & self.files())

    def write(self, name: str, picture: np.ndarray, note: str = '') -> None:
        """Write a picture ``(H, W, 3)`` uint8 RGB as ``name.jpg``, and list it with a note.

        Raises:
            OSError: It can't be written.
        """
        encoded = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        self.written.append(f'{name}.jpg\t{note}'.rstrip())
        text = ''.join(f'{line}\n' for line in [*self.written, MARK])
        # The list first: a picture that isn't listed would be taken for someone else's.
        atomic_write(self.record, text.encode())
        atomic_write(self.root / f'{name}.jpg', encoded.tobytes())
