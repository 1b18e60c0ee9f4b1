"""Transforms: loading by window, and the augmentation of segmentation pre-training."""

from samrs_mm.datasets.transforms.augmentation import OneOfColour, RandomRotate90
from samrs_mm.datasets.transforms.cropping import CenterCropPad, Crop, RandomScaleCrop
from samrs_mm.datasets.transforms.instances import HideIgnored
from samrs_mm.datasets.transforms.loading import LoadWindow
from samrs_mm.datasets.transforms.packing import PackMultiTaskInputs

__all__ = [
    'CenterCropPad',
    'Crop',
    'HideIgnored',
    'LoadWindow',
    'OneOfColour',
    'PackMultiTaskInputs',
    'RandomRotate90',
    'RandomScaleCrop',
]
