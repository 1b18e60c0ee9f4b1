"""The last step of pipelines whose samples teach several tasks at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError

TASKS = ('instance', 'oriented')
"""What detectors learn of a sample, beside its label map."""
META_KEYS = (
    'source', 'img_id', 'img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape',
    'scale_factor', 'flip', 'flip_direction', 'reduce_zero_label',
)  # fmt: skip


@TRANSFORMS.register_module()
class PackMultiTaskInputs(BaseTransform):
    """Pack an image, its label map, masks and R-Boxes into one ``SegDataSample``.

    The sample has ``gt_sem_seg`` as of mmseg's ``PackSegInputs``, and ``gt_instances`` with
    ``labels`` (N,), ``bboxes`` (N, 4) x0, y0, x1, y1 of the masks as they are after all transforms,
    ``masks`` and, with ``'oriented'``, ``rboxes`` (mmrotate's RotatedBoxes). What is to be ignored
    is in ``ignored_instances``, with the same fields. Objects of which a crop has left no more than
    a line of pixels are in neither.

    Required Keys: img ``(H, W, C)``, gt_seg_map ``(H, W)``, gt_masks, gt_bboxes, gt_bboxes_labels,
    gt_ignore_flags; for ``'oriented'`` gt_bboxes are oriented ones

    Args:
        tasks: Some of ``'instance'`` and ``'oriented'``: what the source teaches beside its labels.
        meta_keys: What to keep as metainfo. With ``'instances'`` that of the dataset is kept, as
            ``mmdet.CocoMetric`` takes it: with the boxes of the masks.

    Raises:
        RefusedError: No such task.
    """

    def __init__(self, tasks: Sequence[str] = TASKS, meta_keys: Sequence[str] = META_KEYS):
        self.tasks, self.meta_keys = tuple(tasks), tuple(meta_keys)
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise RefusedError(
                f'PackMultiTaskInputs(tasks=[{unknown[0]!r}]): choose from {", ".join(TASKS)}'
            )

    def transform(self, results: dict) -> dict:
        """Pack.

        Raises:
            RefusedError: Oriented boxes are asked for, and the boxes are others.
        """
        image = torch.from_numpy(np.ascontiguousarray(results['img'].transpose(2, 0, 1)))
        meta = {key: results[key] for key in self.meta_keys if key in results}
        if 'instances' in meta:
            meta['instances'] = [dict(one, bbox=_box_of(one['mask'])) for one in meta['instances']]
        sample = SegDataSample(metainfo=meta)
        label = torch.from_numpy(results['gt_seg_map'][None].astype(np.int64))
        sample.gt_sem_seg = PixelData(data=label)
        if self.tasks:
            ignored = np.asarray(results['gt_ignore_flags'], bool)
            sample.gt_instances = self._objects(results, ~ignored)
            sample.ignored_instances = self._objects(results, ignored)
        return dict(inputs=image, data_samples=sample)

    def _objects(self, results: dict, chosen: np.ndarray) -> InstanceData:
        """Return the objects chosen by an ``(N,)`` bool array."""
        bitmaps = results['gt_masks']
        boxes = bitmaps.get_bboxes('hbox')
        seen = ((boxes.widths > 1) & (boxes.heights > 1)).numpy() & chosen
        labels = np.asarray(results['gt_bboxes_labels'], np.int64)[seen]
        found = InstanceData(
            labels=torch.from_numpy(labels), bboxes=boxes[seen].tensor, masks=bitmaps[seen]
        )
        if 'oriented' in self.tasks:
            found.rboxes = _oriented(results['gt_bboxes'])[seen]
        return found

    def __repr__(self) -> str:
        return f'{type(self).__name__}(tasks={self.tasks}, meta_keys={self.meta_keys})'


def _oriented(boxes: Any) -> Any:
    if getattr(boxes, 'box_dim', 4) == 4:  # upright boxes, which would pass for oriented ones
        raise RefusedError(
            "PackMultiTaskInputs(tasks=['oriented']): the boxes are upright; give the dataset "
            "boxes='rbox' and mmdet.LoadAnnotations box_type='qbox', or leave the task out"
        )
    return boxes.convert_to('rbox')


def _box_of(mask: Any) -> list[float]:
    """Return x0, y0, x1, y1 of a mask as COCO RLE."""
    x, y, width, height = masks.bbox(mask)
    return [float(value) for value in (x, y, x + width, y + height)]
