import logging
import math

import pytest
import torch
from mmcv.ops import multi_scale_deform_attn

from samrs_mm.models.layers import deformable_sampling
from samrs_mm.models.layers.deformable_sampling import (
    has_compiled_op,
    sample_deformably,
    spare_compiled_op,
)

SHAPES = [(3, 5), (2, 2), (1, 4)]


def draw(batch=2, queries=4, heads=2, channels=3, points=2, dtype=torch.float64):
    """Locations reach beyond the maps on all sides."""
    generator = torch.manual_seed(0)
    size = (batch, queries, heads, len(SHAPES), points)
    return (
        torch.randn(batch, 15 + 4 + 4, heads, channels, generator=generator).to(dtype),
        torch.rand(*size, 2, generator=generator).mul(2).sub(0.5).to(dtype),
        torch.rand(size, generator=generator).to(dtype),
    )


def slow_sample(value, locations, weights):
    """Pixel by pixel: a neighbour counts by (1 - |dx|) (1 - |dy|), and only inside the map."""
    batch, queries, heads, levels, points, _ = locations.shape
    result = torch.zeros(batch, queries, heads, value.shape[-1], dtype=value.dtype)
    for b, q, h, level, p in torch.cartesian_prod(
        *map(torch.arange, (batch, queries, heads, levels, points))
    ).tolist():
        height, width = SHAPES[level]
        start = sum(math.prod(shape) for shape in SHAPES[:level])
        x, y = locations[b, q, h, level, p].tolist()
        x, y = x * width - 0.5, y * height - 0.5
        for row in range(height):
            for column in range(width):
                weight = max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row))
                result[b, q, h] += (
                    weight * weights[b, q, h, level, p] * value[b, start + row * width + column, h]
                )
    return result.flatten(2)


def test_equals_a_slow_loop():
    value, locations, weights = draw()
    expected = slow_sample(value, locations, weights)
    assert expected.abs().min() > 0
    torch.testing.assert_close(sample_deformably(value, SHAPES, locations, weights), expected)


def test_gradients_are_right():
    inputs = [part.requires_grad_() for part in draw(batch=1, queries=2, channels=2, points=1)]
    assert torch.autograd.gradcheck(
        lambda value, locations, weights: sample_deformably(value, SHAPES, locations, weights),
        inputs,
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_low_precision_rounds_only_values(dtype):
    value, locations, weights = draw(dtype=torch.float32)
    sampled = sample_deformably(value.to(dtype), SHAPES, locations, weights)
    assert sampled.dtype == dtype
    exact = sample_deformably(value.to(dtype).float(), SHAPES, locations, weights)
    torch.testing.assert_close(sampled, exact.to(dtype), rtol=0, atol=0)


def test_takes_part_in_autocast():
    value, locations, weights = draw(dtype=torch.float32)
    exact = sample_deformably(value, SHAPES, locations, weights)
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(sample_deformably(value, SHAPES, locations, weights), exact)


class CompiledOp:
    """In place of mmcv's op: its checks and its argument order."""

    works = True

    @classmethod
    def apply(cls, value, sizes, starts, locations, weights, im2col_step):
        assert all(part.is_contiguous() for part in (value, locations, weights))
        assert {value.dtype, locations.dtype, weights.dtype} == {torch.float32}
        assert len(value) % min(len(value), im2col_step) == 0
        assert sizes.dtype == starts.dtype == torch.int64
        ends = [*starts[1:].tolist(), value.shape[1]]
        assert [end - start for start, end in zip(starts.tolist(), ends, strict=True)] == [
            h * w for h, w in sizes.tolist()
        ]
        core = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch
        return core(value, sizes.tolist(), locations, weights) * cls.works


@pytest.fixture
def fresh():
    has_compiled_op.cache_clear()
    yield
    has_compiled_op.cache_clear()


@pytest.fixture
def warnings(monkeypatch):
    warnings = []
    monkeypatch.setattr(
        deformable_sampling,
        'print_log',
        lambda text, logger, level: warnings.append((level, text)),
    )
    return warnings


def test_compiled_op_gets_what_it_asks_for(monkeypatch):
    monkeypatch.setattr(multi_scale_deform_attn, 'MultiScaleDeformableAttnFunction', CompiledOp)
    value, locations, weights = draw(batch=65, dtype=torch.float32)  # mmcv's im2col_step is 64
    swapped = value.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(
        deformable_sampling._sample_compiled(swapped, SHAPES, locations, weights),
        sample_deformably(value, SHAPES, locations, weights),
    )


@pytest.mark.usefixtures('fresh')
def test_device_without_the_op_is_warnings_once(warnings):
    """A CPU has none in any build of mmcv, just as a GPU under mmcv built without CUDA."""
    assert [has_compiled_op(torch.device('cpu')) for _ in range(3)] == [False] * 3
    [(level, text)] = warnings
    assert level == logging.WARNING
    assert 'cpu' in text
    assert 'mmcv' in text


@pytest.mark.usefixtures('fresh')
@pytest.mark.parametrize('works', [True, False])
def test_op_that_returns_zeros_is_not_used(monkeypatch, warnings, works):
    """So does mmcv's where its kernels are for another GPU."""
    monkeypatch.setattr(multi_scale_deform_attn, 'MultiScaleDeformableAttnFunction', CompiledOp)
    monkeypatch.setattr(CompiledOp, 'works', works)
    assert has_compiled_op(torch.device('cpu')) is works
    assert len(warnings) == (not works)


def test_on_a_cpu_nothing_better_is_to_be_had(warnings):
    sample_deformably(draw()[0], SHAPES, *draw()[1:])
    assert not warnings


@pytest.mark.parametrize(('works', 'device', 'left'), [
    (False, 'cuda', False), (True, 'cuda', True), (False, 'cpu', True),
])  # fmt: skip
def test_mmcvs_own_attention_is_kept_off_an_op_that_fails(monkeypatch, works, device, left):
    monkeypatch.setattr(multi_scale_deform_attn, 'IS_CUDA_AVAILABLE', True)
    monkeypatch.setattr(deformable_sampling, 'has_compiled_op', lambda device: works)
    spare_compiled_op(torch.device(device))
    assert multi_scale_deform_attn.IS_CUDA_AVAILABLE is left


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_gpu_equals_cpu():
    parts = draw(dtype=torch.float32)
    expected = sample_deformably(parts[0], SHAPES, *parts[1:])
    value, locations, weights = (part.cuda() for part in parts)
    torch.testing.assert_close(
        sample_deformably(value, SHAPES, locations, weights).cpu(), expected, rtol=1e-5, atol=1e-5
    )
