from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from mmengine.logging import MessageHub

from samrs_mm.engine.hooks import BoxNetWeightsHook
from samrs_mm.models.boxnet.trainer import BoxNetTrainer
from samrs_mm.models.boxnet.weights import load_weights

WIDTHS = (8, 16)


@pytest.fixture
def runner(tmp_path, request):
    hub = MessageHub.get_instance(request.node.name)
    cfg = SimpleNamespace(filename='configs/boxnet/tiny.py')
    model = BoxNetTrainer(WIDTHS)
    return SimpleNamespace(work_dir=tmp_path, cfg=cfg, model=model, iter=5, seed=3,
                           message_hub=hub, logger=MagicMock())  # fmt: skip


def scores(miou):
    return dict(mIoU=miou, temperature=1.5, shift=-0.25, rank=0.5)


def test_the_best_weights_are_written_with_how_to_read_their_score(runner):
    hook = BoxNetWeightsHook()
    hook.after_val_epoch(runner, scores(50.0))
    network, info = load_weights(runner.work_dir / 'tiny.safetensors')
    wanted = runner.model.network.mask.weight
    assert torch.equal(network.mask.weight, wanted.half().float())
    assert (info.temperature, info.shift, info.side) == (1.5, -0.25, 96)
    assert info.recipe['config'] == 'tiny'
    assert (info.recipe['iterations'], info.recipe['seed']) == (5, 3)
    with torch.no_grad():
        wanted.add_(1.0)
    for worse in (50.0, 49.0):
        hook.after_val_epoch(runner, scores(worse))
        network, _ = load_weights(runner.work_dir / 'tiny.safetensors')
        assert not torch.equal(network.mask.weight, wanted.half().float())
    hook.after_val_epoch(runner, scores(51.0))
    network, _ = load_weights(runner.work_dir / 'tiny.safetensors')
    assert torch.equal(network.mask.weight, wanted.half().float())


def test_what_is_best_outlives_the_hook(runner):
    BoxNetWeightsHook().after_val_epoch(runner, scores(50.0))
    (runner.work_dir / 'tiny.safetensors').unlink()
    BoxNetWeightsHook().after_val_epoch(runner, scores(49.0))
    assert not (runner.work_dir / 'tiny.safetensors').exists()


def test_weights_that_do_not_beat_their_start_are_not_written(runner):
    hook = BoxNetWeightsHook(beat_start=True)
    runner.iter = 0
    hook.after_val_epoch(runner, scores(60.0))
    runner.iter = 5
    hook.after_val_epoch(runner, scores(60.0))
    hook.after_train(runner)
    assert not (runner.work_dir / 'tiny.safetensors').exists()
    assert 'none of them beat mIoU 60.00' in hook.kept
    assert '\n' not in hook.kept
    told = runner.logger.info.call_args[0][0].splitlines()
    assert told[2].split() == ['mIoU', '60.00', '60.00']


def test_before_and_after_are_told(runner):
    hook = BoxNetWeightsHook(beat_start=True)
    runner.iter = 0
    hook.after_val_epoch(runner, scores(60.0))
    runner.iter = 5
    hook.after_val_epoch(runner, scores(63.5))
    hook.after_train(runner)
    assert (runner.work_dir / 'tiny.safetensors').exists()
    assert hook.kept is None
    told = runner.logger.info.call_args[0][0].splitlines()
    assert told[2].split() == ['mIoU', '60.00', '63.50']
