"""Misspelt keys and types of configs; what is right passes, plug-ins' own keys too."""

import pytest
from folders import ROOT
from mmengine.config import Config, DictAction
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import HOOKS, MODELS
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.config_keys import check_keys
from samrs_mm.engine.run_config import load_run_config

SEP = str(ROOT / 'configs/sep/upernet_resnet50.py')
CROP = 'train_dataloader.dataset.datasets.0.pipeline.0.crop'


def load(option, path=SEP, **more):
    key, _, value = option.partition('=')
    return load_run_config(path, {key: DictAction._parse_iterable(value)}, None, 'none', **more)


@pytest.mark.parametrize(
    ('option', 'meant'),
    [
        # nothing would have read these
        ('default_hooks.checkpoint.intervall=10', 'interval'),
        ('model.test_cfg.mod=slide', 'mode'),
        ('model.test_cfg.inputsize=(2,2)', 'input_size'),
        ('env_cfg.cudnn_benchmrk=False', 'cudnn_benchmark'),
        ('env_cfg.mp_cfg.start_method=spawn', 'mp_start_method'),
        ('auto_scale_lr.enabled=True', 'enable'),
        ('default_hooks.checkpoint.save_bset=mIoU', 'save_best'),
        # these ended in a traceback
        ('optim_wrapper.optimizer.learning_rate=1', 'lr'),
        ('optim_wrapper.clip_grad.maxnorm=1', 'max_norm'),
        ('optim_wrapper.accumulative_count=2', 'accumulative_counts'),
        ('train_dataloader.batchsize=2', 'batch_size'),
        ('train_dataloader.dataset.datasets.0.ann_fil=x', 'ann_file'),
        ('train_dataloader.sampler.sed=1', 'seed'),
        (f'{CROP}.crop_sise=12', 'crop_size'),
        ('train_dataloader.dataset.datasets.0.pipeline.1.probb=0.5', 'prob'),
        ('train_cfg.max_iter=3', 'max_iters'),
        ('val_cfg.fp17=True', 'fp16'),
        ('model.backbone.dept=18', 'depth'),
        ('model.backbone.init_cfg.chekpoint=x', 'checkpoint'),
        ('model.decode_head.dropout=0.1', 'dropout_ratio'),
        ('model.decode_head.loss_decode.loss_weights=1.0', 'loss_weight'),
        ('model.data_preprocessor.means=1', 'mean'),
        ('default_hooks.checkpiont.interval=5', 'checkpoint'),
        ('default_hooks.export.pth=x', 'path'),
        ('randomness.sed=1', 'seed'),
        ('param_scheduler.0.Tmax=3', 'T_max'),
        ('val_evaluator.nan_to_nun=0', 'nan_to_num'),
        ('visualizer.vis_backend=1', 'vis_backends'),
        ('log_processor.window_sise=3', 'window_size'),
        ('optim_wrapper.optimizer.type=AdamWW', 'AdamW'),
        ('model.decode_head.norm_cfg.type=GroupNorm', 'GN'),
        ('model.backbone.type=ResNett', 'ResNet'),
        ('default_hooks.export.type=ExportWeightHook', 'ExportWeightsHook'),
        (f'{CROP}.type=RandomScaleCropp', 'RandomScaleCrop'),
        ('train_cfg.type=IterBasedTrainLop', 'IterBasedTrainLoop'),
    ],
)
def test_a_key_that_nothing_takes(option, meant):
    with pytest.raises(RefusedError) as caught:
        load(option)
    key = option.partition('=')[0]
    shown = key.rpartition('.')[0] if 'checkpiont' in key else key
    assert str(caught.value).startswith(f'config {SEP}: {shown}=')
    assert f'did you mean {meant!r}? ' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_misspelt_key_of_a_file(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {SEP!r}\nmodel = dict(backbone=dict(frozen_stage=1))\n')
    with pytest.raises(
        RefusedError, match=r'model\.backbone\.frozen_stage=1: ResNet takes no frozen'
    ):
        load_run_config(str(path), None, None, 'none')


@pytest.mark.parametrize(
    'option',
    [
        'model.backbone.with_cp=True', 'model.test_cfg.input_size=(3,3)', 'model.init_cfg=None',
        'default_hooks.export.weights=best', 'default_hooks.checkpoint.save_last=False',
        'optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=dynamic',
        'optim_wrapper.accumulative_counts=2', 'train_dataloader.prefetch_factor=4',
        'train_dataloader.pin_memory=True', f'{CROP}.crop_size=128', 'optim_wrapper=None',
        'model.decode_head.norm_cfg.num_groups=2', 'default_hooks.pictures=None',
        'visualizer.vis_backends.0.type=WandbVisBackend', 'env_cfg.dist_cfg.timeout=3',
        'train_dataloader.dataset.datasets.0.packed=packed', 'compile=True',
    ],
)  # fmt: skip
def test_what_is_right_passes(option):
    if option.endswith('num_groups=2'):
        path = dict(path=str(ROOT / 'configs/sep/unet_resnet50.py'))
        config = load('model.decode_head.norm_cfg.type=GN', **path)
        assert config.model.decode_head.norm_cfg.type == 'GN'
        return
    if option.endswith('loss_scale=dynamic'):
        options = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'}
        assert load_run_config(SEP, options, None, 'none').optim_wrapper.loss_scale == 'dynamic'
        return
    load(option)


@MODELS.register_module()
class GreedyHead(BaseDecodeHead):
    """Hands on what it doesn't know, and looks for some of it first."""

    def __init__(self, **kwargs):
        self.depths = kwargs.pop('depths', None)
        self.more = {key: kwargs.pop(key) for key in [*kwargs] if key.startswith('own_')}
        super().__init__(**kwargs)


@MODELS.register_module()
class StrictTrunk(nn.Module):
    """A plug-in that takes what it takes."""

    def __init__(self, width, inner=None):
        super().__init__()


@HOOKS.register_module()
class GreedyHook:
    """Takes anything."""

    def __init__(self, interval=1, **kwargs):
        pass


def write(tmp_path, text):
    path = tmp_path / 'plugin.py'
    path.write_text(f'_base_ = {SEP!r}\n{text}\n')
    return str(path)


@pytest.mark.parametrize(
    'text',
    [
        "model = dict(decode_head=dict(_delete_=True, type='GreedyHead', own_x=1, depths=2, "
        'channels=8, in_channels=8))',
        "custom_hooks = [dict(type='GreedyHook', intervals=[1], anything=dict(type='no such'))]",
        "model = dict(backbone=dict(_delete_=True, type='StrictTrunk', width=3, "
        "inner=dict(type='window', size=3)))",
        "custom_hooks = [dict(type='EMAHook', momentum=0.2, update_buffers=True)]",
        'mine = dict(what=1)',
    ],
)
def test_keys_of_plug_ins_pass(tmp_path, text):
    load_run_config(write(tmp_path, text), None, None, 'none')


def test_a_plug_in_that_takes_no_such_key(tmp_path):
    backbone = "dict(_delete_=True, type='StrictTrunk', width=3, widht=4)"
    path = write(tmp_path, f'model = dict(backbone={backbone})')
    with pytest.raises(RefusedError, match=r'model\.backbone\.widht=4: StrictTrunk takes no widht'):
        load_run_config(path, None, None, 'none')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(decode_head=[dict(), dict()])', 'model.decode_head is a list of 2; '),
        ('custom_hooks = 1', 'custom_hooks=1: expected dict(type=...)'),
    ],
)
def test_another_shape(tmp_path, text, message):
    with pytest.raises(RefusedError) as caught:
        load_run_config(write(tmp_path, text), None, None, 'none')
    assert message in str(caught.value)


def test_a_tool_that_runs_the_model_alone_looks_at_the_model_alone():
    load('train_cfg.max_iter=3', parts=('model',))
    with pytest.raises(RefusedError, match='ResNet takes no dept'):
        load('model.backbone.dept=3', parts=('model',))


def test_losses_of_sources_are_looked_at(tmp_path):
    term = "dict(type='DiceLoss', weights=3.0)"
    text = f'model = dict(heads=dict(a=dict(loss_decode=[{term}])))'
    with pytest.raises(
        RefusedError, match=r'heads\.a\.loss_decode\.0\.weights=3\.0: DiceLoss takes no weights'
    ):
        load_run_config(write(tmp_path, text), None, None, 'none')


@pytest.mark.parametrize('leaf', ['sep/mask2former_resnet50', 'isaid/upernet_swin_imp_isaid',
                                  'examples/sep_demo', 'sep/upernet_vit-adapter'])  # fmt: skip
def test_shipped_configs_pass(leaf):
    load_run_config(str(ROOT / f'configs/{leaf}.py'), None, None, 'none')


def test_arguments_that_timm_takes_are_left_to_timm():
    def check(**options):
        backbone = dict(type='TIMMBackbone', model_name='convnext_tiny', **options)
        check_keys(Config(dict(model=backbone)), 'c.py', 'mmseg')

    check(out_indices=(0, 1), dims=[8])
    with pytest.raises(RefusedError, match=r"in_chans=4: .*did you mean 'in_channels'"):
        check(in_chans=4)
