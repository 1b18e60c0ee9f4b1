"""Transforms: loading by window, and the augmentation of segmentation pre-training."""

from samrs_mm.datasets.transforms.colour import OneOfColour
from samrs_mm.datasets.transforms.cropping import CenterCropPad, Crop, RandomScaleCrop
from samrs_mm.datasets.transforms.loading import LoadWindow
from samrs_mm.datasets.transforms.rotation import RandomRotate90

__all__ = [
    'CenterCropPad',
    'Crop',
    'LoadWindow',
    'OneOfColour',
    'RandomRotate90',
    'RandomScaleCrop',
]
