"""Layers give the same at any size, alone and in graphs of open sizes."""

import numpy as np
import pytest
import torch
from mmcv.cnn import MaxPool2d
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils.embed import AdaptivePadding, PatchMerging
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.layers.dcnv3 import DCNv3
from samrs_mm.models.layers.rvsa import RVSA
from samrs_mm.models.layers.sizes import crop_levels, pad_to_multiple
from samrs_mm.models.layers.vitae import MapAttention
from samrs_mm.predict.exported_network import graph_of
from samrs_mm.predict.open_sizes import CoveredMaxPool, PlainPool, WholePadding, for_open_sizes

CHANNELS = 8
SIZES = ((8, 9), (14, 21), (7, 30), (3, 2), (28, 11))
"""With one window of 7 and with several, whole ones and others."""


def moved(layer: nn.Module) -> nn.Module:
    """Give a layer weights that hide nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return layer.eval()


def maps_of(height: int, width: int) -> torch.Tensor:
    return torch.randn(1, CHANNELS, height, width, generator=torch.Generator().manual_seed(1))


class OnTokens(nn.Module):
    """A layer that takes tokens and their grid, of maps."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, maps):
        tokens = self.layer(maps.flatten(2).transpose(1, 2), tuple(maps.shape[2:]))
        return tokens[0] if isinstance(tokens, tuple) else tokens


class ChannelsLast(OnTokens):
    """A layer of maps with their channels last."""

    def forward(self, maps):
        return self.layer(maps.permute(0, 2, 3, 1))


class PaddedAndCropped(nn.Module):
    """What a backbone does that needs multiples of 32."""

    def forward(self, maps):
        padded = pad_to_multiple(maps, 32)
        levels = [nn.functional.avg_pool2d(padded, stride) for stride in (4, 8, 16, 32)]
        return torch.cat([each.flatten(2) for each in crop_levels(levels, *maps.shape[2:])], 2)


def swin(shift: int) -> nn.Module:
    return OnTokens(ShiftWindowMSA(CHANNELS, 2, 7, shift))


PARTS = dict(
    windows=lambda: ChannelsLast(MapAttention(CHANNELS, CHANNELS, 2, 7)),
    rvsa=lambda: OnTokens(RVSA(CHANNELS, 2)),
    dcnv3=lambda: ChannelsLast(DCNv3(CHANNELS, 2)),
    swin=lambda: swin(0),
    shifted_swin=lambda: swin(3),
    merging=lambda: OnTokens(PatchMerging(CHANNELS, 4)),
    padded=PaddedAndCropped,
    max_pool=lambda: nn.Sequential(nn.MaxPool2d(2, 2), nn.Conv2d(CHANNELS, CHANNELS, 1)),
)


@pytest.mark.parametrize('name', sorted({*PARTS} - {'swin'}))
def test_graphs_of_open_sizes_hold_for_all(name):
    """Of ONNX, too: it rounds quotients below 0 up, and keeps none of a graph's conditions."""
    layer, step = moved(PARTS[name]()), 2 if name == 'merging' else 1
    sizes = [tuple(max(-(-side // step), 2) * step for side in size) for size in SIZES]
    with torch.no_grad():
        wanted = {size: layer(maps_of(*size)) for size in sizes}
    program = graph_of(for_open_sizes(layer), maps_of(10 * step, 13 * step), None, step)
    graph = program.module()
    for size, found in wanted.items():
        torch.testing.assert_close(graph(maps_of(*size)), found, rtol=1e-5, atol=1e-5)
    for package in ('onnx', 'onnxscript'):
        pytest.importorskip(package)
    runtime = pytest.importorskip('onnxruntime')
    made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=['maps'])
    session = runtime.InferenceSession(
        made.model_proto.SerializeToString(), providers=['CPUExecutionProvider']
    )
    for size, found in wanted.items():
        (given,) = session.run(None, dict(maps=maps_of(*size).numpy()))
        np.testing.assert_allclose(given, found.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', ['swin', 'shifted_swin', 'merging', 'max_pool'])
def test_stand_ins_give_the_same(name):
    layer = moved(PARTS[name]())
    with torch.no_grad():
        wanted = [layer(maps_of(*size)) for size in SIZES]
        for_open_sizes(layer)
        for size, found in zip(SIZES, wanted, strict=True):
            torch.testing.assert_close(layer(maps_of(*size)), found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('kind', ['corner', 'same'])
@pytest.mark.parametrize('sides', [(2, 2, 1), (3, 2, 1), (4, 4, 1), (3, 2, 2), (1, 2, 1)])
def test_padding_to_whole_strides(kind, sides):
    kernel, stride, dilation = sides
    theirs = nn.Sequential(AdaptivePadding(kernel, stride, dilation, kind))
    for size in SIZES:
        wanted = theirs(maps_of(*size))
        assert torch.equal(for_open_sizes(nn.Sequential(theirs[0]))(maps_of(*size)), wanted)


def test_pools_whose_windows_overlap_are_left():
    layer = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 2, ceil_mode=True))
    before = [*layer]
    assert [*for_open_sizes(layer)] == before


def test_own_pools_whose_windows_overlap_are_left_and_hold_for_all_sizes():
    pool = TripledPool(3, 2, 1)
    layer = for_open_sizes(nn.Sequential(pool))
    assert layer[0] is pool
    graph = graph_of(layer, maps_of(20, 26), None, 2).module()
    for height, width in SIZES:
        maps = maps_of(2 * height, 2 * width)
        torch.testing.assert_close(graph(maps), layer(maps))


@pytest.mark.parametrize('size', [(4, 6), (5, 7)])
def test_merging_with_an_own_padding_is_left_at_a_fixed_size(size):
    layer = OnTokens(PatchMerging(CHANNELS, 4))
    layer.layer.adap_padding = Unpadded(2, 2)
    maps = maps_of(*size)
    with pytest.raises(RefusedError, match=r'\.Unpadded has its own get_pad_shape'):
        for_open_sizes(layer)
    wanted = layer(maps)
    assert torch.equal(for_open_sizes(layer, fixed=True)(maps), wanted)


def test_overlapping_patches_are_merged_as_ever():
    layer = nn.Sequential(PatchMerging(CHANNELS, 4, kernel_size=3, stride=2, padding=1))
    before = layer[0].sampler
    assert for_open_sizes(layer)[0].sampler is before


class OfFour(nn.AdaptiveAvgPool2d):
    """Computes as its base does."""

    def __init__(self):
        super().__init__(4)


class Doubled(nn.AdaptiveAvgPool2d):
    def forward(self, maps):
        return 2 * super().forward(maps)


class Unpadded(AdaptivePadding):
    def get_pad_shape(self, input_shape):
        return 0, 0


class TripledPool(nn.MaxPool2d):
    def forward(self, maps):
        return 3 * super().forward(maps)


def test_subclasses_count_as_their_bases():
    layers = nn.Sequential(nn.Sequential(OfFour()), MaxPool2d(2, 2), AdaptivePadding(2, 2))
    layers[2].__class__ = type('Own', (AdaptivePadding,), {})
    (pool,), *others = for_open_sizes(layers)
    assert [type(each) for each in (pool, *others)] == [PlainPool, CoveredMaxPool, WholePadding]
    maps = maps_of(14, 21)
    torch.testing.assert_close(pool(maps), OfFour()(maps), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ('layer', 'said'),
    [
        (Doubled(2), r'\.Doubled has its own forward: how its base AdaptiveAvgPool2d takes'),
        (TripledPool(2), r'\.TripledPool has its own forward: how its base MaxPool2d takes'),
        (Unpadded(2, 2), r'\.Unpadded has its own get_pad_shape: how its base AdaptivePadding'),
    ],
)
def test_subclasses_that_compute_otherwise_are_refused(layer, said):
    with pytest.raises(RefusedError, match=said):
        for_open_sizes(nn.Sequential(nn.Sequential(layer)))
    assert for_open_sizes(nn.Sequential(layer), fixed=True)[0] is layer
