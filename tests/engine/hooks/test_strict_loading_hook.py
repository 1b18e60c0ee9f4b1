import os
from pathlib import Path

import pytest
import torch
from evil_checkpoints import MARKER, write_evil
from mmengine.model import BaseModel
from mmengine.runner import Runner

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks import StrictLoadingHook  # noqa: F401


class Line(BaseModel):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        self.w = torch.nn.Parameter(torch.zeros(2))

    def forward(self, inputs, mode='tensor'):
        return dict(loss=(self.w * inputs).sum())


def runner(tmp_path, init_cfg=None, **more):
    """Return a runner of one's own, not one of our tools."""
    data = dict(
        dataset=[torch.ones(2)] * 2, sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=1,
    )  # fmt: skip
    return Runner(
        model=Line(init_cfg), work_dir=str(tmp_path / 'work'), train_dataloader=data,
        train_cfg=dict(by_epoch=False, max_iters=1), experiment_name=tmp_path.name,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.5)),
        custom_hooks=[dict(type='mmseg.StrictLoadingHook')], **more,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARKER).exists()
    assert torch.load is torch.serialization.load


@pytest.mark.parametrize(
    'way',
    [
        dict(load_from='evil.pth'),
        dict(load_from='evil.pth', resume=True),
        dict(init_cfg=dict(type='mmengine.Pretrained', checkpoint='evil.pth')),
    ],
)
def test_a_runner_of_any_program_runs_no_code(tmp_path, way):
    write_evil('evil.pth')
    with pytest.raises(RefusedError, match=r'evil\.pth: not loaded, it asks for posix\.system'):
        runner(tmp_path, **way).train()


def test_other_loads_of_that_program_stay_as_they_are(tmp_path):
    torch.save({'w': torch.ones(2)}, 'good.pth')
    runner(tmp_path, load_from='good.pth').train()
    torch.load(write_evil('evil.pth'), weights_only=False)
    os.remove(MARKER)


def test_it_resumes_what_mmengine_saves(tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
    steps = [dict(type='LinearLR', by_epoch=False, end=3)]
    one = runner(tmp_path, default_hooks=hooks, param_scheduler=steps)
    one.register_hook(dict(type='EMAHook'))
    one.train()
    saved = tmp_path / 'work/iter_1.pth'
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(saved, weights_only=True)
    two = runner(tmp_path, load_from=str(saved), resume=True, param_scheduler=steps)
    two.register_hook(dict(type='EMAHook'))
    two.train_cfg = two._train_loop = dict(by_epoch=False, max_iters=2)
    two.train()
    assert two.iter == 2
    assert two.param_schedulers[0].last_step == 2
    assert two.message_hub.get_scalar('train/loss').data[0].size == 2
