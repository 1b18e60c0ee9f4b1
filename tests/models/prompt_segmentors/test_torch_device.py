import pytest
import torch

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.torch_device import torch_device


def test_a_device_by_name():
    assert torch_device('cpu') == torch.device('cpu')
    assert torch_device(None).type in ('cpu', 'cuda')


@pytest.mark.parametrize(
    ('name', 'problem'),
    [
        ('tpux', r"model\.device='tpux'; allowed: cpu, cuda"),
        ([0], r'model\.device=\[0\]; allowed: cpu, cuda'),
        ('meta', r"model\.device='meta': torch cannot compute there \(.+\); use cpu"),
    ],
)
def test_a_device_that_cannot_compute(name, problem):
    with pytest.raises(RefusedError, match=problem):
        torch_device(name)


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(RefusedError, match=r"model\.device='cuda', but torch finds no GPU"):
        torch_device('cuda')
