"""Detection datasets that ``tools/sam_annotate.py`` turns into segmentation datasets."""

from samrs_mm.datasets.boxes.base import BoxDataset, Scene
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.dior import DIORBoxDataset
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.datasets.boxes.fair1m import FAIR1MBoxDataset
from samrs_mm.datasets.boxes.hrsc import HRSC2016BoxDataset
from samrs_mm.datasets.boxes.isaid import ISAIDInstanceDataset
from samrs_mm.datasets.boxes.released import SAMRSBoxDataset

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
