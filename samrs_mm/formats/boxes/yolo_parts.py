"""Which part each image of a YOLO dataset is of, by the paths in its data.yaml."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_list
from samrs_mm.core.wording import counted, plural
from samrs_mm.formats.boxes.label_lists import PARTS, ImageParts, by_end, listed
from samrs_mm.formats.boxes.label_places import IMAGE_FOLDERS
from samrs_mm.formats.boxes.yolo_names import yaml_values

_LAYOUT = {name.lower() for name in (*IMAGE_FOLDERS, 'labels')}


def yaml_parts(root: Path, file: Path, images: Sequence[str]) -> tuple[ImageParts, list[str]]:
    """Return the parts that ``train``, ``val`` and ``test`` of a data.yaml say, and notes.

    A value is a folder or a list of images, or several of these, from ``path`` on, from the folder
    of the file, or from ``root``; ``../train/images`` also means ``train/images`` there, as
    Ultralytics takes it. Paths of the machine that the file was written on are looked for by their
    ends. ``images`` are relative to the root.

    Raises:
        RefusedError: The file or a list that it names can't be read.
    """
    values, found, notes = yaml_values(file), ImageParts(), []
    ends, base = by_end(images), ''.join(values.get('path', ())[:1])
    for key, part in PARTS.items():
        for value in filter(None, values.get(key, ())):
            place = next(_places(root, file.parent, base, value), None)
            if place is None:
                notes.append(f'{file.name}: {key}: {value} is not in {root}; its images, not taken')
                continue
            names = images
            if (root / place).is_file():
                names, missing = _of_list(root, place, ends)
                if missing:
                    count = counted(len(missing), 'name')
                    are = plural(len(missing), 'is', 'are')
                    notes.append(f'{place}: {count} {are} no image of {root}, such as {missing[0]}')
            else:
                names = [n for n in images if place == '.' or n.startswith(f'{place}/')]
            for name in names:
                if found.of.setdefault(name, part) != part:
                    found.twice.append(name)
    if found.of:
        found.lists.append(file.name)
    return found, notes


def _of_list(root: Path, place: str, ends: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    names, missing = [], []
    for line in read_list(root / place):
        if here := listed(line, 'yolo', '', ends):
            names += here
        else:
            missing.append(line)
    return names, missing


def _places(root: Path, here: Path, base: str, value: str) -> Iterator[str]:
    """Yield the places below the root that a path may mean, the likeliest first."""
    path, start = (PurePosixPath(text.replace('\\', '/')) for text in (value, base))
    parts = [part for part in path.parts if part not in ('..', '.')]
    inner = PurePosixPath(*parts)
    foreign = path.is_absolute() or ':' in value
    wanted = [here / start / path, here / start / inner, here / path, here / inner, root / inner]
    if foreign:
        tails = [PurePosixPath(*parts[at:]) for at in range(1, len(parts))]
        wanted = [Path(value)]
        wanted += [root / tail for tail in tails if str(tail).lower() not in _LAYOUT]
    top = root.resolve()
    for each in wanted:
        try:
            real = each.resolve()
        except OSError as error:
            raise RefusedError(f'{value}: {error.strerror}') from error
        if real.exists() and real.is_relative_to(top):
            yield real.relative_to(top).as_posix()
