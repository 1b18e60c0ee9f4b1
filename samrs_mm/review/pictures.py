"""Crops around masks, with the outlines that the report lays over them."""

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.images import SceneImage
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.ledger import LedgerRow
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.corrections.shapes import mask_digest

SIDE = 320
"""Longest side of a crop in pixels; larger ones are scaled down."""

_MARGIN, _QUALITY, _POINTS = 0.25, 80, 3000


@dataclass(frozen=True)
class Picture:
    """A crop and what lies over it, in its pixels, as SVG takes it.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        jpeg: The crop as a ``data:`` URI; empty if the image could not be read.
        outline: Path of the mask's outlines.
        polygon: Points of the labelled box.
        prompt: ``(x, y, width, height)`` of the prompt box, or None.
        digest: What tells the mask from others, see ``mask_digest``.
    """

    width: int
    height: int
    jpeg: str
    outline: str
    polygon: str
    prompt: tuple[float, float, float, float] | None
    digest: str


def pictures(
    root: Path,
    data_root: Path,
    chosen: Iterable[LedgerRow],
    progress: Callable[[Iterable], Iterator] = iter,
) -> tuple[dict[LedgerRow, Picture], list[str]]:
    """Return the pictures of some masks of an annotated folder's ledger, every image opened once.

    With them comes one line for each image, record or mask that could not be read; a mask of the
    latter two has no picture.

    Raises:
        RefusedError: The ledger lists a mask that its record does not hold.
    """
    wanted: dict[str, list[LedgerRow]] = {}
    for mask in chosen:
        wanted.setdefault(mask.tile, []).append(mask)
    found, problems = {}, []
    out = AnnotatedFolder(root)
    for stem in progress(sorted(wanted)):
        path = out.path(folder.INSTANCES, stem)
        try:
            record = Record.load(path)
        except RecordError as error:
            problems.append(str(error))
            continue
        boxes = {box.box_id: box for box in record.boxes if box.segmentation}
        try:
            image = open_picture(out, data_root, stem, record.image)
        except ImageReadError as error:
            image = None
            problems.append(str(error))
        for mask in wanted[stem]:
            if mask.box_id not in boxes:
                raise RefusedError(
                    f'{path}: has no mask of {mask.box_id}, which {folder.LEDGER} lists; write it '
                    'anew with sam_annotate.py --finalise'
                )
            box = boxes[mask.box_id]
            try:
                masks.check_size(box.segmentation, [record.image.height, record.image.width])
                found[mask] = picture(box, record.image, image)
            except masks.MaskError as error:
                problems.append(f'{path}: {mask.box_id}: {error}')
    return found, problems


def picture_path(out: AnnotatedFolder, data_root: Path, stem: str, entry: ImageEntry) -> Path:
    """Return the file with the picture of an image: its tile where there is one, else the scene."""
    tile = out.path(folder.IMAGES, stem)
    return tile if tile.exists() else data_root / entry.path


def open_picture(out: AnnotatedFolder, data_root: Path, stem: str, entry: ImageEntry) -> SceneImage:
    """Open the picture of an image.

    Raises:
        ImageReadError: It can't be read, or is not the picture that was annotated.
    """
    path = picture_path(out, data_root, stem, entry)
    image = SceneImage(path)
    size, expected = (image.width, image.height), (entry.width, entry.height)
    if size != expected:
        raise ImageReadError(f'{path}: is {size} px, was {expected} px when it was annotated')
    is_tile = path == out.path(folder.IMAGES, stem)
    if not is_tile and out.is_replaced(stem, path, entry.sha256):
        raise ImageReadError(
            f'{path}: was replaced since it was annotated; run sam_annotate.py again'
        )
    return image


def picture(box: BoxEntry, entry: ImageEntry, image: SceneImage | None) -> Picture:
    """Return the picture of a box's mask: what it, its label and its prompt cover, and a margin."""
    x, y, width, height = _region(box, entry)
    scale = min(1.0, SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    step = np.array([size[0] / width, size[1] / height])
    left, top, part = masks.crop(box.mask)
    mask: np.ndarray = np.zeros((height, width), np.uint8)
    mask[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]] = part
    if scale < 1:
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    polygon = (box.corners - [x, y]) * step
    prompt = None
    if box.prompt_box is not None:
        corners = (np.reshape(box.prompt_box, (2, 2)) - [x, y]) * step
        prompt = (*_short(corners[0]), *_short(corners[1] - corners[0]))
    points = ' '.join(f'{px},{py}' for px, py in map(_short, polygon))
    jpeg = _jpeg(image.crop(x, y, width, height), size) if image else ''
    return Picture(*size, jpeg, _outline(mask), points, prompt, mask_digest(box))


def _region(box: BoxEntry, entry: ImageEntry) -> tuple[int, int, int, int]:
    """Return x, y, width, height of the crop, inside the image."""
    x, y, width, height = box.bbox or (0, 0, 0, 0)
    points = [(x, y), (x + width, y + height), *box.corners]
    if box.prompt_box is not None:
        points += [*np.reshape(box.prompt_box, (2, 2))]
    sides = [entry.width, entry.height]
    corners = np.clip(points, 0, sides)
    low, high = corners.min(axis=0), corners.max(axis=0)
    around = max(_MARGIN * (high - low).max(), 8)
    x, y = np.floor(np.maximum(low - around, 0)).astype(int).tolist()
    right, bottom = np.ceil(np.minimum(high + around, sides)).astype(int).tolist()
    return x, y, right - x, bottom - y


def _short(point: np.ndarray) -> tuple[float, float]:
    return round(float(point[0]), 1), round(float(point[1]), 1)


def _outline(mask: np.ndarray, step: int = 1) -> str:
    """Return the outlines of a mask ``(H, W)`` uint8, through the centres of its pixels.

    A ragged mask is drawn from every second, fourth, ... pixel: its outline could outweigh all else
    on the page.
    """
    part = np.ascontiguousarray(mask[::step, ::step])
    outlines, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if sum(map(len, outlines)) > _POINTS:
        return _outline(mask, 2 * step)
    return ''.join(
        'M' + 'L'.join(f'{x} {y}' for x, y in (points[:, 0] * step).tolist()) + 'Z'
        for points in outlines
    )


def _jpeg(pixels: np.ndarray, size: tuple[int, int]) -> str:
    if size != pixels.shape[1::-1]:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    flags = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', pixels[..., ::-1], flags)[1].tobytes()
    return 'data:image/jpeg;base64,' + base64.b64encode(data).decode('ascii')
