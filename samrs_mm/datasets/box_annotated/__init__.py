"""Detection datasets that ``tools/sam_annotate.py`` turns into segmentation datasets."""

from samrs_mm.datasets.box_annotated.base import BoxDataset, Scene
from samrs_mm.datasets.box_annotated.coco import COCOBoxDataset
from samrs_mm.datasets.box_annotated.dior import DIORBoxDataset
from samrs_mm.datasets.box_annotated.dota import DOTABoxDataset
from samrs_mm.datasets.box_annotated.fair1m import FAIR1MBoxDataset
from samrs_mm.datasets.box_annotated.hrsc import HRSC2016BoxDataset
from samrs_mm.datasets.box_annotated.isaid import ISAIDInstanceDataset
from samrs_mm.datasets.box_annotated.released import SAMRSBoxDataset

__all__ = [
    'BoxDataset',
    'COCOBoxDataset',
    'DIORBoxDataset',
    'DOTABoxDataset',
    'FAIR1MBoxDataset',
    'HRSC2016BoxDataset',
    'ISAIDInstanceDataset',
    'SAMRSBoxDataset',
    'Scene',
]
