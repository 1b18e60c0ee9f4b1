import math

import pytest
import torch
from line_runs import runner_of
from mmengine.optim import AmpOptimWrapper

from samrs_mm.engine.hooks.finite_loss_hook import DivergedError, FiniteLossHook

HOOKS = ('FiniteLossHook', 'PlainCheckpointHook')


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path, value):
    runner = runner_of(tmp_path, 6, data=[1, 1, 1, value, 1, 1], hooks=HOOKS)
    with pytest.raises(DivergedError) as caught:
        runner.train()
    assert str(caught.value).startswith(f'iteration 4: loss {value}; the run has diverged and ends')
    assert f'the last checkpoint is {tmp_path}/iter_2.pth. Lower' in str(caught.value)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_2.pth'], 'the broken is not'
    assert torch.load(tmp_path / 'iter_2.pth', weights_only=True)['state_dict']['w'].isfinite()


def test_a_gradient_that_is_no_number(tmp_path):
    runner = runner_of(
        tmp_path, 2, data=[3e38], hooks=HOOKS, wrapper=dict(clip_grad=dict(max_norm=1.0))
    )
    runner.model.w.data[:] = 1e-30
    runner.model.w.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(DivergedError, match=r'iteration 1: grad_norm .*there is no checkpoint yet'):
        runner.train()


def test_mixed_precision_leaves_such_steps_out(tmp_path):
    hook = FiniteLossHook(patience=3)
    runner = runner_of(tmp_path, 2, hooks=())
    runner.optim_wrapper = object.__new__(AmpOptimWrapper)
    for value, ends in [(math.inf, False), (math.inf, False), (1, False), (math.nan, False),
                        (math.nan, False), (math.nan, True)]:  # fmt: skip
        runner.message_hub.update_scalar('train/loss', value)
        if ends:
            with pytest.raises(DivergedError):
                hook.after_train_iter(runner, 0)
        else:
            hook.after_train_iter(runner, 0)
