"""Changes of loaded pixels: turns by right angles, and colours by look-up tables."""

from collections.abc import Mapping

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.transforms.instances import turn_objects


@TRANSFORMS.register_module()
class RandomRotate90(BaseTransform):
    """Turn image, label, masks and boxes by 0, 90, 180 or 270 degrees, each as likely.

    With ``prob=0.5`` nothing changes in 62.5 % of all cases, as in SAMRS. No pixel is interpolated.

    Required Keys: img, gt_seg_map, gt_masks, gt_bboxes (all but img optional)

    Modified Keys: img, gt_seg_map, gt_masks, gt_bboxes, img_shape, pad_shape

    Args:
        prob: Probability of drawing an angle at all.

    Raises:
        RefusedError: Objects that it can't turn; see ``turn_objects``.
    """

    def __init__(self, prob: float = 0.5):
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob!r} is not in [0, 1]')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Turn."""
        if np.random.random() < self.prob:
            turns = int(np.random.randint(4))
            turn_objects(results, turns, *results['img'].shape[:2])
            for key in ('img', *results.get('seg_fields', ['gt_seg_map'])):
                if key in results:
                    results[key] = np.ascontiguousarray(np.rot90(results[key], turns))
            results['img_shape'] = results['pad_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


_LEVELS = np.arange(256, dtype=np.float64)


def _look_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)).reshape(image.shape)


def change_contrast(image: np.ndarray) -> np.ndarray:
    """Multiply all values by 0.8 to 1.2."""
    return _look_up(image, _LEVELS * (1 + np.random.uniform(-0.2, 0.2)))


def change_brightness(image: np.ndarray) -> np.ndarray:
    """Add up to +- 51."""
    return _look_up(image, _LEVELS + 255 * np.random.uniform(-0.2, 0.2))


def change_gamma(image: np.ndarray) -> np.ndarray:
    """Raise values in [0, 1] to a power of 0.8 to 1.2."""
    return _look_up(image, (_LEVELS / 255) ** np.random.uniform(0.8, 1.2) * 255)


def jitter_colours(image: np.ndarray) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of ``(H, W, 3)`` BGR in random order.

    Of other than three bands brightness and contrast change.
    """
    factors = [1 + np.random.uniform(-limit, limit) for limit in (0.07, 0.07, 0.1)]
    factors.append(np.random.uniform(-0.1, 0.1))
    steps = (_scale, _stretch, _saturate, _turn_hue)
    for number in np.random.permutation(len(steps)):
        if image.shape[2] == 3 or steps[number] in (_scale, _stretch):
            image = steps[number](image, factors[number])
    return image


def _scale(image: np.ndarray, factor: float) -> np.ndarray:
    return _look_up(image, _LEVELS * factor)


def _stretch(image: np.ndarray, factor: float) -> np.ndarray:
    """Scale the distances to the mean grey."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.shape[2] == 3 else image
    mean = grey.mean()
    return _look_up(image, _LEVELS * factor + mean * (1 - factor))


def _saturate(image: np.ndarray, factor: float) -> np.ndarray:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.addWeighted(image, factor, grey, 1 - factor, 0)


def _turn_hue(image: np.ndarray, turn: float) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)  # OpenCV's 8-bit hue counts 2 degrees
    # a turn is cut to whole steps after the circle closes, as albumentations does
    table = np.mod(_LEVELS.astype(int) + 180 * turn, 180).astype(np.uint8)
    hsv[..., 0] = cv2.LUT(np.ascontiguousarray(hsv[..., 0]), table)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


_CHANGES = dict(
    contrast=change_contrast,
    gamma=change_gamma,
    brightness=change_brightness,
    jitter=jitter_colours,
)


@TRANSFORMS.register_module()
class OneOfColour(BaseTransform):
    """Apply one of contrast, gamma, brightness or colour jitter.

    The defaults are SAMRS's: 27.8 % contrast (times 0.8 to 1.2), 27.8 % gamma (0.8 to 1.2), 27.8 %
    brightness (plus or minus up to 51), 16.7 % jitter, in 30 % of all cases. Randomness is numpy's
    global generator.
    Source: Wang et al. 2023, arXiv:2305.02034 (the paper names gamma and jitter only; the official
    code has all four).

    Required Keys: img ``(H, W, C)`` uint8, BGR of three; others have no saturation and hue

    Modified Keys: img

    Args:
        prob: Probability of any change.
        weights: Relative weight by name: contrast, gamma, brightness, jitter.

    Raises:
        RefusedError: Pixels of other than 8 bits.
        ValueError: An unknown name, weights that aren't positive, or an impossible probability.
    """

    def __init__(self, prob: float = 0.3, weights: Mapping[str, float] | None = None):
        weights = dict(weights or dict(contrast=0.5, gamma=0.5, brightness=0.5, jitter=0.3))
        unknown = sorted(set(weights) - set(_CHANGES))
        if unknown:
            raise ValueError(f'weights: unknown {unknown[0]!r}; allowed: {", ".join(_CHANGES)}')
        if min(weights.values()) < 0 or not sum(weights.values()) > 0:
            raise ValueError(f'weights={weights}: none may be negative, one must be above 0')
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob!r} is not in [0, 1]')
        self.prob, self.weights = prob, weights
        self._names = tuple(weights)
        self._ends = np.cumsum(list(weights.values())) / sum(weights.values())

    def transform(self, results: dict) -> dict:
        """Change the image's colours, or leave them."""
        if np.random.random() < self.prob:
            number = np.searchsorted(self._ends, np.random.random(), side='right')
            image = np.ascontiguousarray(results['img'])
            if image.dtype != np.uint8:
                raise RefusedError(
                    f'OneOfColour: {image.dtype} pixels; it changes those of 8 bits: choose '
                    "image.form='bands', or leave it out of train_pipeline"
                )
            results['img'] = _CHANGES[self._names[number]](image)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, weights={self.weights})'
