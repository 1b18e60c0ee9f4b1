"""What a folder of another layout than the config's looks like, for messages."""

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath

from samrs_mm.core.found_files import walk_names
from samrs_mm.core.images import IMAGE_SUFFIXES
from samrs_mm.formats.boxes.coco_files import first_image, image_folder
from samrs_mm.formats.foreign import foreign_file

_LOOKED_AT = 20_000
_MOST_FILES = 3
_PART = re.compile(r'^(train|val|trainval|test)/')


def layout_hint(root: Path) -> str:
    """Return what a folder seems to be and which config reads it, to end a message; '' if unknown.

    Only the names of the first files are looked at, and a few json files.
    """
    names = list(islice(walk_names(root), _LOOKED_AT))
    lower = [name.lower() for name in names]
    if _any(lower, 'labeltxt', '.txt'):
        return ". It looks like DOTA's layout; a dota config reads it"
    if options := coco_options(root, names):
        return (
            f'. A coco config reads the COCO files there with --cfg-options {" or ".join(options)}'
            + (', each into an --out of its own, or --from auto all of them' * (len(options) > 1))
        )
    if _any(lower, 'annotations', '.xml'):
        return '. It looks like Pascal VOC; a voc config reads it'
    if _any(lower, 'labels', '.txt') or {'data.yaml', 'classes.txt'} & set(lower):
        return '. It looks like YOLO; a yolo config reads it'
    if folder := _text_folder(names):
        return (
            f'. If {folder} holds the labels of DOTA, a dota config reads them with --cfg-options '
            f'dataset.labels={_PART.sub("", folder)}'
        )
    for name in sorted(name for name in names if name.lower().endswith(('.json', '.xml'))):
        if hint := foreign_file(root / name):
            return f'. There is {name}: {hint}'
    file = min((name for name in names if name.lower().endswith('.json')), default='')
    return f'. If {file} is a COCO file, --cfg-options dataset.ann_file={file} reads it' * bool(
        file
    )


def coco_options(root: Path, names: Iterable[str]) -> list[str]:
    """Return the options with which a COCO config reads the first COCO files of a folder.

    ``names`` are its files, relative to it, with forward slashes.
    """
    names = list(names)
    found = []
    for name in sorted(name for name in names if name.lower().endswith('.json')):
        image = first_image(root / name)
        if image and (folder := image_folder(image, name, names)):
            found.append(f'dataset.ann_file={name} dataset.images={folder}')
    return found[:_MOST_FILES]


def _text_folder(names: Iterable[str]) -> str:
    """Return the first folder with a text file that is called like an image; '' if none has."""
    paths = [PurePosixPath(name) for name in names]
    stems = {path.stem for path in paths if path.suffix.lower() in IMAGE_SUFFIXES}
    folders = {
        path.parent.as_posix()
        for path in paths
        if path.suffix.lower() == '.txt' and path.stem in stems
    }
    return min(folders - {'.'}, default='')


def _any(names: list[str], folder: str, suffix: str) -> bool:
    return any(name.endswith(suffix) and folder in name.split('/')[:-1] for name in names)
