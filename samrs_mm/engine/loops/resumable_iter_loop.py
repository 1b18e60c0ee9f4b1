"""A training loop that goes on where it stopped without reading the data before."""

from itertools import chain, repeat
from typing import Any

from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from mmseg.registry import DATASETS, LOOPS
from torch.utils.data import DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.segmentation.seeded import SeededDataset, TakesSeeds

SETTINGS = 'sampler'  # key in the message hub, which every checkpoint holds


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
        **kwargs: As for ``IterBasedTrainLoop``: ``max_iters``, ``val_interval``, ...

    Raises:
        RefusedError: Another sampler, or one for another batch size than the loader's.
    """

    dataloader: Any

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, **kwargs: Any):
        BaseLoop.__init__(self, runner, _seedable(dataloader))
        loader = self.dataloader
        _check(loader)
        unread = _Unread()
        unread.dataset = loader.dataset
        super().__init__(runner, unread, **kwargs)
        self.dataloader = loader

    def run(self) -> Any:
        """Train from the current iteration on."""
        sampler = self.dataloader.sampler
        before = self.runner.message_hub.get_info(SETTINGS) if self._iter > 0 else None
        if before is not None:
            self._continue(sampler, before)
        self.runner.message_hub.update_info(SETTINGS, sampler.settings)
        sampler.start_at(self._iter, self._max_iters)
        # the loop first passes over what it has trained on; the loader is not started before
        self.dataloader_iterator = _FromHere(repeat(None, self._iter), self.dataloader)
        self.fast_forward_on_resume = False
        return super().run()

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
