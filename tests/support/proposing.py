"""A model of mmdetection that finds what is bright, so that its boxes are known beforehand."""

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

CLASSES = ('dim', 'bright')
BRIGHT = 150
"""Grey value from which an object is of the second class."""
_GROUND = 60


@MODELS.register_module()
class BrightDetector(BaseModel):
    """Boxes around regions above the ground; the score is the largest value / 255.

    Args:
        form: ``'hbox'``, ``'rbox'`` (5 numbers) or ``'mask'``.
    """

    def __init__(self, form: str = 'hbox'):
        super().__init__(data_preprocessor=dict(type='mmdet.DetDataPreprocessor', bgr_to_rgb=True))
        self.form, self.weight = form, torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        assert mode == 'predict'
        return [self._find(*each) for each in zip(inputs, data_samples, strict=True)]

    def _find(self, pixels, sample: DetDataSample) -> DetDataSample:
        red = pixels[0].numpy()
        count, numbers, stats, _ = cv2.connectedComponentsWithStats((red > _GROUND).view(np.uint8))
        width, height = sample.scale_factor
        scale = np.array([width, height, width, height])
        boxes, scores, masks = [], [], []
        for number in range(1, count):
            x, y, w, h, _ = stats[number]
            boxes.append(np.array([x, y, x + w, y + h]) / scale)
            scores.append(float(red[numbers == number].max()) / 255)
            size = sample.ori_shape[::-1]
            mask = (numbers == number).astype(np.uint8)
            masks.append(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0)
        boxes = torch.tensor(np.array(boxes).reshape(-1, 4), dtype=torch.float32)
        if self.form == 'rbox':
            sides = boxes[:, 2:] - boxes[:, :2]
            middle = (boxes[:, 2:] + boxes[:, :2]) / 2
            boxes = torch.cat([middle, sides, torch.zeros(len(boxes), 1)], 1)
        scores = torch.tensor(scores)
        found = InstanceData(bboxes=boxes, scores=scores, labels=(scores * 255 > BRIGHT).long())
        if self.form == 'mask':
            found.masks = torch.tensor(np.array(masks).reshape(-1, *sample.ori_shape))
        sample.pred_instances = found
        return sample


def write_detector(root, form: str = 'hbox', scale: int = 64, classes=CLASSES):
    """Write a config and weights of it; return their paths."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(scale, scale), keep_ratio=True),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor')),
    ]
    config = dict(
        default_scope='mmdet', custom_imports=dict(imports=['proposing']),
        model=dict(type='BrightDetector', form=form),
        test_dataloader=dict(dataset=dict(type='CocoDataset', pipeline=pipeline)),
    )  # fmt: skip
    Config(config).dump(root / 'detector.py')
    weights = BrightDetector(form).state_dict()
    meta = dict(dataset_meta=dict(classes=classes))
    torch.save(dict(meta=meta, state_dict=weights), root / 'detector.pth')
    return root / 'detector.py', root / 'detector.pth'
