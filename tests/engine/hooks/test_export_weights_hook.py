import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks import ExportWeightsHook


def runner(tmp_path, best=None):
    model = nn.ModuleDict(
        dict(backbone=nn.Linear(1, 1), decode_head=nn.Linear(1, 1), neck=nn.Linear(1, 1))
    )
    dataset = SimpleNamespace(metainfo=dict(sources=dict(a=dict(classes=('x', 'y')))))
    return SimpleNamespace(
        model=model,
        iter=7,
        cfg=SimpleNamespace(filename=str(tmp_path / 'configs/tiny.py')),
        experiment_name='other',
        train_dataloader=SimpleNamespace(dataset=dataset),
        message_hub=SimpleNamespace(get_info=lambda key: best),
        logger=logging.getLogger('export'),
    )


def test_the_last_weights(tmp_path):
    made = runner(tmp_path)
    ExportWeightsHook(str(tmp_path / 'sep/{config}.pth')).after_train(made)
    written = torch.load(tmp_path / 'sep/tiny.pth', weights_only=True)
    assert [*written['state_dict']] == [
        'backbone.weight', 'backbone.bias', 'decode_head.weight', 'decode_head.bias',
    ]  # fmt: skip
    assert torch.equal(written['state_dict']['backbone.bias'], made.model.backbone.bias)
    classes = dict(a=['x', 'y'])
    assert written['meta'] == dict(config='tiny', iter=7, weights='last', classes=classes)
    assert [path.name for path in (tmp_path / 'sep').iterdir()] == ['tiny.pth']


def test_the_best_weights(tmp_path):
    best = str(tmp_path / 'best.pth')
    torch.save(dict(meta=dict(iter=5), state_dict={'backbone.w': torch.ones(1)}), best)
    hook = ExportWeightsHook(str(tmp_path / 'out.pth'), weights='best')
    hook.after_train(runner(tmp_path, best))
    written = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert written['state_dict'] == {'backbone.w': torch.ones(1)}
    assert (written['meta']['iter'], written['meta']['weights']) == (5, 'best')
    hook.after_train(runner(tmp_path))
    assert torch.load(tmp_path / 'out.pth', weights_only=True)['meta']['weights'] == 'last'


def test_an_unknown_choice():
    with pytest.raises(RefusedError, match=r"weights='worst'\): choose 'last' or 'best'"):
        ExportWeightsHook(weights='worst')
