"""Load an image and its label, from plain files or from the packed store, whole or by window."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import Registry
from mmseg.registry import TRANSFORMS

from samrs_mm.core.errors import ImageReadError, LabelReadError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.datasets.transforms.cropping import Crop
from samrs_mm.datasets.transforms.pixels import open_files, open_packed


@TRANSFORMS.register_module()
class LoadWindow(BaseTransform):
    """Load an image and its label; with a crop, read no more than the crop needs.

    The packed store is read where the dataset names a file of it (``pack_path``), else the plain
    files; both give the same pixels. A label with a value outside the classes is refused.

    Required Keys: img_path or pack_path; seg_map_path (None or absent: no label); optional:
    num_classes (to check the label against), label_map, reduce_zero_label

    Added Keys: img ``(H, W, 3)`` uint8 BGR (or as ``image.form`` says), gt_seg_map ``(H, W)``
    uint8, img_shape, ori_shape

    Args:
        crop: Config of a ``Crop``, such as ``dict(type='RandomScaleCrop', crop_size=224)``; None
            loads all of the image.
        image: How images are shown: the key ``image`` of annotate configs (see ``ImageRule``). The
            packed store, whose pixels are fixed, is refused then. ``predict.py`` takes it from the
            test pipeline. ``form='bands'`` or ``'values'`` gives any bands, in the order of
            ``bands``; of three the order is turned, as that of BGR is.

    mmseg's inferencers look for a transform that is called ``LoadImageFromFile``, and put another
    in its place that builds it: in a test pipeline write ``dict(type='LoadImageFromFile',
    _scope_='samrs_mm')`` for this one.

    Raises:
        TypeError: ``crop`` isn't a ``Crop``.
        RefusedError: A value of ``image`` can't be.
    """

    def __init__(self, crop: dict | Crop | None = None, image: dict | None = None):
        self.rule = ImageRule.from_config(image)
        self.crop = TRANSFORMS.build(crop) if isinstance(crop, dict) else crop
        if self.crop is not None and not isinstance(self.crop, Crop):
            raise TypeError(
                f'crop={crop!r} is not a crop that can be drawn before loading; allowed: '
                'RandomScaleCrop, CenterCropPad; put other transforms after LoadWindow'
            )

    def transform(self, results: dict) -> dict:
        """Load.

        Raises:
            ImageReadError: The image or the packed tile can't be read.
            LabelReadError: The label can't be read or doesn't fit the image or the classes, or the
                image's record is of another size.
        """
        label_path, num_classes = results.get('seg_map_path'), results.get('num_classes')
        packed = results.get('pack_path')
        if packed and self.rule is not None:
            raise ImageReadError(
                f'{packed}: is of the packed store, to which image={self.rule.as_dict()!r} can not '
                'be applied any more; leave out packed'
            )
        with (
            open_packed(packed, num_classes)
            if packed
            else open_files(results['img_path'], label_path, num_classes, self.rule)
        ) as pixels:
            results['img_shape'] = results['ori_shape'] = (pixels.height, pixels.width)
            _refuse_other_size(results)
            if self.crop is not None:
                self.crop.apply(pixels, results)
            else:
                results['img'], results['gt_seg_map'] = pixels.read(
                    0, pixels.height, 0, pixels.width
                )
        if label_path is None:
            results.pop('gt_seg_map', None)
        if 'gt_seg_map' in results:
            results['gt_seg_map'] = map_values(results['gt_seg_map'], results)
            results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        rule = f', image={self.rule.as_dict()!r}' if self.rule else ''
        return f'{type(self).__name__}(crop={self.crop!r}{rule})'


Registry(
    'transform', parent=TRANSFORMS, scope='samrs_mm', locations=['samrs_mm.datasets.transforms']
).register_module(name='LoadImageFromFile', module=LoadWindow)


def _refuse_other_size(results: Mapping[str, Any]) -> None:
    """Refuse an image that isn't of the size that its record states."""
    stated = results.get('height'), results.get('width')
    if None not in stated and stated != results['ori_shape']:
        raise LabelReadError(
            f'{results["img_path"]}: is of {list(results["ori_shape"])} px (height, width), its '
            f'record of {list(stated)}; annotate it again'
        )


def map_values(label: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
    """Renumber classes as mmsegmentation does: without a zero label, or a subset of them.

    Args:
        label: ``(H, W)`` uint8.
        info: May hold ``reduce_zero_label`` and ``label_map``.
    """
    reduced, chosen = info.get('reduce_zero_label'), info.get('label_map') or {}
    table = np.arange(256, dtype=np.uint8)
    for old, new in chosen.items():
        table[old] = new
    if reduced:
        table = table[[255, *range(254), 255]]  # value 1 is class 0, and 0 is ignored
    return table[label] if reduced or chosen else label
