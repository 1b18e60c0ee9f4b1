"""A network with its preprocessing as one graph."""

import numpy as np
import pytest
import torch
from scene_cases import build
from segmentor_cases import small_model

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.exported_network import ExportedNetwork, trace
from samrs_mm.predict.window_model import WindowModel

COLOURS = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 55.0, 50.0])


@pytest.mark.parametrize('order', [dict(bgr_to_rgb=True), {}])
def test_pooled_networks_take_any_size(order):
    """UPerNet's means over parts of an image, one head of several, red or blue first."""
    preprocessor = dict(
        type='SegDataPreProcessor', **COLOURS, **order, size_divisor=32,
        test_cfg=dict(size_divisor=32),
    )  # fmt: skip
    model = small_model(data_preprocessor=preprocessor)  # in float64
    exported = ExportedNetwork(WindowModel(model, 'sior')).double().eval()
    rng = np.random.default_rng(1)
    for size in ((64, 96), (160, 128)):
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        wanted = WindowModel(model, 'sior').scores([pixels], size)
        image = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255)
        torch.testing.assert_close(exported(image).float(), wanted, rtol=1e-5, atol=1e-5)


def test_the_network_stays_as_it_is():
    model = WindowModel(small_model(), 'sior')
    before = repr(model.model)
    ExportedNetwork(model)
    assert repr(model.model) == before


def test_probabilities():
    model = WindowModel(build(layers=1, stride=4).float())
    image = torch.rand(1, 3, 32, 40)
    logits, shares = (ExportedNetwork(model, kind)(image) for kind in ('logits', 'probabilities'))
    torch.testing.assert_close(shares, logits.softmax(1))


def test_graphs_of_open_sizes_and_of_one():
    model = WindowModel(build(layers=1, stride=4).float())
    network = ExportedNetwork(model)
    graph = trace(model, None, 'logits').module()
    for size in ((8, 8), (64, 36)):
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(graph(image), network(image))
    assert trace(model, 16, 'logits').module()(torch.rand(1, 3, 16, 16)).shape[2:] == (16, 16)


def test_what_cannot_be_is_refused(monkeypatch):
    model = WindowModel(build(layers=1, stride=4).float())
    with pytest.raises(RefusedError, match='--side 66: the network takes multiples of 4 px'):
        trace(model, 66, 'logits')
    convolve = model.model.backbone.forward

    def by_values(inputs):
        return convolve(inputs) if inputs.sum() > 0 else [inputs]

    monkeypatch.setattr(model.model.backbone, 'forward', by_values)
    with pytest.raises(RefusedError, match=r'this network cannot be exported: .*--side N') as said:
        trace(model, None, 'logits')
    assert '\n' not in str(said.value)


def test_a_layer_of_unknown_sizes_is_refused_where_they_are_open():
    class Own(torch.nn.AdaptiveAvgPool2d):
        def forward(self, maps):
            return maps + super().forward(maps)

    model = WindowModel(build(layers=1, stride=4).float())
    convolve = model.model.backbone
    model.model.backbone = torch.nn.Sequential(Own(1), convolve)
    with pytest.raises(RefusedError, match=r'Own has its own forward: .*; with --side N all'):
        trace(model, None, 'logits')
    image = torch.rand(1, 3, 16, 16)
    wanted = ExportedNetwork(model, fixed=True)(image)
    torch.testing.assert_close(trace(model, 16, 'logits').module()(image), wanted)
