"""Segmentation datasets made from boxes: SAMRS's three subsets, and any annotated folder."""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import DATASETS

from samrs_mm.core.classes import FAST_CLASSES, PALETTE, SIOR_CLASSES, SOTA_CLASSES
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.image_index import DIOR_TRAINVAL, is_dior_trainval
from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.formats.labelled_image import LabelledImage


def _metainfo(classes: Sequence[str]) -> dict:
    palette = [list(colour) for colour in PALETTE[: len(classes)]]
    return dict(classes=tuple(classes), palette=palette)


@DATASETS.register_module()
class SAMRSDataset(TileFolderDataset):
    """A segmentation dataset that ``tools/sam_annotate.py`` made, or a released SAMRS subset.

    An annotated folder brings its classes in ``meta.json``; a released one gets them from
    ``metainfo`` or a subclass, and may hold more images than labels. 255 is what no mask covers.

    Args:
        source: Name of the source, such as ``'sota'``; the key of its head.
        data_root: The annotated folder, or the folder of one released subset.
        filter_empty: Leave out images without a labelled pixel.
        **kwargs: As in ``TileFolderDataset``; without ``data_prefix`` the folder names of the
            release are tried.
    """

    FOLDERS = {}
    ALL_LABELLED = False

    def __init__(self, source: str, data_root: str, filter_empty: bool = True, **kwargs: Any):
        super().__init__(data_root, source=source, filter_empty=filter_empty, **kwargs)


@DATASETS.register_module()
class SOTADataset(SAMRSDataset):
    """SOTA: 18 classes of DOTA-v2.0, tiles of 1024 px; 17,480 images in the release."""

    METAINFO = _metainfo(SOTA_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/sota', source: str = 'sota', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)


@DATASETS.register_module()
class FASTDataset(SAMRSDataset):
    """FAST: 37 classes of FAIR1M-2.0, tiles of 600 px; 64,147 images in the release."""

    METAINFO = _metainfo(FAST_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/fast', source: str = 'fast', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)


@DATASETS.register_module()
class SIORDataset(SAMRSDataset):
    """SIOR: 20 classes of DIOR, 800 px; only DIOR's 11,725 trainval images.

    The other 11,738 are DIOR's test set: a network pre-trained on them could not be compared on
    detection benchmarks, so they are never read, and refused in a list.
    """

    METAINFO = _metainfo(SIOR_CLASSES)

    def __init__(self, data_root: str = 'data/samrs/sior', source: str = 'sior', **kwargs):
        super().__init__(source=source, data_root=data_root, **kwargs)

    def select(self, entries: list[LabelledImage]) -> list[LabelledImage]:
        """As ``SAMRSDataset.select``, from the trainval images only."""
        return super().select([entry for entry in entries if is_dior_trainval(entry.scene)])

    def listed(self) -> list[str]:
        """As ``SAMRSDataset.listed``; a name of DIOR's test set is refused."""
        names = super().listed()
        test = [name for name in names if not is_dior_trainval(name)]
        if test:
            raise RefusedError(
                f'{self.ann_file}: {test[0]!r} is of the DIOR test set ({len(test)} such names); '
                f'only ids 1..{DIOR_TRAINVAL} may be trained on; take them out'
            )
        return names
