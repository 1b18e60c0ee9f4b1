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

STOPS = dict(all=({0, 1}, 0, 3), one=({1}, 0, 3), last=({0}, 1, 3), between=({1}, 2, 22))
"""By name: the ranks that are asked, in which batch of a validation, and how many images that has:
of an odd number rank 0 has one more."""


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
    """Train once for each of ``STOPS``; write what a rank says, finds saved and has validated."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', init_method=init, world_size=2, rank=rank)
    said = {}
    for name, (asked, batch, images) in STOPS.items():
        scores = Counts()
        loader = dict(
            dataset=[torch.zeros(1)] * images,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        )
        runner = runner_of(
            Path(folder, name), 9, range(9), hooks=('StopSignalHook', 'PlainCheckpointHook'),
            model=ValidatedLine(), val_interval=4, val_dataloader=loader, val_cfg={},
            val_evaluator=Evaluator([scores]),
        )  # fmt: skip
        runner.register_hook(Slow())
        if get_rank() in asked:
            runner.register_hook(Asks(batch))
        try:
            runner.train()
        except StoppedError as error:
            files = sorted(map(str, Path(folder, name).glob('*.pth')))
            said[name] = [str(error), files, len(scores.results)]
    Path(folder, f'rank{rank}.json').write_text(json.dumps(said))
