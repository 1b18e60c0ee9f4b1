"""Crops drawn before the pixels are read: only what survives is read and resized."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.datasets.transforms.instances import refuse_objects
from samrs_mm.datasets.transforms.pixels import Pixels

_WITH_OBJECTS = 'load the whole image, and put mmdet.RandomCrop behind mmdet.LoadAnnotations'

_CHANNELS_AT_ONCE = 4  # as many as OpenCV's warpAffine takes


@dataclass(frozen=True)
class CropSpan:
    """Rows or columns of a crop, placed in an image that is thought of as resized.

    Args:
        side: Height or width of the image in pixels.
        scaled: The same after resizing.
        start: First row or column of the crop in the resized image; negative where padding begins.
        length: Height or width of the crop.
    """

    side: int
    scaled: int
    start: int
    length: int

    @classmethod
    def place(cls, side: int, scale: float, length: int, position: float) -> 'CropSpan':
        """Resize to whole pixels, pad to ``length`` (centred), crop at ``position`` in [0, 1)."""
        scaled = max(int(side * scale), 1)
        padding = max(length - scaled, 0) // 2
        room = max(scaled - length, 0)
        return cls(side, scaled, int((room + 1) * position) - padding, length)

    @property
    def visible(self) -> tuple[int, int]:
        """Begin and end, in the resized image, of what isn't padding."""
        return max(self.start, 0), min(self.start + self.length, self.scaled)

    @property
    def target(self) -> slice:
        """Where that lies in the crop."""
        begin, end = self.visible
        return slice(begin - self.start, end - self.start)

    @property
    def step(self) -> float:
        """Source pixels per pixel of the resized image."""
        return self.side / self.scaled

    @property
    def nearest(self) -> np.ndarray:
        """Source row or column of each visible one, as OpenCV's ``INTER_NEAREST`` takes it."""
        step = 1 / (self.scaled / self.side)  # OpenCV's arithmetic, to the last bit
        index = np.floor(np.arange(*self.visible) * step).astype(np.intp)
        return np.minimum(index, self.side - 1)

    @property
    def linear(self) -> tuple[float, float]:
        """Source coordinates of the first and last visible pixel under linear interpolation."""
        begin, end = self.visible
        return (begin + 0.5) * self.step - 0.5, (end - 0.5) * self.step - 0.5

    @property
    def source(self) -> tuple[int, int]:
        """Begin and end of the source pixels that either interpolation touches."""
        first, last = self.linear
        nearest = self.nearest
        begin = min(int(np.floor(first)), int(nearest[0]))
        end = max(int(np.ceil(last)), int(nearest[-1])) + 1
        return max(begin, 0), min(end, self.side)


def cut(pixels: Pixels, rows: CropSpan, columns: CropSpan) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the crop of an image and its label.

    Equals resizing all of it (image linear, label nearest), padding with 0 and 255, and cropping:
    labels exactly, images within one level (OpenCV 4 also rounds coordinates to 1/32 px here).

    Returns:
        ``(h, w, C)`` of the image's type and ``(h, w)`` uint8, or None where there is no label.
    """
    image, label = pixels.read(*rows.source, *columns.source)
    size, place = (rows.length, columns.length), (rows.target, columns.target)
    canvas = np.zeros((*size, image.shape[2]), image.dtype)
    canvas[place] = _resized(image, rows, columns)
    if label is None:
        return canvas, None
    label_canvas = np.full(size, UNLABELLED, label.dtype)
    nearest = (axis.nearest - axis.source[0] for axis in (rows, columns))
    label_canvas[place] = label[np.ix_(*nearest)]
    return canvas, label_canvas


def _resized(image: np.ndarray, rows: CropSpan, columns: CropSpan) -> np.ndarray:
    if rows.scaled == rows.side and columns.scaled == columns.side:
        return image
    x, y = (axis.linear[0] - axis.source[0] for axis in (columns, rows))
    matrix = np.array([[columns.step, 0, x], [0, rows.step, y]])
    width, height = (axis.visible[1] - axis.visible[0] for axis in (columns, rows))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    bands = image.shape[2]
    # OpenCV 4 warps two channels by coarser coordinates than one, three or four.
    whole = image if bands % _CHANNELS_AT_ONCE != 2 else np.dstack([image, image[..., -1]])
    parts = [
        cv2.warpAffine(
            np.ascontiguousarray(whole[..., first : first + _CHANNELS_AT_ONCE]),
            matrix,
            (width, height),
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for first in range(0, bands, _CHANNELS_AT_ONCE)
    ]
    return np.dstack(parts)[..., :bands]


class Crop(BaseTransform):
    """Base of crops that are drawn from an image's size alone.

    Used inside ``LoadWindow`` only the crop's pixels are read; used by itself it cuts loaded ones.

    Required Keys: img, gt_seg_map (optional)

    Modified Keys: img, gt_seg_map, img_shape, pad_shape

    Args:
        crop_size: Height and width, or one number for both.
    """

    def __init__(self, crop_size: int | Sequence[int]):
        if isinstance(crop_size, int):
            crop_size = (crop_size, crop_size)
        if len(crop_size) != 2 or not all(isinstance(v, int) and v > 0 for v in crop_size):
            raise ValueError(f'crop_size={crop_size!r}: give one or two whole numbers above 0')
        self.crop_size = tuple(crop_size)

    @abstractmethod
    def draw(self, height: int, width: int) -> tuple[CropSpan, CropSpan]:
        """Choose the rows and columns of the crop in an image of this size."""

    def transform(self, results: dict) -> dict:
        """Cut loaded pixels."""
        return self.apply(Pixels(results['img'], results.get('gt_seg_map')), results)

    def apply(self, pixels: Pixels, results: dict) -> dict:
        """Draw a crop, read it and put it into ``results``.

        Raises:
            RefusedError: The sample has masks or boxes.
        """
        refuse_objects(self, results, _WITH_OBJECTS)
        rows, columns = self.draw(pixels.height, pixels.width)
        results['img'], label = cut(pixels, rows, columns)
        if label is not None:
            results['gt_seg_map'] = label
        results['img_shape'] = results['pad_shape'] = self.crop_size
        return results

    def __repr__(self) -> str:
        facts = ', '.join(f'{name}={value!r}' for name, value in vars(self).items())
        return f'{type(self).__name__}({facts})'


@TRANSFORMS.register_module()
class RandomScaleCrop(Crop):
    """Random scale, pad, random crop: SAMRS's first three augmentations in one.

    The distribution is that of resizing the whole image by the drawn factor, padding it (centred;
    image black, label 255) and cropping anywhere; but only the crop's pixels are resized.
    Randomness is numpy's global generator.
    Source: Wang et al. 2023, arXiv:2305.02034, appendix; the official code's augmentation order.

    Args:
        crop_size: Height and width, or one number for both.
        scale_range: Least and largest factor; uniform in between.
        scale_prob: Probability of scaling at all.
    """

    def __init__(
        self,
        crop_size: int | Sequence[int],
        scale_range: Sequence[float] = (0.5, 2.0),
        scale_prob: float = 0.5,
    ):
        super().__init__(crop_size)
        if len(scale_range) != 2 or not 0 < scale_range[0] <= scale_range[1]:
            raise ValueError(f'scale_range={scale_range!r}: give least and largest factor above 0')
        if not 0 <= scale_prob <= 1:
            raise ValueError(f'scale_prob={scale_prob!r} is not in [0, 1]')
        self.scale_range, self.scale_prob = tuple(scale_range), scale_prob

    def draw(self, height: int, width: int) -> tuple[CropSpan, CropSpan]:
        """As ``Crop.draw``."""
        scaling, factor, y, x = np.random.random(4)
        low, high = self.scale_range
        scale = low + (high - low) * factor if scaling < self.scale_prob else 1.0
        rows, columns = self.crop_size
        return CropSpan.place(height, scale, rows, y), CropSpan.place(width, scale, columns, x)


@TRANSFORMS.register_module()
class CenterCropPad(Crop):
    """The centre of an image; a smaller image is padded (centred; image black, label 255).

    The crop is taken for the image from here on: predictions are resized to ``ori_shape``, which
    therefore becomes the crop's shape.

    Modified Keys: img, gt_seg_map, img_shape, pad_shape, ori_shape

    Args:
        crop_size: Height and width, or one number for both.
    """

    def draw(self, height: int, width: int) -> tuple[CropSpan, CropSpan]:
        """As ``Crop.draw``."""
        rows, columns = self.crop_size
        return (
            CropSpan(height, height, int((height - rows) / 2), rows),
            CropSpan(width, width, int((width - columns) / 2), columns),
        )

    def apply(self, pixels: Pixels, results: dict) -> dict:
        """As ``Crop.apply``."""
        results = super().apply(pixels, results)
        results['ori_shape'] = self.crop_size
        return results
