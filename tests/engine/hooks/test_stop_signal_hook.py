import os
import signal

import pytest
import torch
from line_runs import runner_of
from mmengine.hooks import Hook

from samrs_mm.engine.hooks.stop_signal_hook import StoppedError

HOOKS = ('StopSignalHook', 'PlainCheckpointHook')


class Sends(Hook):
    """Sends signals to this process at a point of iteration 3 (from 0)."""

    def __init__(self, *signals, point='before_train_iter'):
        self.signals = signals
        setattr(self, point, self.send)

    def send(self, runner, *args, **kwargs):
        if runner.iter == 3:
            for each in self.signals:
                os.kill(os.getpid(), each)


def run(tmp_path, *signals, hooks=HOOKS, **point):
    runner = runner_of(tmp_path, 9, data=range(9), hooks=hooks)
    runner.register_hook(Sends(*signals, **point))
    runner.train()
    return runner


@pytest.fixture(autouse=True)
def handlers():
    """As ``run_command`` sets them; they have to be there again afterwards."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGTERM, before) is signal.default_int_handler


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_the_iteration_at_work_is_saved(tmp_path, name):
    with pytest.raises(StoppedError) as caught:
        run(tmp_path, getattr(signal, name))
    assert str(caught.value) == (
        f'stopped by {name} after iteration 4, which is saved in {tmp_path}/iter_4.pth; the same '
        'command with --resume goes on from there'
    )
    assert (tmp_path / 'last_checkpoint').read_text() == f'{tmp_path}/iter_4.pth'
    assert torch.load(tmp_path / 'iter_4.pth', weights_only=True)['meta']['iter'] == 4


def test_without_a_signal_nothing_differs(tmp_path):
    assert run(tmp_path).iter == 9


def test_a_second_signal_ends_it_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, signal.SIGTERM, signal.SIGTERM)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_2.pth']


def test_a_run_without_checkpoints_is_left_alone(tmp_path):
    runner = runner_of(tmp_path, 9, data=range(9), hooks=HOOKS)
    runner._hooks = [hook for hook in runner.hooks if type(hook).__name__ != 'CheckpointHook']
    runner.register_hook(Sends(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        runner.train()


def test_validation_ends_at_once(tmp_path):
    runner = runner_of(tmp_path, 9, data=range(9), hooks=HOOKS)
    runner.call_hook('before_train')
    runner.call_hook('before_val')
    runner.call_hook('after_val')
    os.kill(os.getpid(), signal.SIGUSR1)  # only noted
    runner.call_hook('before_val')
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
