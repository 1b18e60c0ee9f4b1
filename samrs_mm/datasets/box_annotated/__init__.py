"""Detection datasets that ``tools/sam_annotate.py`` turns into segmentation datasets."""

from samrs_mm.datasets.box_annotated.base import BoxDataset, Scene
from samrs_mm.datasets.box_annotated.dota import DOTABoxDataset

__all__ = ['BoxDataset', 'DOTABoxDataset', 'Scene']
