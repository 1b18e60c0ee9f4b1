"""ISPRS Potsdam, as ``prepare_potsdam.py`` cuts it."""

from mmseg.registry import DATASETS

from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.formats.scenes.potsdam import CLASSES, PALETTE


@DATASETS.register_module()
class Potsdam5Dataset(TileFolderDataset):
    """Five classes of ISPRS Potsdam: 24 scenes to train on, 14 to test; tiles of 512 px.

    Clutter and eroded boundaries are 255 in the labels: they are neither trained nor scored, as in
    the paper. mmsegmentation's ``PotsdamDataset`` counts clutter as the sixth class and has labels
    from 1. ``data_root`` is ``data/potsdam/train`` or ``data/potsdam/test``.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(self, data_root: str, source: str = 'potsdam', **kwargs):
        super().__init__(data_root=data_root, source=source, **kwargs)
