"""Several segmentation datasets as one, each with classes of its own."""

import contextlib
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.registry import DATASETS

from samrs_mm.core.errors import RefusedError


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generator inside the block, and put them back after.

    What is drawn inside depends on the seed alone, whichever process draws it, and however many
    samples it drew before.

    Args:
        seed: Whole number of at least 0; its lowest 32 bits count.
    """
    seed = int(seed) % 2**32
    python, numpy, generator = random.getstate(), np.random.get_state(), torch.default_generator
    state = generator.get_state()
    random.seed(seed)
    np.random.seed(seed)
    generator.manual_seed(seed)  # torch.manual_seed would seed the GPU too, which is not put back
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        generator.set_state(state)


@DATASETS.register_module()
class MultiSourceDataset(ConcatDataset):
    """Datasets one after the other; samples know their source, and sources their classes.

    An index is global: first the first dataset's images, then the second's, ... It may come with a
    seed, ``dataset[index, seed]``: then the sample's augmentation follows from the seed alone.

    Args:
        datasets: Datasets or configs of them, each with a ``source`` in its ``metainfo``.
        lazy_init: Don't read lists and indexes yet.

    Raises:
        RefusedError: No dataset, one without a source, or two of one source.
    """

    def __init__(self, datasets: Sequence[BaseDataset | dict], lazy_init: bool = False):
        built = [DATASETS.build(item) if isinstance(item, dict) else item for item in datasets]
        if not built:
            raise RefusedError('MultiSourceDataset(datasets=[]): give at least one dataset')
        self.source_names = tuple(self._source(dataset) for dataset in built)
        twice = [name for name in self.source_names if self.source_names.count(name) > 1]
        if twice:
            raise RefusedError(
                f'two datasets have source={twice[0]!r}; each source has one head, so give every '
                'dataset its own name'
            )
        super().__init__(built, lazy_init, sorted({key for d in built for key in d.metainfo}))

    @staticmethod
    def _source(dataset: BaseDataset) -> str:
        source = dataset.metainfo.get('source')
        if not isinstance(source, str) or not source:
            raise RefusedError(
                f'{type(dataset).__name__} of {dataset.data_root!r} has no source name; use '
                'SAMRSDataset(source=...) or a dataset that has one in its metainfo'
            )
        return source

    @property
    def metainfo(self) -> dict:
        """The first dataset's, and ``sources``: ``{name: dict(classes=tuple, palette=list)}``."""
        sources = {}
        for name, dataset in zip(self.source_names, self.datasets, strict=True):
            meta = dataset.metainfo
            palette = [[int(value) for value in colour] for colour in meta['palette']]
            sources[name] = dict(classes=tuple(meta['classes']), palette=palette)
        return super().metainfo | dict(sources=sources)

    @property
    def source_sizes(self) -> dict[str, int]:
        """Number of images by source, in the order of the datasets."""
        return dict(zip(self.source_names, map(len, self.datasets), strict=True))

    def __getitem__(self, index: int | tuple[int, int]) -> dict:
        """Return a sample through its dataset's pipeline.

        Args:
            index: Global index, or ``(index, seed)``.
        """
        if isinstance(index, tuple | list):
            index, seed = index
            with seeded(seed):
                return super().__getitem__(index)
        return super().__getitem__(index)
