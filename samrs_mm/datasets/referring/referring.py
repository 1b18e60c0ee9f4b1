"""RefSegRS, RISBench and RRSIS-D, and what ``export_dataset.py --to refsegrs`` writes."""

from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.seeded import TakesSeeds
from samrs_mm.formats.referring.reading import read_triplets


@DATASETS.register_module()
class ReferringDataset(TakesSeeds, BaseSegDataset):
    """Image, phrase and binary map: a sample for each phrase, for networks that read phrases.

    Layout: see ``formats.referring``; which one it is, is found by its files. A sample has
    ``img_path``, ``phrase`` and ``triplet`` (which ``LoadReferring`` makes ``img`` and
    ``gt_seg_map`` of), ``place`` (where the phrase stands in the labels), ``split`` and
    ``category``. A map is 1 where the phrase's objects are, else 0. Phrases that can't be taken
    are told, one line of the first.

    Args:
        data_root: The dataset as downloaded.
        split: ``'train'``, ``'val'`` or ``'test'``; None takes all.
        **kwargs: As in ``BaseSegDataset``, but for files and classes, which are fixed.

    Raises:
        RefusedError: No such layout or split, or no phrase.

    Example:
        >>> dataset = dict(type='ReferringDataset', data_root='data/RefSegRS', split='train',
        ...                pipeline=[dict(type='LoadReferring'),
        ...                          dict(type='PackSegInputs', meta_keys=('phrase', 'img_path',
        ...                                                                'ori_shape'))])
    """

    METAINFO = dict(classes=('other', 'meant'), palette=[[0, 0, 0], [255, 255, 255]])

    def __init__(self, data_root: str, split: str | None = None, **kwargs: Any):
        self.split = split
        super().__init__(data_root=data_root, data_prefix={}, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return one dict a phrase; no image is opened."""
        root = Path(self.data_root)
        found = read_triplets(root, self.split)
        if found.problems:
            place, problem = next(iter(found.problems.items()))
            number = counted(len(found.problems), 'phrase is', 'phrases are')
            print_log(f'{root}: {number} left out; {place}: {problem}', logger='current')
        return [
            dict(
                img_path=str(root / each.image),
                phrase=each.phrase,
                triplet=each,
                data_root=str(root),
                place=each.place,
                split=each.split,
                category=each.category,
                reduce_zero_label=self.reduce_zero_label,
                label_map=self.label_map,
                seg_fields=[],
            )
            for each in found.triplets
        ]
