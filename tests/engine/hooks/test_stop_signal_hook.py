import os
import signal

import pytest
import torch
from line_runs import runner_of, validation
from mmengine.hooks import Hook
from processes import on_two_ranks
from stopped_ranks import stop

from samrs_mm.cli import STOPPED, run_command
from samrs_mm.core.errors import StoppedAtOnce, StoppedError
from samrs_mm.engine.hooks.stop_signal_hook import StopSignalHook, stop_before_training

HOOKS = ('StopSignalHook', 'PlainCheckpointHook')


class Sends(Hook):
    """Sends signals to this process at a point of iteration 3 (from 0)."""

    def __init__(self, *signals, point='before_train_iter', at=3):
        self.signals, self.at = signals, at
        setattr(self, point, self.send)

    def send(self, runner, *args, **kwargs):
        if runner.iter == self.at:
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


@pytest.mark.parametrize('hooks', [(), ('EMAHook',)])
def test_a_validation_ends_after_its_batch(tmp_path, hooks):
    """The averaged weights are validated; the checkpoint has both at their places."""
    saved = {}
    for name, point in (('in', 'before_val_iter'), ('after', 'after_train_iter')):
        own = [dict(type=hook, momentum=0.5) for hook in hooks]
        folder = tmp_path / name
        runner = runner_of(folder, 9, range(9), hooks=HOOKS, own_hooks=own, **validation())
        runner.register_hook(Sends(signal.SIGUSR1, point=point, at=4 - (name == 'after')))
        with pytest.raises(StoppedError, match=r'iteration 4, which is saved in .*/iter_4\.pth'):
            runner.train()
        saved[name] = torch.load(tmp_path / name / 'iter_4.pth', weights_only=True)
    assert {*saved['in']['state_dict']} == {'w', 'b'}
    assert ('ema_state_dict' in saved['in']) == bool(hooks)
    for part in ('state_dict', 'optimizer', 'ema_state_dict'):
        assert str(saved['in'].get(part)) == str(saved['after'].get(part))
    assert saved['in']['meta']['iter'] == 4


def test_ranks_end_a_validation_together_once_rank_0_has_saved(tmp_path):
    """All asked, one asked, one in a batch that the other has not, which waits for scores, and one
    in a validation of 11 batches: they ask each other after 8."""
    for rank, said in enumerate(on_two_ranks(stop, tmp_path)):
        for name, asked, where, saved, batches in (
            ('all', (0, 1), 'in the validation of iteration', 4, 1),
            ('one', (1,), 'in the validation of iteration', 4, 1),
            ('last', (0,), 'after iteration', 5, 0),
            ('between', (1,), 'in the validation of iteration', 4, 8),
        ):
            line, files, done = said[name]
            assert done == batches
            by = 'SIGUSR1' if rank in asked else 'another rank'
            assert line.startswith(f'stopped by {by} {where} {saved}, which is saved in ')
            assert f'{tmp_path}/{name}/iter_{saved}.pth' in files


@pytest.mark.parametrize(
    ('ranks', 'asked'), [(1, [*range(19)]), (2, [7, 15, 18])], ids=['one', 'two']
)
def test_in_a_validation_ranks_ask_each_other_seldom(monkeypatch, ranks, asked):
    """After every eighth batch and the last that all have: each time the slowest is waited for."""
    module = 'samrs_mm.engine.hooks.stop_signal_hook'
    hook, batches = StopSignalHook(), []
    monkeypatch.setattr(f'{module}.get_world_size', lambda: ranks)
    monkeypatch.setattr(f'{module}._any_rank', lambda _: batches.append(number))
    hook._before, hook._common = {signal.SIGTERM: None}, 19
    for number in range(23):
        hook.after_val_iter(None, number)
    assert batches == asked


def test_before_training_a_signal_ends_it_with_the_same_exit_code(capsys):
    def work():
        stop_before_training()
        os.kill(os.getpid(), signal.SIGUSR1)

    try:
        assert run_command(work) == STOPPED
    finally:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    said = 'stopped by SIGUSR1 before training began; give the same command again\n'
    assert capsys.readouterr().err == said


def test_what_is_said_before_training_is_not_said_in_it(tmp_path):
    """A run that saves nothing has lost its work; one that has ended owes none."""
    stop_before_training()
    runner = runner_of(tmp_path / 'left', 9, data=range(9), hooks=HOOKS)
    runner._hooks = [hook for hook in runner.hooks if type(hook).__name__ != 'CheckpointHook']
    runner.register_hook(Sends(signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt) as caught:
        runner.train()
    assert not isinstance(caught.value, StoppedAtOnce)
    stop_before_training()
    run(tmp_path / 'whole')
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
