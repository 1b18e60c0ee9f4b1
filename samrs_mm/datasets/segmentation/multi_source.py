"""Several segmentation datasets as one, each with classes of its own."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset
from mmseg.registry import DATASETS

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.seeded import TakesSeeds


@DATASETS.register_module()
class MultiSourceDataset(TakesSeeds, ConcatDataset):
    """Datasets one after the other; samples know their source, and sources their classes.

    A source is any dataset with classes: one of ours, of mmseg, or several in a ``ConcatDataset``
    or ``RepeatDataset``. Its name is the ``source`` of its ``metainfo``, which mmseg's datasets are
    given as ``metainfo=dict(source='loveda')``; samples carry it, whatever their pipeline packs.

    An index is global: first the first dataset's images, then the second's, ... It may come with a
    seed, ``dataset[index, seed]``: then the sample's augmentation follows from the seed alone.

    Args:
        datasets: Datasets or configs of them.
        lazy_init: Don't read lists and indexes yet.
        pipeline: Ignored, the datasets have their own; mmseg's ``MMSegInferencer`` looks here for
            that of single images.

    Raises:
        RefusedError: No dataset, one without a source or without classes, or two of one source.
    """

    def __init__(
        self, datasets: Sequence[Any], lazy_init: bool = False, pipeline: Sequence[Any] = ()
    ):
        if not datasets:
            raise RefusedError('MultiSourceDataset(datasets=[]): give at least one dataset')
        # Not ConcatDataset's own __init__: it wants one metainfo for all, and no wrappers.
        self.datasets = [
            DATASETS.build(item) if isinstance(item, dict) else item for item in datasets
        ]
        self.source_names = tuple(_source_of(dataset) for dataset in self.datasets)
        twice = [name for name in self.source_names if self.source_names.count(name) > 1]
        if twice:
            raise RefusedError(
                f'two datasets have source={twice[0]!r}; each source has one head, so give every '
                'dataset its own name'
            )
        self._metainfo = self.datasets[0].metainfo
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """The first dataset's, and ``sources``: ``{name: dict(classes=tuple, palette=list)}``."""
        sources = {}
        for name, dataset in zip(self.source_names, self.datasets, strict=True):
            palette = [[int(value) for value in colour] for colour in dataset.metainfo['palette']]
            sources[name] = dict(classes=tuple(dataset.metainfo['classes']), palette=palette)
        return super().metainfo | dict(sources=sources)

    @property
    def source_sizes(self) -> dict[str, int]:
        """Number of images by source, in the order of the datasets."""
        return dict(zip(self.source_names, map(len, self.datasets), strict=True))

    def __getitem__(self, index: int | tuple[int, int]) -> dict:
        """Return a sample through its dataset's pipeline, of an index or ``(index, seed)``."""
        sample = super().__getitem__(index)
        number = index[0] if isinstance(index, tuple | list) else index
        source = self.source_names[self._get_ori_dataset_idx(number)[0]]
        packed = sample.get('data_samples')
        if packed is None:
            sample['source'] = source
        for view in packed if isinstance(packed, list) else [packed] if packed else []:
            view.set_metainfo(dict(source=source))
        return sample


def _source_of(dataset: Any) -> str:
    source, classes = (dataset.metainfo.get(key) for key in ('source', 'classes'))
    place = f'{type(dataset).__name__} of {getattr(dataset, "data_root", None)!r}'
    if not isinstance(source, str) or not source:
        raise RefusedError(
            f"{place} has no source name; give it metainfo=dict(source='NAME'), or use "
            'SAMRSDataset(source=...)'
        )
    if not classes:
        raise RefusedError(f'{place}: source {source} has no classes in its metainfo')
    return source
