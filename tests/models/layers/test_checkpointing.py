import copy
from functools import partial

import torch
from torch import nn

from samrs_mm.models.layers.checkpointing import run_block


def recomputed(module):
    return partial(run_block, module, recompute=True)


def block():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 3))


def step(run, images):
    outputs = run(images)
    outputs.square().sum().backward()
    return outputs


def test_one_step_counts_once_in_running_statistics():
    plain = block()
    other = copy.deepcopy(plain)
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(step(recomputed(other), images), step(plain, images))
    norm = other[1]
    assert norm.num_batches_tracked == 1
    assert torch.equal(norm.running_mean, plain[1].running_mean)
    assert torch.equal(norm.running_var, plain[1].running_var)
    for weight, expected in zip(other.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, expected.grad)


def test_the_next_step_goes_on_from_there():
    module = block()
    before = dict(module.named_buffers())
    step(recomputed(module), torch.randn(2, 3, 8, 8))
    step(recomputed(module), torch.randn(2, 3, 8, 8))
    assert module[1].num_batches_tracked == 2
    assert all(buffer is before[name] for name, buffer in module.named_buffers())


def test_it_is_computed_twice():
    calls = []
    module = block()
    module[0].register_forward_hook(lambda *_: calls.append(1))
    outputs = recomputed(module)(torch.randn(1, 3, 8, 8))
    assert len(calls) == 1
    outputs.sum().backward()
    assert len(calls) == 2


def test_a_frozen_norm_keeps_its_statistics_in_use():
    plain = block()
    plain[1].eval()
    plain[1].running_mean.fill_(2.0)
    other = copy.deepcopy(plain)
    images = torch.randn(2, 3, 8, 8)
    step(plain, images)
    step(recomputed(other), images)
    assert torch.equal(other[0].weight.grad, plain[0].weight.grad)
    assert not other[1].num_batches_tracked
