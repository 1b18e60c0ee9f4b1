"""Proposed boxes as a COCO file that our box datasets read, scores beside them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.atomic import atomic_write, dump
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

    def add(self, path: Path, width: int, height: int, boxes: Sequence[dict[str, Any]]) -> None:
        """Add an image of so many pixels and its boxes, as ``plain_boxes`` returns them."""
        number = len(self._images) + 1
        self._images.append(dict(id=number, file_name=str(path), width=width, height=height))
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
        paths = [os.path.abspath(image['file_name']) for image in self._images]
        root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
        images = [
            dict(image, file_name=Path(path).relative_to(root).as_posix())
            for image, path in zip(self._images, paths, strict=True)
        ]
        categories = [dict(id=k, name=name) for k, name in enumerate(self._classes, start=1)]
        content = dict(info=self._info, images=images, annotations=self._entries)
        atomic_write(target, dump(content | dict(categories=categories)))
        return root


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
