"""Refuses a run whose heads and datasets don't belong together."""

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.annotation.errors import RefusedError


@HOOKS.register_module()
class SourceClassCheckHook(Hook):
    """Compares each head's classes with its source's METAINFO before the first batch."""

    def before_train(self, runner: Runner) -> None:
        """Check the training data, where every head needs a source, and the validation data.

        Raises:
            RefusedError: A source without a head, a head without a source, or other classes.
        """
        self._check(runner, runner.train_dataloader, 'train_dataloader')
        idle = set(self._heads(runner)) - set(runner.train_dataloader.dataset.metainfo['sources'])
        if idle:
            raise RefusedError(
                f'model.heads: no training data for {", ".join(sorted(idle))}; add the dataset or '
                'leave the head out'
            )
        if runner.val_loop is not None:
            self._check(runner, runner.val_dataloader, 'val_dataloader')

    def before_val(self, runner: Runner) -> None:
        """Check the validation data."""
        self._check(runner, runner.val_dataloader, 'val_dataloader')

    def before_test(self, runner: Runner) -> None:
        """Check the test data."""
        self._check(runner, runner.test_dataloader, 'test_dataloader')

    def _check(self, runner: Runner, dataloader: Any, name: str) -> None:
        sources = dataloader.dataset.metainfo.get('sources')
        if not sources:
            raise RefusedError(
                f"{name}: its dataset's metainfo has no 'sources'; use MultiSourceDataset"
            )
        check_classes(self._heads(runner), sources, name)

    @staticmethod
    def _heads(runner: Runner) -> dict[str, int]:
        model = runner.model
        while hasattr(model, 'module'):  # within DDP, within test-time augmentation
            model = model.module
        return model.source_classes


def check_classes(
    heads: Mapping[str, int], sources: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """Refuse sources without a head, or with another number of classes.

    Args:
        heads: Number of classes by source.
        sources: Metainfo by source, with ``classes``.
        name: Where the sources come from, for the message.

    Raises:
        RefusedError: As above.
    """
    for source, meta in sources.items():
        if source not in heads:
            raise RefusedError(
                f'{name}: source {source!r} has no head; model.heads has {", ".join(heads)}'
            )
        if len(meta['classes']) != heads[source]:
            raise RefusedError(
                f'model.heads.{source}.num_classes={heads[source]}, but {name} has '
                f'{len(meta["classes"])} classes of {source}; make them equal'
            )
