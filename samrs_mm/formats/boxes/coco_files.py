"""COCO files in a folder, and the folders that their images are in."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from samrs_mm.core.path_ends import PathEnds, without_root
from samrs_mm.formats.boxes.label_lists import PARTS
from samrs_mm.formats.foreign import is_coco

_HEAD = 1 << 24
_FILE_NAME = re.compile(r'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_OF_BOXES = 'instances_'
_PART = re.compile(rf'(?:^|[_.-])({"|".join(PARTS)})(?:\d{{4}})?(?:[_.-]|$)', re.IGNORECASE)


def coco_files(root: Path, names: Iterable[str], most: int | None = None) -> list[tuple[str, str]]:
    """Return the COCO files of a folder that have images in it, and the folder of each's images.

    If none has, but there is one COCO file, that is it, with '' for the folder.

    Where there are ``instances_*.json``, as in COCO's own layout, other files beside them
    (captions, key points, stuff) are not taken.

    Args:
        root: The folder.
        names: Its files, relative to it, with forward slashes.
        most: How many JSON files of a folder are looked at; None looks at all.
    """
    names = list(names)
    taken = [name for name in first_of_each(names, '.json', most) if is_coco(root / name)]
    with_boxes = {_folder(name) for name in taken if _own_name(name).startswith(_OF_BOXES)}
    found, without = [], []
    for name in taken:
        if _folder(name) in with_boxes and not _own_name(name).startswith(_OF_BOXES):
            continue
        image = first_image(root / name)
        if image and (folder := image_folder(image, name, names)):
            found.append((name, folder))
        else:
            without.append((name, ''))
    return found or (without if len(without) == 1 else [])


def first_of_each(
    names: Sequence[str],
    suffix: str,
    most: int | None,
    wanted: Callable[[str], bool] = bool,
) -> Iterator[str]:
    """Yield the first wanted files of each folder that end in a suffix; None yields all."""
    counts: dict[str, int] = {}
    for name in sorted(name for name in names if name.lower().endswith(suffix)):
        folder = _folder(name)
        if most is not None and counts.get(folder, 0) >= most:
            continue
        if wanted(name):
            counts[folder] = counts.get(folder, 0) + 1
            yield name


def part_of_file(name: str) -> str | None:
    """Return the part of a dataset that the name of a COCO file says; None of others.

    Example:
        >>> part_of_file('annotations/instances_val2017.json'), part_of_file('boxes.json')
        ('val', None)
    """
    match = _PART.search(PurePosixPath(name).stem)
    return PARTS[match[1].lower()] if match else None


def first_image(path: Path) -> str:
    """Return the first ``file_name`` of a COCO file; '' if it has none."""
    try:
        with path.open('rb') as file:
            found = _FILE_NAME.search(file.read(_HEAD).decode('utf-8', errors='replace'))
    except OSError:
        return ''
    return found[1].replace('\\\\', '/').replace('\\/', '/') if found else ''


def image_folder(image: str, json: str, names: Iterable[str]) -> str:
    """Return the folder from which a file name leads to an image; '' if there is none.

    Below it lies what the end of an absolute path means, as of another machine.
    """
    beside = _folder(json)
    if (rest := without_root(image)) is not None:
        found = PathEnds(names).ending_in(rest)
        below = [name for name in found if beside == '.' or name.startswith(f'{beside}/')]
        return (beside if below else '.') if found else ''
    folders = [
        name[: -len(image)].rstrip('/') or '.'
        for name in names
        if name == image or name.endswith(f'/{image}')
    ]
    return beside if beside in folders else min(folders, default='')


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()


def _own_name(name: str) -> str:
    return PurePosixPath(name).name
