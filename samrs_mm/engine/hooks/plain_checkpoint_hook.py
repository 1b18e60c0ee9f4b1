"""Makes checkpoints that any torch loads as data, and that are whole or not there."""

import contextlib
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.atomic import temporary


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Leaves tensors and plain containers only, so that ``torch.load(weights_only=True)`` works.

    mmengine's own checkpoints hold log histories and numpy values, which torch refuses from 2.6 on
    unless each class is allowed. Numpy values become plain ones; the histories are dropped, so the
    smoothed values of the log start anew after a resume.

    A checkpoint appears under its name only when it is whole, even if the run is killed or its disk
    is full while it is written.
    """

    priority = 'LOWEST'  # after every hook that puts something into the checkpoint

    def before_run(self, runner: Runner) -> None:
        """Have the runner write under another name first."""
        if not hasattr(runner.save_checkpoint, 'atomic'):
            runner.save_checkpoint = _atomic(runner.save_checkpoint)

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


def _atomic(save: Callable) -> Callable:
    @wraps(save)
    def save_whole(out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        if '://' in str(out_dir) or not is_main_process():
            save(out_dir, filename, *args, **kwargs)
            return
        path = Path(out_dir, filename)
        part = temporary(path)
        try:
            save(out_dir, part.name, *args, **kwargs)
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            error.filename = str(path)
            raise

    save_whole.atomic = True  # type: ignore[attr-defined]
    return save_whole


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value
