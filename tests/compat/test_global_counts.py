import pytest
import torch

from samrs_mm.compat import global_counts
from samrs_mm.compat.global_counts import divided_by_sums


@pytest.fixture
def modules():
    from mmdet.models.dense_heads import rtmdet_head, rtmdet_ins_head

    return rtmdet_head, rtmdet_ins_head


def of(kind):
    return kind.__new__(kind)


def test_counts_of_rtmdet_are_sums_within_and_means_after(modules, monkeypatch):
    monkeypatch.setattr(global_counts, 'get_world_size', lambda: 2)
    monkeypatch.setattr(global_counts, 'all_reduce', lambda count: count.mul_(2))
    before = [module.reduce_mean for module in modules]
    count = torch.tensor([0.25])
    with divided_by_sums(of(modules[1].RTMDetInsSepBNHead)) as factor:
        assert factor == 2
        assert [module.reduce_mean(count).item() for module in modules] == [0.5, 0.5]
    assert [module.reduce_mean for module in modules] == before
    assert count.item() == 0.25
    with pytest.raises(ZeroDivisionError), divided_by_sums(of(modules[0].RTMDetHead)):
        1 / 0  # noqa: B018
    assert [module.reduce_mean for module in modules] == before


def test_other_heads_are_left_alone(modules):
    from mmdet.models.dense_heads import ATSSHead

    before = [module.reduce_mean for module in modules]
    for head in (None, of(ATSSHead)):
        with divided_by_sums(head) as factor:
            assert factor == 1
            assert [module.reduce_mean for module in modules] == before
