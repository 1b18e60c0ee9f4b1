"""Images a second and memory, in the log of a run."""

import time
from collections import deque
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from samrs_mm.core.system import peak_memory

_MIB = 2**20


@HOOKS.register_module()
class SpeedHook(Hook):
    """Logs ``images_s``, images of all ranks a second, and at the end what the run came to.

    The value is of the last ``window`` iterations, waiting for data and all hooks included,
    validations not. Beside it mmengine logs the peak of a GPU's memory as ``memory``.

    Args:
        window: Iterations, at least 1.
    """

    priority = 55  # after the timer, before the logger

    def __init__(self, window: int = 50):
        self._last: deque[tuple[int, float]] = deque(maxlen=window)
        self._images, self._seconds, self._waited, self._gpu = 0, 0.0, 0.0, 0
        self._begun: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Begin to count."""
        self._begun = time.monotonic()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the images of an iteration."""
        hub = runner.message_hub.log_scalars
        if 'train/time' not in hub:
            return
        seconds = hub['train/time'].current()
        images = _images(data_batch) * get_world_size()
        self._last.append((images, seconds))
        self._images += images
        self._seconds += seconds
        self._waited += hub['train/data_time'].current() if 'train/data_time' in hub else 0.0
        if torch.cuda.is_available():
            self._gpu = max(self._gpu, torch.cuda.max_memory_allocated())
        images, seconds = (sum(column) for column in zip(*self._last, strict=True))
        runner.message_hub.update_scalar('train/images_s', images / max(seconds, 1e-9))

    def after_train(self, runner: Runner) -> None:
        """Say what the run came to; all ranks have to get here."""
        peaks = torch.tensor([self._gpu, *(peak_memory() or (0, 0))], dtype=torch.float64)
        all_reduce(peaks, 'max')
        gpu, own, reading = (round(value / _MIB) for value in peaks.tolist())
        if not self._images or self._begun is None:
            return
        line = (
            f'Trained on {self._images:,} images in {time.monotonic() - self._begun:,.0f} s: '
            f'{self._images / max(self._seconds, 1e-9):.1f} images a second while training, '
            f'{100 * self._waited / max(self._seconds, 1e-9):.0f} % of that waiting for data'
        )
        if gpu:
            line += f'; peak memory of the GPU {gpu:,} MiB'
        if own:
            line += f'; peak memory of a rank {own:,} MiB, of a process it started {reading:,} MiB'
        runner.logger.info(line)


def _images(batch: Any) -> int:
    inputs = batch.get('inputs', ()) if isinstance(batch, dict) else batch
    return len(inputs)
