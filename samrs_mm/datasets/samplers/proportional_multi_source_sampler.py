"""One joint batch from several sources, in proportion to their sizes or by other shares."""

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from fractions import Fraction
from itertools import chain, count
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from samrs_mm.core.errors import RefusedError

_ORDER, _DRAW = 0, 1  # what a number drawn from the seed is for


def apportion(sizes: Sequence[int], batch: int) -> list[int]:
    """Divide a batch in proportion to ``sizes`` (all > 0) by largest remainder, at least one each.

    A source whose exact quota is below one gets one; the rest is divided among the others. Equal
    remainders go to the earlier source. The paper's sets, of 17480, 11725 and 64147 images
    (16606, 11139 and 60940 to train on), get the same slots either way: 18/12/66 of 96, 2/2/8 of
    12, 2/1/5 of 8. The authors' code floors instead, on hard-coded sizes: 2/1/8 of 12.

    Source: Wang et al. 2023, arXiv:2305.02034, section 5.1.
    """
    if batch < len(sizes) or min(sizes) < 1:
        raise RefusedError(f'a batch of {batch} cannot be divided among sources of {list(sizes)}')
    quotas = dict.fromkeys(range(len(sizes)), 1)
    rest = list(quotas)
    while True:
        slots, total = batch - len(sizes) + len(rest), sum(sizes[i] for i in rest)
        large = [i for i in rest if slots * sizes[i] >= total]
        if len(large) == len(rest):
            break
        rest = large
    quotas.update({i: slots * sizes[i] // total for i in rest})
    left = batch - sum(quotas.values())
    for i in sorted(rest, key=lambda i: -(slots * sizes[i] % total))[:left]:
        quotas[i] += 1
    return list(quotas.values())


def tempered(sizes: Sequence[int], temperature: float) -> list[int]:
    """Return whole numbers in the proportion of ``size ** (1 / temperature)``, all >= 1.

    1 gives the sizes themselves; above it small sources gain, and infinity makes all equal. The
    largest becomes 2**24, so that what a processor's power function rounds decides nothing.
    """
    if temperature == 1:
        return list(sizes)
    largest = max(sizes)
    return [max(1, round(2**24 * (size / largest) ** (1 / temperature))) for size in sizes]


def whole_shares(shares: Sequence[float]) -> list[int]:
    """Return whole numbers in the proportion of ``shares``, each as its decimals are written."""
    fractions = [Fraction(str(share)) for share in shares]
    common = math.lcm(*(each.denominator for each in fractions))
    return [int(each * common) for each in fractions]


@DATA_SAMPLERS.register_module()
class ProportionalMultiSourceSampler(Sampler):
    """Assigns every iteration's *global* batch to the ranks.

    Differences from mmdet's ``MultiSourceSampler`` and mmengine's ``InfiniteSampler``:

    1. The batch of all ranks, B = ``batch_size`` x world size, is what is divided (``apportion``);
       every rank gets ``batch_size`` of it, and what ranks get of a source differs by at most one.
       By default it is divided in proportion to the sources' sizes; every batch has the same
       numbers of each source.
    2. Each source is an endless stream, freshly shuffled for every pass over it and without
       replacement within the pass. Ranks take disjoint parts of the stream.
    3. ``batch(it)`` is a pure function of the seed, B and the iteration: the same on any number of
       ranks, and as cheap for iteration 79,999 as for 0. So training can go on at any iteration
       (``start_at``) without replaying what came before. Iterated plainly, it starts at 0.
    4. With ``keyed``, an index comes with the seed of its draw, so that augmentation depends on
       neither workers, ranks nor interruptions.

    A batch that spans the end of a pass may hold an image twice: once from either pass.

    Args:
        dataset: A ``MultiSourceDataset``; a ``ConcatDataset``, each of whose members is a source;
            or a dataset with a ``source`` in its metainfo, as the only one. For any other dataset
            there is ``ResumableSampler``.
        batch_size: Samples per rank, if it is not to be the loader's, which ``ResumableIterLoop``
            sets. A ``batch_size`` that is given has to equal the loader's.
        seed: Of all shuffling, >= 0. By default a random one that all ranks share.
        keyed: Yield ``(index, seed of the draw)``, the seed in 0..2**32-1, instead of ``index``.
        temperature: Divide in proportion to ``size ** (1 / temperature)``: 1, the default, by size,
            larger ones (up to infinity: all equal) give small sources more, those below 1 less.
        shares: Divide in these proportions instead, ``{source: number above 0}``.

    Raises:
        RefusedError: The dataset has no sources, a source is empty, B is smaller than the number
            of sources, or a temperature or shares that can't be.
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int | None = None,
        seed: int | None = None,
        keyed: bool = False,
        temperature: float = 1.0,
        shares: Mapping[str, float] | None = None,
    ):
        self.rank, self.world_size = get_dist_info()
        self.keyed, self.temperature = keyed, temperature
        self.sizes = self.sizes_of(dataset)
        empty = [name for name, size in self.sizes.items() if size < 1]
        if empty:
            raise RefusedError(
                f'source {", ".join(empty)}: holds no image to draw (sizes: {self.sizes}); '
                'see its data_root and its split, or take it out of the config'
            )
        self.shares = None if shares is None else dict(shares)
        _check_division(temperature, self.shares, self.sizes)
        self.batch_size: int | None = None
        if batch_size is not None:
            self.set_batch_size(batch_size)
        self.seed = sync_random_seed() if seed is None else seed
        self.start_at(0)

    @staticmethod
    def sizes_of(dataset: Sized) -> dict[str, int]:
        """Return the number of images of each source, in the order of the dataset.

        Raises:
            RefusedError: It has no sources.
        """
        if hasattr(dataset, 'source_sizes'):
            return dict(dataset.source_sizes)
        if hasattr(dataset, 'datasets'):
            metas = [getattr(part, 'metainfo', {}) for part in dataset.datasets]
            names: list[Any] = [meta.get('source') for meta in metas]
            if None in names or len({*names}) < len(names):
                names = [str(number) for number in range(len(names))]
            return dict(zip(names, map(len, dataset.datasets), strict=True))
        if getattr(dataset, 'metainfo', {}).get('source'):
            return {'dataset': len(dataset)}
        raise RefusedError(
            f'ProportionalMultiSourceSampler: {type(dataset).__name__} has no sources; use '
            'MultiSourceDataset or ConcatDataset, or for a single dataset '
            "sampler.type='ResumableSampler'"
        )

    def set_batch_size(self, batch_size: int) -> None:
        """Set the samples per rank, and with it what each source gets of a batch.

        Raises:
            RefusedError: The batch of all ranks is smaller than the number of sources.
        """
        self.batch_size, self.global_batch = batch_size, batch_size * self.world_size
        if batch_size < 1 or self.global_batch < len(self.sizes):
            needed = -(-len(self.sizes) // self.world_size)
            raise RefusedError(
                f'batch_size {batch_size} on {self.world_size} ranks makes a global batch of '
                f'{self.global_batch}, too small for one sample of each of {len(self.sizes)} '
                f'sources ({", ".join(self.sizes)}); use a batch_size of at least {needed}'
            )
        sizes = [*self.sizes.values()]
        parts = (
            tempered(sizes, self.temperature)
            if self.shares is None
            else whole_shares([self.shares[source] for source in self.sizes])
        )
        self.quotas = dict(zip(self.sizes, apportion(parts, self.global_batch), strict=True))

    @property
    def seed(self) -> int:
        """Seed of all shuffling."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        if seed < 0:
            raise RefusedError(f'seed {seed}: must be 0 or more')
        self._seed = int(seed)
        self._orders: list[dict[int, np.ndarray]] = [{} for _ in self.sizes]

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the sequence of global batches, as plain data."""
        said = dict(seed=self.seed, global_batch=self.global_batch, sizes=dict(self.sizes))
        if self.temperature != 1:
            said['temperature'] = self.temperature
        if self.shares is not None:
            said['shares'] = dict(self.shares)
        return said

    def start_at(self, first: int, last: int | None = None) -> None:
        """Let iterators made from now on run from iteration ``first`` up to before ``last``."""
        self._span = first, last

    def batch(self, iteration: int) -> list[int | tuple[int, int]]:
        """Return what all ranks together draw in an iteration, grouped by source."""
        if self.batch_size is None:
            raise RefusedError(
                f'train_dataloader.sampler {type(self).__name__}: its batch_size is not set; '
                "ResumableIterLoop sets it from the loader's; for another loop give it"
            )
        drawn: list[int | tuple[int, int]] = []
        offset = 0
        for source, (name, size) in enumerate(self.sizes.items()):
            quota = self.quotas[name]
            for position in range(iteration * quota, (iteration + 1) * quota):
                turn, place = divmod(position, size)
                index = offset + int(self._order(source, turn, size)[place])
                if self.keyed:
                    key = self._key(_DRAW, source, position)
                    drawn.append((index, int(key.generate_state(1)[0])))
                else:
                    drawn.append(index)
            offset += size
        return drawn

    def _order(self, source: int, turn: int, size: int) -> np.ndarray:
        """Return the permutation of a pass; a batch touches at most two of a large source."""
        orders = self._orders[source]
        if turn not in orders:
            if len(orders) > 1:
                del orders[next(iter(orders))]
            # RandomState over MT19937: the one numpy generator whose numbers never change.
            generator = np.random.RandomState(np.random.MT19937(self._key(_ORDER, source, turn)))
            orders[turn] = generator.permutation(size)
        return orders[turn]

    def _key(self, *of: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=of)

    def __iter__(self) -> Iterator[int | tuple[int, int]]:
        first, last = self._span
        iterations = count(first) if last is None else range(first, last)
        # Like cards from the batch grouped by source: as many for each rank, of each source.
        own = slice(self.rank, None, self.world_size)
        return chain.from_iterable(self.batch(iteration)[own] for iteration in iterations)

    def __len__(self) -> int:
        """Samples of this rank in one pass over all; the stream itself has no end."""
        return -(-sum(self.sizes.values()) // self.world_size)


def _check_division(
    temperature: Any, shares: Mapping[str, Any] | None, sizes: Mapping[str, int]
) -> None:
    """Refuse what a batch can't be divided by."""
    key = 'train_dataloader.sampler'
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise RefusedError(
            f'{key}.temperature={temperature!r}; needed: a number above 0; 1 divides a batch by '
            'the sizes of sources, inf equally'
        )
    if shares is None:
        return
    if temperature != 1:
        raise RefusedError(f'{key}: temperature and shares exclude each other; give one of them')
    others = sizes.keys() ^ shares.keys()
    if others:
        raise RefusedError(
            f'{key}.shares: {", ".join(sorted(others))}: '
            f'each source needs a share, and nothing else: {", ".join(sizes)}'
        )
    for source, share in shares.items():
        if not isinstance(share, int | float) or not 0 < share < math.inf:
            raise RefusedError(f'{key}.shares.{source}={share!r}; needed: a number above 0')
