"""A training loop that goes on where it stopped without reading the data before."""

from contextlib import nullcontext
from itertools import chain, repeat
from typing import Any

from mmengine.dist import get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from mmseg.registry import DATASETS, LOOPS
from torch.utils.data import DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.seeded import SeededDataset, TakesSeeds

SETTINGS = 'sampler'  # key in the message hub, which every checkpoint holds
RANKS = 'ranks'  # likewise


@LOOPS.register_module()
class ResumableIterLoop(IterBasedTrainLoop):
    """``IterBasedTrainLoop`` whose sampler starts at the iteration of the run.

    mmengine's loop loads every batch up to the resumed iteration again, and its workers read ahead
    before it knows that it resumes. This one loads each batch of the run exactly once, whether the
    run is interrupted or not. The sampler's seed comes from the checkpoint. (mmengine's line
    'Advance dataloader N steps' still appears in the log of a resumed run; nothing is loaded then.)

    Args:
        runner: The runner.
        dataloader: Loader or its config. Its sampler is a ``ProportionalMultiSourceSampler`` or a
            ``ResumableSampler``; one without a batch size takes the loader's. Where that sampler
            is keyed and the dataset of a config can't be seeded, a ``SeededDataset`` is put around
            it.
        accumulate: Parts in which a rank's batch goes through the network, for less memory. Their
            gradients are added up to that of the whole batch, after which the weights are updated:
            batch, iterations and schedule stay. Where the network has ``in_parts``, as SEP's has,
            losses are averaged over the whole batch as well; others average within a part. Batch
            norm sees a part.
        **kwargs: As for ``IterBasedTrainLoop``: ``max_iters``, ``val_interval``, ...

    Raises:
        RefusedError: Another sampler, one for another batch size than the loader's, or a batch that
            can't be divided into so many parts.
    """

    dataloader: Any

    def __init__(
        self, runner: Runner, dataloader: DataLoader | dict, accumulate: int = 1, **kwargs: Any
    ):
        BaseLoop.__init__(self, runner, _seedable(dataloader))
        loader = self.dataloader
        _check(loader)
        unread = _Unread()
        unread.dataset = loader.dataset
        super().__init__(runner, unread, **kwargs)
        self.dataloader = loader
        self.accumulate = accumulate
        _check_parts(loader.batch_size, accumulate, runner)

    def run(self) -> Any:
        """Train from the current iteration on."""
        sampler = self.dataloader.sampler
        before = self.runner.message_hub.get_info(SETTINGS) if self._iter > 0 else None
        if before is not None:
            self._continue(sampler, before)
        self.runner.message_hub.update_info(SETTINGS, sampler.settings)
        self._tell_ranks()
        sampler.start_at(self._iter, self._max_iters)
        # the loop first passes over what it has trained on; the loader is not started before
        self.dataloader_iterator = _FromHere(repeat(None, self._iter), self.dataloader)
        self.fast_forward_on_resume = False
        if self.accumulate > 1:
            wrapper, parts = self.runner.optim_wrapper, self.accumulate
            wrapper._accumulative_counts = parts
            wrapper.initialize_count_status(
                self.runner.model, self._iter * parts, self._max_iters * parts
            )
        return super().run()

    def run_iter(self, data_batch: Any) -> None:
        """Train on one batch, in parts where it is to be."""
        if self.accumulate == 1:
            super().run_iter(data_batch)
            return
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        model, logged = self.runner.model, []
        whole = getattr(model.module if is_model_wrapper(model) else model, 'in_parts', None)
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        with whole(samples, self.accumulate) if whole and samples else nullcontext():
            for number in range(self.accumulate):
                part = _every(data_batch, number, self.accumulate)
                logged.append(model.train_step(part, optim_wrapper=self.runner.optim_wrapper))
        outputs = {name: sum(each[name] for each in logged) / len(logged) for name in logged[0]}
        self.runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs=outputs
        )
        self._iter += 1

    def _tell_ranks(self) -> None:
        """Say where a run goes on with other ranks, or parts, than before."""
        loader = self.dataloader
        now = dict(ranks=get_world_size(), each=loader.batch_size, accumulate=self.accumulate)
        before = self.runner.message_hub.get_info(RANKS) if self._iter > 0 else None
        self.runner.message_hub.update_info(RANKS, now)
        if before is None or before == now:
            return
        same = before['ranks'] * before['each'] == now['ranks'] * now['each']
        self.runner.logger.warning(
            f'Resumed on {_in_words(now)}, started on {_in_words(before)}: '
            + (
                'the batches stay the same; rounding, dropout, and batch norm that is not '
                'synchronised do not'
                if same
                else 'another batch for the same learning rate'
            )
        )

    def _continue(self, sampler: Any, before: dict[str, Any]) -> None:
        """Go on with the checkpoint's seed, and warn of what else has changed."""
        sampler.seed = before['seed']
        settings = sampler.settings
        for key in [*settings, *(key for key in before if key not in settings)]:
            now, then = (given.get(key, 'the default') for given in (settings, before))
            if now != then:
                self.runner.logger.warning(
                    f'Resumed with {key}={now}, started with {then}: from here on the '
                    'samples are not those of an uninterrupted run'
                )


def _in_words(place: dict[str, int]) -> str:
    ranks, each, parts = place['ranks'], place['each'], place['accumulate']
    words = f'{counted(ranks, "rank")} x {counted(each, "sample")} = {ranks * each}'
    return words + f' in {parts} parts' * (parts > 1)


def _check_parts(batch: int | None, parts: int, runner: Runner) -> None:
    if not isinstance(parts, int) or parts < 1 or batch is None or batch % parts:
        raise RefusedError(
            f'train_cfg.accumulate={parts!r}: the batch of {batch} a rank cannot be divided into '
            'so many equal parts; choose a divisor of train_dataloader.batch_size'
        )
    wrapper = runner.optim_wrapper
    built = getattr(wrapper, '_accumulative_counts', 1)
    other = wrapper.get('accumulative_counts', 1) if isinstance(wrapper, dict) else built
    if parts > 1 and other > 1:
        raise RefusedError(
            f'train_cfg.accumulate={parts} and optim_wrapper.accumulative_counts={other}: give '
            'one; the first divides the batch, the second makes it larger'
        )
    if parts > 1:
        runner.logger.info(
            f'Accumulation: the batch of {batch} a rank goes through the network in {parts} parts '
            f'of {batch // parts}; batch, learning rate, iterations and schedule stay, batch norm '
            'sees a part'
        )


def _every(batch: Any, number: int, step: int) -> Any:
    """Return every ``step``-th sample of a batch from ``number`` on: lists or tensors, in dicts."""
    if isinstance(batch, dict):
        return {key: _every(value, number, step) for key, value in batch.items()}
    return batch[number::step]


def _seedable(loader: DataLoader | dict) -> DataLoader | dict:
    """Return a loader's config whose dataset takes the seeds of a keyed sampler."""
    if not isinstance(loader, dict) or not loader['sampler'].get('keyed'):
        return loader
    entry = loader['dataset']
    kind = entry.get('type') if isinstance(entry, dict) else type(entry)
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if isinstance(kind, type) and issubclass(kind, TakesSeeds):
        return loader
    return dict(loader, dataset=dict(type=SeededDataset, dataset=entry))


def _check(loader: DataLoader) -> None:
    sampler: Any = loader.sampler
    if not hasattr(sampler, 'start_at'):
        raise RefusedError(
            f'train_dataloader.sampler {type(sampler).__name__}: ResumableIterLoop needs one that '
            'can start anywhere; use ProportionalMultiSourceSampler, for one dataset '
            "ResumableSampler, or train_cfg.type='IterBasedTrainLoop'"
        )
    if sampler.batch_size is None:
        sampler.set_batch_size(loader.batch_size)
    if sampler.batch_size != loader.batch_size:
        raise RefusedError(
            f'train_dataloader: batch_size={loader.batch_size}, but sampler.batch_size='
            f'{sampler.batch_size}; make them equal'
        )


class _FromHere(chain):
    """Nothing for each iteration of before, then the loader's batches."""

    def skip_iter(self, count: int) -> None:
        """Pass over batches; onedl-mmengine's loop calls this, mmengine's ``next``."""
        for _ in range(count):
            next(self)


class _Unread(tuple):
    """Stands in for the loader while mmengine's loop is built, which would start its workers."""

    dataset: Any
