"""iSAID, as ``prepare_isaid.py`` cuts it."""

from mmseg.registry import DATASETS

from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.formats.scenes.isaid import CLASSES, PALETTE


@DATASETS.register_module()
class ISAIDTilesDataset(TileFolderDataset):
    """iSAID: background and 15 classes of objects; 1,411 and 458 scenes, tiles of 896 px.

    Classes, names and colours are those of mmsegmentation's ``iSAIDDataset``, whose label files
    have another suffix. ``data_root`` is ``data/isaid/train`` or ``data/isaid/val``.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(self, data_root: str, source: str = 'isaid', **kwargs):
        super().__init__(data_root=data_root, source=source, **kwargs)
