"""Turns by right angles."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRotate90(BaseTransform):
    """Turn image and label by 0, 90, 180 or 270 degrees, each as likely.

    With ``prob=0.5`` nothing changes in 62.5 % of all cases, as in SAMRS. No pixel is interpolated.

    Required Keys: img, gt_seg_map (optional)

    Modified Keys: img, gt_seg_map, img_shape, pad_shape

    Args:
        prob: Probability of drawing an angle at all.
    """

    def __init__(self, prob: float = 0.5):
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob!r} is not in [0, 1]')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Turn."""
        if np.random.random() < self.prob:
            turns = int(np.random.randint(4))
            for key in ('img', *results.get('seg_fields', ['gt_seg_map'])):
                if key in results:
                    results[key] = np.ascontiguousarray(np.rot90(results[key], turns))
            results['img_shape'] = results['pad_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
