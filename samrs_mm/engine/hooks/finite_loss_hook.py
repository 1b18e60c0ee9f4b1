"""Ends a run whose loss is no number any more."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import SamrsError


class DivergedError(SamrsError):
    """The loss or the gradient is NaN or infinite."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends a run at the first loss or gradient that is NaN or infinite.

    Otherwise it would go on to its end with broken weights, over its good checkpoints. The
    iteration is not saved. In mixed precision such steps occur and are left out by the scaler, so
    the run ends after ``patience`` of them in a row.

    Args:
        patience: That number, at least 1.

    Raises:
        DivergedError: The run has diverged.
    """

    priority = 'NORMAL'  # after the values are logged, before a checkpoint is written

    def __init__(self, patience: int = 20):
        self.patience, self.bad = patience, 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at what was logged of this iteration."""
        logged = runner.message_hub.log_scalars
        values = {
            name.removeprefix('train/'): logged[name].current()
            for name in logged
            if name.startswith('train/') and ('loss' in name or name.endswith('grad_norm'))
        }
        wrong = [f'{name} {value}' for name, value in values.items() if not math.isfinite(value)]
        self.bad = self.bad + 1 if wrong else 0
        if not wrong:
            return
        scaled = isinstance(runner.optim_wrapper, AmpOptimWrapper)
        if scaled and self.bad < self.patience:
            return
        last = runner.message_hub.get_info('last_ckpt')
        kept = f'the last checkpoint is {last}' if last else 'there is no checkpoint yet'
        raise DivergedError(
            f'iteration {runner.iter + 1}: {", ".join(wrong[:4])}; the run has diverged and ends '
            f'here, {kept}. Lower optim_wrapper.optimizer.lr, or set '
            'optim_wrapper.clip_grad.max_norm; --resume goes on from the last checkpoint, too'
        )
