"""Load an image and what a phrase means in it."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from samrs_mm.core.errors import LabelReadError
from samrs_mm.core.images import SceneImage
from samrs_mm.formats.referring.triplets import mask_of


@TRANSFORMS.register_module()
class LoadReferring(BaseTransform):
    """Load the image and the binary map of a sample of ``ReferringDataset``.

    Required Keys: img_path, triplet, data_root

    Added Keys: img ``(H, W, 3)`` uint8 BGR, gt_seg_map ``(H, W)`` uint8 of 0 and 1, img_shape,
    ori_shape
    """

    def transform(self, results: dict) -> dict:
        """Load.

        Raises:
            ImageReadError: The image can't be read.
            LabelReadError: The mask can't be read, or is of another size than the image.
        """
        image = SceneImage(results['img_path']).read()
        mask = mask_of(Path(results['data_root']), results['triplet'])
        if mask.shape != image.shape[:2]:
            height, width = mask.shape
            raise LabelReadError(
                f'{results["triplet"].place}: a mask of {width} x {height} px, but '
                f'{results["img_path"]} has {image.shape[1]} x {image.shape[0]} px'
            )
        results['img'] = np.ascontiguousarray(image[..., ::-1])
        results['img_shape'] = results['ori_shape'] = mask.shape
        results['gt_seg_map'] = mask.astype(np.uint8)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
