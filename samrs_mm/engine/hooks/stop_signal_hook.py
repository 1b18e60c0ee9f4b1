"""Ends a run that is asked to stop with a checkpoint, not with what it has done since the last."""

import signal
import threading
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import SamrsError

_SIGNALS = [getattr(signal, name) for name in ('SIGTERM', 'SIGUSR1') if hasattr(signal, name)]


class StoppedError(SamrsError):
    """The run was asked to stop, and has saved a checkpoint."""


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Ends a run at SIGTERM or SIGUSR1: after the iteration at work, with a checkpoint of it.

    So do schedulers of clusters ask, some time before they kill. With several ranks all stop at the
    iteration in which the first was asked. A second signal ends the run at once, as does one
    during validation, which may last longer than the time there is. A run without a
    ``CheckpointHook`` that counts iterations is left alone.

    Raises:
        StoppedError: Says which checkpoint was saved, and how to go on.
    """

    priority = 'LOWEST'  # after the checkpoint hook

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._training = False

    def before_train(self, runner: Runner) -> None:
        """Listen from here on."""
        main = threading.current_thread() is threading.main_thread()
        if main and isinstance(runner.train_loop, IterBasedTrainLoop) and _checkpoints(runner):
            self._before = {each: signal.signal(each, self._ask) for each in _SIGNALS}
            self._training = True

    def after_train(self, runner: Runner) -> None:
        """Listen no longer."""
        self._leave()

    def before_val(self, runner: Runner) -> None:
        """Let a signal end the run at once."""
        self._training = False

    def after_val(self, runner: Runner) -> None:
        """Let a signal end the run after its iteration."""
        self._training = bool(self._before)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and end, if a rank was asked to."""
        if not self._before or not _any_rank(self._asked is not None):
            return
        hook = _checkpoints(runner)
        assert hook is not None
        hook._save_checkpoint(runner)
        barrier()  # a rank that ends has its launcher end the others, rank 0 while it writes
        self._leave()
        name = signal.Signals(self._asked).name if self._asked is not None else 'another rank'
        raise StoppedError(
            f'stopped by {name} after iteration {runner.iter + 1}, which is saved in '
            f'{hook.last_ckpt}; the same command with --resume goes on from there'
        )

    def _ask(self, number: int, frame: Any) -> None:
        if not self._training or self._asked is not None:
            self._leave()
            raise KeyboardInterrupt
        self._asked = number
        if hasattr(signal, 'SIGCHLD'):
            # reading processes that were told, too, and ended would break off the iteration
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def _leave(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}


def _checkpoints(runner: Runner) -> CheckpointHook | None:
    hooks = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    return next((hook for hook in hooks if not hook.by_epoch), None)


def _any_rank(asked: bool) -> bool:
    told = torch.tensor(int(asked))
    all_reduce(told, 'max')
    return bool(told.item())
