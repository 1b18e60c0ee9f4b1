"""The lists of a dataset in YOLO's or Pascal VOC's layout: which image is of which part."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from samrs_mm.core.found_files import composed, read_list, walk_names

PARTS = {'train': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'test'}
"""Parts of a dataset by the names that they bear."""

_LIST = {
    'yolo': re.compile(rf'()(?:autosplit_)?({"|".join(PARTS)})\.txt', re.IGNORECASE),
    'voc': re.compile(rf'((?:.*/)?)ImageSets/Main/({"|".join(PARTS)})\.txt', re.IGNORECASE),
}
"""Lists by format, with the folder that their names start from and the part."""


_PART = re.compile(rf'({"|".join(PARTS)})(\d{{4}})?', re.IGNORECASE)


def part_of(name: str) -> str | None:
    """Return the part of a dataset that the innermost folder of such a name says; None of others.

    Example:
        >>> part_of('images/train/a.png'), part_of('valid/images/a.png'), part_of('val2017/a')
        ('train', 'val', 'val')
    """
    for folder in reversed(PurePosixPath(name).parts[:-1]):
        if match := _PART.fullmatch(folder):
            return PARTS[match[1].lower()]
    return None


@dataclass
class ImageParts:
    """What the lists of a dataset say.

    Args:
        of: The part of each image that a list names: ``train``, ``val`` or ``test``.
        lists: The lists, relative to the root.
        twice: Images that lists of two parts name; the first of train, val and test counts.
    """

    of: dict[str, str] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


def image_parts(root: Path, source: str, images: Sequence[str]) -> ImageParts:
    """Return which part each image is of, by the lists that the format has.

    VOC has ``ImageSets/Main/train.txt`` (val, test) with names without a suffix, YOLO ``train.txt``
    (or ``autosplit_train.txt``) in the root with paths. Names that are no image's are passed over.

    Raises:
        RefusedError: A list can't be read.
    """
    found = ImageParts()
    matches = [match for name in walk_names(root) if (match := _LIST[source].fullmatch(name))]
    order = list(dict.fromkeys(PARTS.values()))
    ends = by_end(images)
    for match in sorted(matches, key=lambda m: (order.index(PARTS[m[2].lower()]), m[0])):
        part, before = PARTS[match[2].lower()], len(found.of)
        for line in read_list(root / match[0]):
            for image in listed(line, source, match[1], ends):
                if found.of.setdefault(image, part) != part:
                    found.twice.append(image)
        if len(found.of) > before:
            found.lists.append(match[0])
    return found


def by_end(images: Sequence[str]) -> dict[str, list[str]]:
    """Return images by file name without suffix, ``composed``, for ``listed``."""
    ends: dict[str, list[str]] = {}
    for image in images:
        ends.setdefault(composed(PurePosixPath(image).stem), []).append(image)
    return ends


def listed(line: str, source: str, folder: str, ends: dict[str, list[str]]) -> list[str]:
    """Return the images that a line of a list means, of those in ``ends`` (see ``by_end``)."""
    line = composed(line)
    if source == 'voc':  # lists of a class have a number at the end
        names = [PurePosixPath(text.replace('\\', '/')) for text in (line, line.split()[0])]
        likely = next((ends[n] for p in names for n in (p.name, p.stem) if n in ends), [])
        return [image for image in likely if image.startswith(folder)]
    path = PurePosixPath(line.replace('\\', '/'))
    for start in range(len(path.parts)):
        name = '/'.join(path.parts[start:])
        same = [image for image in ends.get(path.stem, ()) if composed(image) == name]
        if same:
            return same
    return []
