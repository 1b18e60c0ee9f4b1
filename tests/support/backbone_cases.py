"""What every backbone has to hold: call these from its own test file."""

import math

import pytest
import torch
from torch import nn

from samrs_mm.core.errors import RefusedError

STRIDES = (4, 8, 16, 32)


def image(height, width, batch=1, seed=0):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def perturb(backbone, seed=0, std=0.05):
    """Move every weight, so that zeros and ones of an initialisation hide nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in backbone.parameters():
            weight += std * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    return backbone


def parameters_of(backbone):
    return sum(weight.numel() for weight in backbone.parameters())


def check_levels(backbone, height, width, batch=1, pooled=False):
    """Four finite maps of ceil(side / stride), with the channels that the backbone publishes.

    With ``pooled`` the last is the third's cells by twos, as of the plain transformers.
    """
    with torch.inference_mode():
        levels = backbone.eval()(image(height, width, batch))
    assert isinstance(levels, tuple)
    expected = [
        (batch, channels, math.ceil(height / stride), math.ceil(width / stride))
        for channels, stride in zip(backbone.out_channels, STRIDES, strict=True)
    ]
    if pooled:
        last = [max(math.ceil(side / 16) // 2, 1) for side in (height, width)]
        expected[-1] = (*expected[-1][:2], *last)
    assert [tuple(level.shape) for level in levels] == expected
    assert all(level.isfinite().all() for level in levels)


def check_gradients(backbone, size=64, batch=2):
    """Every parameter takes part, and more than by zero times something."""
    levels = perturb(backbone).train()(image(size, size, batch))
    weights = [torch.randn(level.shape, generator=torch.manual_seed(1)) for level in levels]
    sum((level * weight).sum() for level, weight in zip(levels, weights, strict=True)).backward()
    idle = [
        name
        for name, weight in backbone.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.abs().sum() > 0)
    ]
    assert not idle, f'no gradient: {idle}'


def check_checkpointing(plain, checkpointed, size=64):
    """`with_cp` trades memory for time, and changes neither outputs nor gradients.

    Args:
        plain: Backbone without drop path.
        checkpointed: The same with `with_cp=True`.
        size: Side of the images.
    """
    checkpointed.load_state_dict(perturb(plain).state_dict())
    results = []
    for backbone in (plain, checkpointed):
        levels = backbone.train()(image(size, size, 2))
        sum(level.square().mean() for level in levels).backward()
        results.append((levels, {name: w.grad for name, w in backbone.named_parameters()}))
    (levels, gradients), (cp_levels, cp_gradients) = results
    for level, cp_level in zip(levels, cp_levels, strict=True):
        torch.testing.assert_close(cp_level, level, rtol=1e-5, atol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(cp_gradients[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def check_bf16(backbone, tolerance, size=64):
    """Under bfloat16 autocast each level moves by at most `tolerance` of its own norm."""
    images = image(size, size, 2)
    with torch.inference_mode():
        exact = backbone.eval()(images)
        with torch.autocast('cpu', torch.bfloat16):
            rounded = backbone(images)
    for level, other in zip(exact, rounded, strict=True):
        assert ((other.float() - level).norm() / level.norm()).item() < tolerance


def check_frozen(backbone, frozen, free, size=64):
    """Weights whose names start as in `frozen` keep still; those of `free` don't.

    Args:
        backbone: Built with `frozen_stages`.
        frozen: Prefixes of frozen weights.
        free: Prefixes of weights that train.
        size: Side of the image.
    """
    backbone.train()
    sum(level.mean() for level in backbone(image(size, size, 2))).backward()
    names = [name for name, _ in backbone.named_parameters()]
    unknown = [each for each in (*frozen, *free) if not any(n.startswith(each) for n in names)]
    assert not unknown, f'no weight begins with {unknown}'
    for name, weight in backbone.named_parameters():
        if name.startswith(tuple(frozen)):
            assert not weight.requires_grad, name
        if name.startswith(tuple(free)):
            assert weight.requires_grad, name
    for name, module in backbone.named_modules():
        if f'{name}.'.startswith(tuple(f'{prefix}.' for prefix in frozen)):
            assert not (isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training)


def check_out_indices(build, size=64):
    """Fewer levels are the same levels; every weight that trains then has a gradient.

    Args:
        build: Makes the backbone, given ``out_indices`` or nothing.
        size: Side of the image.
    """
    whole = perturb(build()).eval()
    with torch.inference_mode():
        levels = whole(image(size, size))
    for chosen in ((1, 2, 3), (0, 1), (3,)):
        some = build(out_indices=chosen)
        some.load_state_dict(whole.state_dict())
        with torch.inference_mode():
            found = some.eval()(image(size, size))
        assert some.out_channels == tuple(whole.out_channels[index] for index in chosen)
        for level, index in zip(found, chosen, strict=True):
            torch.testing.assert_close(level, levels[index])
        check_gradients(some, size)
    for wrong in ((), (1, 0), (0, 4), (2, 2)):
        with pytest.raises(RefusedError, match=r'out_indices=.*give some of \(0, 1, 2, 3\)'):
            build(out_indices=wrong)
