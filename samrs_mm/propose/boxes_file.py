"""Proposed boxes as a COCO file that our box datasets read, scores beside them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import file_sha256
from samrs_mm.core.side_files import NOTHING, side_files, side_sha256
from samrs_mm.core.wording import counted
from samrs_mm.propose.proposals import Proposals

DIGITS = 2
"""Decimals of coordinates in pixels."""
_SCORE_DIGITS = 4


class BoxesFile:
    """Gathers the boxes of images; ``write`` writes them.

    Args:
        classes: Class names by index; a category's id is the index + 1.
        info: What is to be known of them: settings, weights.
    """

    def __init__(self, classes: Sequence[str], info: dict[str, Any]):
        self._classes, self._info = list(classes), info
        self._images: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self, path: Path, sha256: str, width: int, height: int, boxes: Sequence[dict[str, Any]]
    ) -> None:
        """Add an image of so many pixels and its boxes, as ``plain_boxes`` returns them."""
        image = dict(file_name=str(path), width=width, height=height, sha256=sha256)
        image |= _beside(path)
        number = len(self._images) + 1
        self._images.append(dict(id=number) | image)
        for box in boxes:
            self._entries.append(dict(id=len(self._entries) + 1, image_id=number) | box)

    def write(self, target: Path) -> Path:
        """Write the file, whole or not at all; equal boxes, equal bytes.

        File names are relative to the folder that all images lie in.

        Returns:
            That folder.

        Raises:
            OSError: It can't be written.
        """
        root, names = _named([image['file_name'] for image in self._images])
        images = [
            dict(image, file_name=name) for image, name in zip(self._images, names, strict=True)
        ]
        categories = [dict(id=k, name=name) for k, name in enumerate(self._classes, start=1)]
        content = dict(info=self._info, images=images, annotations=self._entries)
        atomic_write(target, dump(content | dict(categories=categories)))
        return root


def _named(paths: Sequence[str | os.PathLike]) -> tuple[Path, list[str]]:
    """Return the folder that all images lie in, and their names from there."""
    whole = [os.path.abspath(path) for path in paths]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in whole]))
    return root, [Path(path).relative_to(root).as_posix() for path in whole]


def boxes_there(
    target: Path, info: dict[str, Any], classes: Sequence[str], paths: Sequence[Path]
) -> int | None:
    """Return how many boxes a file holds that was made just so; None where there is no file.

    Args:
        target: The file.
        info: As of ``BoxesFile``, likewise the classes.
        classes: See there.
        paths: The images, which are read.

    Raises:
        RefusedError: It was made otherwise, of other images, or is something else.
    """
    if not target.exists():
        return None
    try:
        content = load(target.read_bytes())
        made = content['info'], [each['name'] for each in content['categories']]
        images = {each['file_name']: _hashes(each) for each in content['images']}
        number = len(content['annotations'])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _there(target, '') from None
    if made != (info, list(classes)):
        raise _there(target, ', made with other settings')
    now = dict(zip(_named(paths)[1], paths, strict=True))
    others = sorted(images.keys() ^ now.keys())
    others += [name for name in images if name in now and images[name] != _hashes_of(now[name])]
    if others:
        raise _there(target, f', of other images: {counted(len(others), "differs", "differ")}, '
                     f'such as {others[0]}')  # fmt: skip
    return number


def _hashes(image: dict[str, Any]) -> dict[str, Any]:
    return {name: image[name] for name in ('sha256', 'beside') if name in image}


def _hashes_of(path: Path) -> dict[str, Any]:
    """Return the hashes of an image as its entry has them; none where it can't be read."""
    try:
        return dict(sha256=file_sha256(path)) | _beside(path)
    except OSError:
        return {}


def _beside(path: Path) -> dict[str, Any]:
    """Return the hashes of the files beside an image that decide its pixels, if there are any."""
    found = [digest for each in side_files(path) if (digest := side_sha256(each)) != NOTHING]
    return dict(beside=found) if found else {}


def _there(target: Path, how: str) -> RefusedError:
    return RefusedError(f'--out {target}: is there already{how}; another name, or --overwrite')


def plain_boxes(found: Proposals) -> list[dict[str, Any]]:
    """Return boxes as annotations of a COCO file, without their numbers."""
    boxes = []
    areas = found.areas
    for row, (x0, y0, x1, y1) in enumerate(found.hboxes.tolist()):
        box: dict[str, Any] = dict(
            category_id=int(found.labels[row]) + 1,
            bbox=[round(value, DIGITS) for value in (x0, y0, x1 - x0, y1 - y0)],
            area=round(float(areas[row]), DIGITS),
            iscrowd=0,
            score=round(float(found.scores[row]), _SCORE_DIGITS),
        )
        if found.oriented:
            box['rbox'] = np.round(found.polygons[row].ravel(), DIGITS).tolist()
        if found.masks is not None:
            mask = found.masks[row]
            box['segmentation'] = dict(size=list(mask['size']), counts=mask['counts'])
        boxes.append(box)
    return boxes
