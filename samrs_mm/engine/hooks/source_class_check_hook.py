"""Refuses a run whose heads and datasets don't belong together."""

from typing import Any

from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted
from samrs_mm.engine.hooks.class_check_hook import ClassCheckHook, network_of


@HOOKS.register_module()
class SourceClassCheckHook(ClassCheckHook):
    """Compares each head's classes with its source's METAINFO before the first batch."""

    def before_train(self, runner: Runner) -> None:
        """Check the training data, where every head needs a source, and the validation data."""
        super().before_train(runner)
        heads = network_of(runner.model).source_classes
        idle = heads.keys() - runner.train_dataloader.dataset.metainfo['sources'].keys()
        if idle:
            raise RefusedError(
                f'model.heads: no training data for {", ".join(sorted(idle))}; add the dataset or '
                'leave the head out'
            )

    def _check(self, runner: Runner, dataloader: Any, name: str) -> None:
        heads = network_of(runner.model).source_classes
        sources = dataloader.dataset.metainfo.get('sources')
        if not sources:
            raise RefusedError(
                f"{name}: its dataset's metainfo has no 'sources'; use MultiSourceDataset"
            )
        for source, meta in sources.items():
            if source not in heads:
                raise RefusedError(
                    f'{name}: source {source!r} has no head; model.heads has {", ".join(heads)}'
                )
            if len(meta['classes']) != heads[source]:
                raise RefusedError(
                    f'model.heads.{source}.num_classes={heads[source]}, but {name} has '
                    f'{counted(len(meta["classes"]), "class")} of {source}; make them equal'
                )

    def _check_same(self, train: dict[str, Any], val: dict[str, Any]) -> None:
        for source, metainfo in val['sources'].items():
            super()._check_same(train['sources'].get(source, {}), metainfo)
