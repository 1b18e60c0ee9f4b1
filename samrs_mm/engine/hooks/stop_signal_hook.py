"""Ends a run that is asked to stop with a checkpoint, not with what it has done since the last."""

import signal
import threading
from typing import Any, NoReturn

import torch
from mmengine.dist import all_reduce, barrier, get_world_size
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from samrs_mm.core.errors import StoppedAtOnce, StoppedError

_SIGNALS = [getattr(signal, name) for name in ('SIGTERM', 'SIGUSR1') if hasattr(signal, name)]
_VAL_BATCHES = 8
"""In a validation, several ranks ask each other after this many batches: they wait there."""
_earlier: dict[int, Any] = {}
"""What signals did before ``stop_before_training``."""


def stop_before_training() -> None:
    """Let a signal that asks to stop end a run in which nothing has been trained yet.

    Its exit code tells a scheduler that the same command is to be given again. ``StopSignalHook``
    ends that, or ``training_begins``.
    """
    if threading.current_thread() is threading.main_thread():
        for each in _SIGNALS:
            before = signal.signal(each, _end_early)
            if before is not _end_early:
                _earlier[each] = before


def training_begins() -> None:
    """Let signals do again what they did before ``stop_before_training``."""
    for number, handler in _earlier.items():
        if signal.getsignal(number) is _end_early:
            signal.signal(number, handler)


def _end_early(number: int, frame: Any) -> NoReturn:
    name = signal.Signals(number).name
    raise StoppedAtOnce(f'stopped by {name} before training began; give the same command again')


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Ends a run at SIGTERM or SIGUSR1: after the iteration at work, with a checkpoint of it.

    So do schedulers of clusters ask, some time before they kill. With several ranks all stop at the
    iteration in which the first was asked, and none leaves before rank 0 has saved. In a validation
    a run of one rank ends after the batch at work. Of several ranks it ends after the next batch
    that 8 divide, or the last that each rank has: after those a validation is ended first, since
    other ranks may be waiting for its scores. A second signal ends the run at once. A run without a
    ``CheckpointHook`` that counts iterations is left alone.

    Raises:
        StoppedError: Says which checkpoint was saved, and how to go on.
    """

    priority = 'LOWEST'  # after the checkpoint hook

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._common = 0

    def before_train(self, runner: Runner) -> None:
        """Listen from here on."""
        main = threading.current_thread() is threading.main_thread()
        if main and isinstance(runner.train_loop, IterBasedTrainLoop) and _checkpoints(runner):
            before = {each: signal.signal(each, self._ask) for each in _SIGNALS}
            self._before = {
                each: _earlier[each] if was is _end_early else was for each, was in before.items()
            }
        elif main:
            training_begins()

    def after_train(self, runner: Runner) -> None:
        """Listen no longer."""
        self._leave()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and end, if a rank was asked to."""
        if not self._before or not _any_rank(self._asked is not None):
            return
        self._save_and_end(runner, runner.iter + 1, 'after iteration')

    def before_val_epoch(self, runner: Runner) -> None:
        """Find out how many batches of the validation every rank has."""
        if self._before:
            common = torch.tensor(len(runner.val_loop.dataloader))
            all_reduce(common, 'min')
            self._common = int(common.item())

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and end, if a rank was asked to, where all ranks ask each other."""
        done = batch_idx + 1
        every = _VAL_BATCHES if get_world_size() > 1 else 1
        now = done == self._common or (done < self._common and done % every == 0)
        if not self._before or not now or not _any_rank(self._asked is not None):
            return
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):  # a validation is of the averaged weights
                hook.after_val_epoch(runner)
        self._save_and_end(runner, runner.iter, 'in the validation of iteration')

    def _save_and_end(self, runner: Runner, done: int, where: str) -> NoReturn:
        """Save, and end once rank 0 has: a rank that ends has its launcher end the others."""
        path = _save(runner, done)
        barrier()
        self._leave()
        name = signal.Signals(self._asked).name if self._asked is not None else 'another rank'
        raise StoppedError(
            f'stopped by {name} {where} {done}, which is saved in {path}; the same command with '
            '--resume goes on from there'
        )

    def _ask(self, number: int, frame: Any) -> None:
        if self._asked is not None:
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


def _save(runner: Runner, done: int) -> str:
    """Save a checkpoint of ``done`` iterations, and return its path."""
    hook = _checkpoints(runner)
    assert hook is not None
    hook._save_checkpoint_with_step(runner, done, dict(epoch=runner.epoch, iter=done))
    return str(hook.last_ckpt)


def _any_rank(asked: bool) -> bool:
    told = torch.tensor(int(asked))
    all_reduce(told, 'max')
    return bool(told.item())
