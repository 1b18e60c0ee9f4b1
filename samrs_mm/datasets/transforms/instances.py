"""Masks and boxes in pipelines: what moves pixels takes them along, or refuses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError

OBJECT_KEYS = ('instances', 'gt_bboxes', 'gt_masks')
"""What a sample's objects are under: before they are loaded, and after."""


def refuse_objects(transform: Any, results: dict, cure: str) -> None:
    """Refuse to move the pixels of a sample whose objects would stay where they are.

    Args:
        transform: Who would move them.
        results: The sample.
        cure: What to do instead.

    Raises:
        RefusedError: The sample has objects.
    """
    found = next((key for key in OBJECT_KEYS if results.get(key) is not None), None)
    if found:
        raise RefusedError(
            f'pipeline: {type(transform).__name__} moves pixels and would leave {found!r} where '
            f'they were: {cure}'
        )


def turn_objects(results: dict, turns: int, height: int, width: int) -> None:
    """Turn masks and boxes of a sample by right angles, counter-clockwise, as ``np.rot90``.

    Args:
        results: The sample; may have ``gt_masks`` (BitmapMasks) and ``gt_bboxes`` (boxes of any
            type of mmdet or mmrotate).
        turns: How often by 90 degrees.
        height: Height in pixels before the turn.
        width: Width before the turn.

    Raises:
        RefusedError: Masks or boxes of another kind, or such as aren't loaded yet.
    """
    boxes, bitmaps = results.get('gt_bboxes'), results.get('gt_masks')
    plain = boxes is not None and not hasattr(boxes, 'rotate_')
    if plain or (bitmaps is not None and not isinstance(getattr(bitmaps, 'masks', 0), np.ndarray)):
        raise RefusedError(
            'pipeline: RandomRotate90 turns boxes with a box_type and masks of pixels: give '
            "mmdet.LoadAnnotations box_type='hbox' and poly2mask=True"
        )
    if boxes is None and bitmaps is None and results.get('instances') is not None:
        raise RefusedError(
            'pipeline: RandomRotate90 comes before the instances are loaded: put it behind '
            'mmdet.LoadAnnotations'
        )
    odd = turns % 2
    if bitmaps is not None:
        turned = np.ascontiguousarray(np.rot90(bitmaps.masks, turns, axes=(1, 2)))
        size = (width, height) if odd else (height, width)
        results['gt_masks'] = type(bitmaps)(turned, *size)
    if boxes is not None:
        boxes.rotate_((width / 2, height / 2), -90.0 * turns)
        shift = (height - width) / 2 * odd
        boxes.translate_((shift, -shift))


@TRANSFORMS.register_module()
class HideIgnored(BaseTransform):
    """Paint over what is to be ignored, so that nothing is learnt from objects without a mask.

    Detectors take what no box covers for background; few can be told to look away, and these by
    boxes only. Pixels of objects with a mask stay. To be put right behind the loading of the image,
    in training only.

    Required Keys: img ``(H, W, C)``, instances

    Modified Keys: img

    Args:
        fill: What the pixels become, one value a channel, in the order of ``img``: by default
            ImageNet's mean in BGR, which is 0 once it is normalised.
    """

    def __init__(self, fill: Sequence[float] = (104, 116, 124)):
        self.fill = tuple(fill)

    def transform(self, results: dict) -> dict:
        """Paint."""
        ignored = [each['mask'] for each in results['instances'] if each['ignore_flag']]
        if not ignored:
            return results
        hidden = np.zeros(results['img'].shape[:2], bool)
        for mask in ignored:
            hidden |= masks.decode(mask)
        for each in results['instances']:
            if not each['ignore_flag']:
                hidden &= ~masks.decode(each['mask'])
        results['img'] = results['img'].copy()
        results['img'][hidden] = self.fill
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(fill={self.fill})'
