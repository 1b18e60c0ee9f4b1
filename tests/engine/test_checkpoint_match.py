import pytest
import torch
from torch import nn

from samrs_mm.annotation.errors import RefusedError
from samrs_mm.engine.checkpoint_match import check_match, weight_shapes


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def net(width=3, extra=False):
    layers = dict(first=nn.Linear(2, width), second=nn.Linear(width, 1))
    if extra:
        layers['third'] = nn.Linear(1, 1)
    return nn.ModuleDict(layers)


def match(tmp_path, model, saved, whole=True):
    path = str(tmp_path / 'c.pth')
    torch.save(dict(state_dict=saved.state_dict(), meta={}), path)
    return check_match(model, weight_shapes(path), path, whole).replace(f'{tmp_path}/', '')


def test_the_same_architecture_wrapped_or_not(tmp_path):
    for model, saved in ((net(), net()), (Wrapper(net()), net()), (net(), Wrapper(net()))):
        assert match(tmp_path, model, saved) == 'c.pth: 4 of 4 weights match'


@pytest.mark.parametrize(
    ('model', 'saved', 'message'),
    [
        (net(), net(5), r'1 of 4 weights match; 3 of another shape \(first.weight \(5, 2\) instead '
            r'of \(3, 2\), .*\); it is of another architecture'),
        (net(extra=True), net(), r'4 of 6 .*; 2 missing \(third.weight, third.bias\)'),
        (net(), net(extra=True), r'4 of 4 .*; 2 not of this model \(third.weight, third.bias\)'),
    ],
)  # fmt: skip
def test_another_architecture(tmp_path, model, saved, message):
    with pytest.raises(RefusedError, match=message):
        match(tmp_path, model, saved)


def test_a_start_needs_half_of_the_weights(tmp_path):
    line = match(tmp_path, net(extra=True), net(), whole=False)
    assert line == 'c.pth: 4 of 6 weights match; 2 missing (third.weight, third.bias)'
    with pytest.raises(RefusedError, match='1 of 4 weights match'):
        match(tmp_path, net(), net(5), whole=False)


def test_no_checkpoint(tmp_path):
    with pytest.raises(RefusedError, match=r'checkpoint no\.pth: No such file'):
        weight_shapes('no.pth')
    path = tmp_path / 'bad.pth'
    path.write_text('<html>')
    with pytest.raises(RefusedError, match=r'checkpoint .*bad\.pth: not loaded, it is truncated'):
        weight_shapes(str(path))
