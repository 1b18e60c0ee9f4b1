"""What callers give, checked: an image as an array or a file, boxes as an array."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from samrs_mm.core.boxes import BoxLabel
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.image_rule import VALUES, ImageRule
from samrs_mm.core.images import SceneImage
from samrs_mm.core.masks import bbox, encode
from samrs_mm.core.wording import counted

ImageLike = np.ndarray | str | os.PathLike
"""``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8, or an image file of any kind that the tools read."""

ANY_CLASS = 'object'
"""Class of boxes that are given without one."""

_FORMS = {4: 'hbox', 5: 'rotated', 8: 'polygon'}
_SHAPES = (
    '(N, 4) x0, y0, x1, y1; (N, 8) or (N, 4, 2) corners of polygons; (N, 5) centre x, y, width, '
    'height, angle in radians'
)


class InputError(SamrsError, ValueError):
    """An argument that can't be."""


def read_scene(
    image: ImageLike, stream: bool = False, rule: ImageRule | None = None, bands: int = 3
) -> SceneImage:
    """Return an image whose pixels can be read; ``stream`` and ``rule`` as in ``SceneImage``.

    Arrays have to have so many ``bands``, of 8 bits unless the rule gives values as stored.

    Raises:
        InputError: An array that is no such image.
        ImageReadError: A file that can't be read.
    """
    if isinstance(image, str | os.PathLike):
        return SceneImage(image, stream, rule=rule)
    if isinstance(image, Image.Image) and image.mode not in ('RGB', 'L'):
        # As an array, a palette's indices would pass for grey, and YCbCr for RGB.
        raise InputError(f"image: Pillow's mode {image.mode}; image.convert('RGB') gives colours")
    pixels = np.asarray(image)
    found = f'image: {pixels.dtype} {pixels.shape}'
    if rule is not None and rule.form == VALUES:
        pixels = pixels.astype(np.float32)
    elif pixels.dtype != np.uint8:
        scale = '; (image * 255).round().astype(np.uint8) if it is in 0..1'
        raise InputError(
            f'{found}; expected uint8, 0..255, or the path of a file, which may be of any depth'
            + (scale if pixels.dtype.kind == 'f' else '')
        )
    if pixels.ndim == 2 and bands in (1, 3):
        pixels = np.repeat(pixels[..., None], bands, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != bands or not pixels.size:
        expected = '(H, W, 3), RGB, or (H, W)' if bands == 3 else f'(H, W, {bands})'
        raise InputError(f'{found}; expected {expected}{_cure(pixels.shape) if bands == 3 else ""}')
    return SceneImage.of_array(pixels)


def _cure(shape: tuple[int, ...]) -> str:
    """Return what makes an image of an array of another shape, as the end of a message."""
    if len(shape) == 4:
        return '; give one image at a time'
    if len(shape) == 3 and shape[2] == 4:
        return '; image[..., :3] drops alpha'
    if len(shape) == 3 and shape[2] == 1:
        return '; image[..., 0] is grey'
    if len(shape) == 3 and shape[0] == 3:
        return '; image.transpose(1, 2, 0) puts the channels last'
    return ''


def box_labels(boxes: Any, categories: Sequence[str] | None = None) -> list[BoxLabel]:
    """Return N boxes as labels, of class ``ANY_CLASS`` if they have none.

    Raises:
        InputError: Not an array of one of the forms, numbers of another convention, or another
            number of categories.
    """
    try:
        values = np.array(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f'boxes: not an array of numbers; expected {_SHAPES}') from error
    if not values.size:
        values = values.reshape(0, 4)
    if values.ndim == 3 and values.shape[1:] == (4, 2):
        values = values.reshape(-1, 8)
    if values.ndim != 2 or values.shape[1] not in _FORMS:
        one = '; [box] for a single one' if values.shape in ((4,), (5,), (8,), (4, 2)) else ''
        raise InputError(f'boxes: shape {values.shape}; expected {_SHAPES}{one}')
    form = _FORMS[values.shape[1]]
    _check_convention(form, values)
    if categories is None:
        names = [ANY_CLASS] * len(values)
    else:
        names = checked_names('categories', categories)
    if len(names) != len(values):
        raise InputError(
            f'categories: {len(names)} for {counted(len(values), "box")}; give one for each'
        )
    shape = (4, 2) if form == 'polygon' else (values.shape[1],)
    return [
        BoxLabel(f'boxes[{i}]', name, **{form: row.reshape(shape)})
        for i, (name, row) in enumerate(zip(names, values, strict=True))
    ]


def mask_prompts(masks: Any, size: tuple[int, int]) -> list[dict | None]:
    """Return masks that are prompted with as COCO RLE; None of a box without one.

    Args:
        masks: ``(N, H, W)`` bool, or N of ``(H, W)``, some of which may be None.
        size: Height and width of the image in pixels.

    Raises:
        InputError: One is of another type or size, or has no pixel.
    """
    found: list[dict | None] = []
    for number, mask in enumerate(masks):
        pixels = None if mask is None else np.asarray(mask)
        if pixels is not None and (pixels.dtype != bool or pixels.shape != size):
            sides = ' x '.join(map(str, pixels.shape))
            raise InputError(
                f'masks[{number}]: {pixels.dtype} {sides}; expected bool, {size[0]} x {size[1]} '
                'as the image (mask > 0 is bool)'
            )
        if pixels is not None and not pixels.any():
            raise InputError(f'masks[{number}]: no pixel; None says that a box has no mask')
        found.append(None if pixels is None else encode(pixels))
    return found


def boxes_around(masks: Sequence[dict | None]) -> np.ndarray:
    """Return the upright boxes ``(N, 4)`` around masks.

    Raises:
        InputError: There is none.
    """
    for number, mask in enumerate(masks):
        if mask is None:
            raise InputError(f'masks[{number}]: None; without boxes each object needs its mask')
    x, y, width, height = np.array([bbox(mask or {}) for mask in masks], float).reshape(-1, 4).T
    return np.stack([x, y, x + width, y + height], axis=1)


def checked_names(argument: str, names: Sequence[str]) -> list[str]:
    """Return the class names that are given as an argument.

    Raises:
        InputError: One text, which would be a class for each letter, or something that is no text.
    """
    if isinstance(names, str):
        raise InputError(f'{argument}: {names!r}; expected a list of class names')
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise InputError(f'{argument}: {wrong[0]!r}; expected class names, as text')
    return list(names)


def _check_convention(form: str, values: np.ndarray) -> None:
    """Refuse boxes ``(N, D)`` whose numbers are those of another convention."""
    if form == 'hbox':
        wrong = np.flatnonzero((values[:, 2:] < values[:, :2]).any(axis=1))
        cure = 'x1, y1 lie before x0, y0; (N, 4) are two corners, not a corner with width, height'
    elif form == 'rotated':
        wrong = np.flatnonzero(np.abs(values[:, 4]) > 2 * math.pi)
        cure = 'the angle is in radians; np.deg2rad converts'
    else:
        wrong, cure = np.empty(0, int), ''
    if len(wrong):
        numbers = ', '.join(f'{value:g}' for value in values[wrong[0]])
        raise InputError(f'boxes[{wrong[0]}] is {numbers}: {cure}')
    if len(values) and form != 'rotated' and (np.abs(values) <= 1).all():
        raise InputError(
            'boxes: all within 0..1; they are in pixels: multiply x by the width of the image, y '
            'by its height'
        )
