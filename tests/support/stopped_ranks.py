"""Two ranks over gloo that are asked to stop in a validation."""

import json
import os
import signal
import time
from pathlib import Path

import torch
from line_runs import NoScores, ValidatedLine, runner_of
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook

from samrs_mm.core.errors import StoppedError

STOPS = dict(all=({0, 1}, 0), one=({1}, 0), last=({0}, 1))
"""By name: the ranks that are asked, and in which batch of a validation in which rank 0 has two."""


class Counts(NoScores):
    """Scores for which ranks wait for each other."""

    def process(self, data_batch, data_samples):
        self.results.append(1)

    evaluate = BaseMetric.evaluate


class Asks(Hook):
    """Sends this rank a signal before a batch of the validation of iteration 4."""

    def __init__(self, batch):
        self.batch = batch

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if (runner.iter, batch_idx) == (4, self.batch):
            os.kill(os.getpid(), signal.SIGUSR1)


class Slow(Hook):
    """Rank 0 takes its time to save."""

    def before_save_checkpoint(self, runner, checkpoint):
        time.sleep(0.5)


def stop(init: str, rank: int, folder: str) -> None:
    """Train once for each of ``STOPS``, and write what a rank says and finds saved then."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=init, world_size=2, rank=rank)
    said = {}
    for name, (asked, batch) in STOPS.items():
        loader = dict(
            dataset=[torch.zeros(1)] * 3,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        )
        runner = runner_of(
            Path(folder, name), 9, range(9), hooks=('StopSignalHook', 'PlainCheckpointHook'),
            model=ValidatedLine(), val_interval=4, val_dataloader=loader, val_cfg={},
            val_evaluator=Evaluator([Counts()]),
        )  # fmt: skip
        runner.register_hook(Slow())
        if get_rank() in asked:
            runner.register_hook(Asks(batch))
        try:
            runner.train()
        except StoppedError as error:
            said[name] = [str(error), sorted(map(str, Path(folder, name).glob('*.pth')))]
    Path(folder, f'rank{rank}.json').write_text(json.dumps(said))
