"""Makes checkpoints that any torch loads as data."""

from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Leaves tensors and plain containers only, so that ``torch.load(weights_only=True)`` works.

    mmengine's own checkpoints hold log histories and numpy values, which torch refuses from 2.6 on
    unless each class is allowed. Numpy values become plain ones; the histories are dropped, so the
    smoothed values of the log start anew after a resume.
    """

    priority = 'LOWEST'  # after every hook that puts something into the checkpoint

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Replace what is not plain."""
        hub = checkpoint['message_hub']
        kept = hub['runtime_info']
        checkpoint['message_hub'] = dict(
            log_scalars={},
            runtime_info=_plain(kept),
            resumed_keys={key: value for key, value in hub['resumed_keys'].items() if key in kept},
        )
        checkpoint['meta'] = _plain(checkpoint['meta'])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value
