"""Lists of phrases beside folders of images and masks: RefSegRS and RISBench."""

import re
from collections.abc import Iterable
from pathlib import Path

from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.found_files import as_there, files_by_stem
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.formats.referring.triplets import Triplet, Triplets

FOLDERS = {'RefSegRS': ('images', 'masks'), 'RISBench': ('img_rgb', 'mask')}
"""Folders of images and of masks, by layout."""
_LIST = re.compile(r'output_phrase_(\w+)\.txt')


def find_lists(root: Path) -> dict[str, str]:
    """Return the lists of phrases in a folder by their part of the dataset."""
    names = sorted(path.name for path in root.iterdir() if path.is_file())
    return {found[1]: name for name in names if (found := _LIST.fullmatch(name))}


def layout_of(root: Path) -> str | None:
    """Return whose layout the folders are in, or None."""
    for name, folders in FOLDERS.items():
        if all((root / as_there(root, folder)).is_dir() for folder in folders):
            return name
    return None


def read_lists(root: Path, layout: str, splits: Iterable[str]) -> Triplets:
    """Return the phrases of some lists of a folder, each with its image and mask.

    A line is ``NAME PHRASE``, of which the name is a file's, with or without suffix. Masks are
    pictures in which anything but 0 is meant.

    Raises:
        LabelReadError: A list can't be read.
    """
    images, pictures = (_Folder(root, name) for name in FOLDERS[layout])
    found = Triplets(layout)
    lists = find_lists(root)
    for split in splits:
        for number, line in enumerate(_lines(root / lists[split]), 1):
            place = f'{lists[split]}:{number}'
            words = line.split(maxsplit=1)
            if not words:
                continue
            image, mask = images.find(words[0]), pictures.find(words[0])
            if len(words) < 2:
                found.problems[place] = f'{line.strip()!r:.60}: no phrase; expected NAME PHRASE'
            elif image is None or mask is None:
                missing = images if image is None else pictures
                found.problems[place] = f'no file {words[0]!r:.60} in {missing.path}'
            else:
                phrase = ' '.join(words[1].split())
                found.triplets.append(Triplet(place, image, phrase, split, mask=mask))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding='utf-8-sig').splitlines()
    except OSError as error:
        raise LabelReadError(f'{path}: cannot read the list: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise LabelReadError(f'{path}: not text in UTF-8; save it as such') from error


class _Folder:
    """The pictures of a folder by name."""

    def __init__(self, root: Path, name: str):
        self.path = as_there(root, name)
        self._stems = files_by_stem(root / self.path, IMAGE_SUFFIXES)

    def find(self, name: str) -> str | None:
        """Return the file that a name with or without suffix means, relative to the root.

        With a suffix another one may stand there: masks are PNGs of JPEG images.
        """
        names = self._stems.get(name)
        if names is None and Path(name).suffix.lower() in IMAGE_SUFFIXES:
            names = self._stems.get(Path(name).stem)
            names = [name] if names and name in names else names
        return f'{self.path}/{names[0]}' if names else None
