"""DeepGlobe Land Cover, as ``prepare_deepglobe.py`` cuts it."""

from mmseg.registry import DATASETS

from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.formats.scenes.deepglobe import CLASSES, PALETTE


@DATASETS.register_module()
class DeepGlobeTilesDataset(TileFolderDataset):
    """Six classes of land cover, 50 cm a pixel: tiles of 612 px of 803 scenes.

    Unknown pixels are 255 in the labels: neither trained nor scored, as in the challenge.
    ``data_root`` is ``data/deepglobe/train`` or ``data/deepglobe/val``.
    """

    METAINFO = dict(classes=CLASSES, palette=[list(colour) for colour in PALETTE])

    def __init__(self, data_root: str, source: str = 'deepglobe', **kwargs):
        super().__init__(data_root=data_root, source=source, **kwargs)
