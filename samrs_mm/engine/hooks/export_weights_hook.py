"""Writes what fine-tuning needs of a pre-trained model."""

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner, weights_to_cpu
from mmseg.registry import HOOKS

from samrs_mm.compat import safe_load
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks.class_check_hook import network_of


@HOOKS.register_module()
class ExportWeightsHook(Hook):
    """Writes weights and where they come from, without the optimizer, at the end of training.

    The file is a plain ``dict(state_dict=..., meta=dict(config, iter, weights, classes))``.
    It appears under its name only when it is whole.

    Args:
        path: Where to; ``{config}`` stands for the config's name.
        prefixes: Beginnings of the names of the weights to write.
        weights: ``'last'`` iteration or the ``'best'`` checkpoint by validation, the last if there
            is none.

    Raises:
        RefusedError: ``weights`` is neither.
    """

    priority = 'LOWEST'

    def __init__(
        self,
        path: str = 'pretrain/sep/{config}.pth',
        prefixes: Sequence[str] = ('backbone.', 'decode_head.', 'heads.'),
        weights: str = 'last',
    ):
        if weights not in ('last', 'best'):
            raise RefusedError(f"ExportWeightsHook(weights={weights!r}): choose 'last' or 'best'")
        self.path, self.prefixes, self.weights = path, tuple(prefixes), weights

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Write the file."""
        best = runner.message_hub.get_info('best_ckpt') if self.weights == 'best' else None
        if best:
            checkpoint = safe_load(best)
            state, iteration = checkpoint['state_dict'], checkpoint['meta']['iter']
        else:
            state, iteration = weights_to_cpu(network_of(runner.model).state_dict()), runner.iter
        name = Path(runner.cfg.filename or runner.experiment_name).stem
        path = Path(self.path.format(config=name))
        path.parent.mkdir(parents=True, exist_ok=True)
        sources = getattr(runner.train_dataloader.dataset, 'metainfo', {}).get('sources', {})
        classes = {source: list(info['classes']) for source, info in sources.items()}
        weights = 'best' if best else 'last'
        meta = dict(config=name, iter=iteration, weights=weights, classes=classes)
        kept = {key: value for key, value in state.items() if key.startswith(self.prefixes)}
        buffer = io.BytesIO()
        torch.save(dict(meta=meta, state_dict=kept), buffer)
        atomic_write(path, buffer.getvalue())
        runner.logger.info(f'Wrote {len(kept)} tensors ({weights}) to {path}')
