"""Auxiliary heads and decode heads in a row, trained by the tool on three sources."""

import copy
import re

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from training_runs import CLASSES, gradients, record, run_tool, same_state, train, write_run

from samrs_mm.engine.checkpoint_match import check_match, weight_shapes

GROUPS = dict(type='GN', num_groups=2)
FCN = dict(
    type='FCNHead', in_channels=16, in_index=2, channels=8, num_convs=1, concat_input=False,
    norm_cfg=GROUPS, dropout_ratio=0.0, loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
)  # fmt: skip
OCR = dict(
    type='OCRHead', in_channels=32, in_index=3, channels=8, ocr_channels=4, norm_cfg=GROUPS,
    dropout_ratio=0.0,
)  # fmt: skip
STRIDE_8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
SHORT = ('--cfg-options', 'train_cfg.max_iters=4', 'train_cfg.val_interval=2',
         'default_hooks.checkpoint.interval=2', 'param_scheduler.0.T_max=4',
         'param_scheduler.0.end=4')  # fmt: skip


def write(root):
    """Write the sources and the config of a cascade with an auxiliary head."""
    path = write_run(root)
    cfg = Config.fromfile(path)
    cfg.model.update(type='MultiHeadCascadeEncoderDecoder', num_stages=2)
    cfg.model.backbone.update(STRIDE_8)
    cfg.model.decode_head = [FCN, OCR]
    cfg.model.auxiliary_head = dict(FCN, in_channels=8, in_index=1)
    cfg.dump(path)
    return path


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
    """Four iterations in one go."""
    root = tmp_path_factory.mktemp('straight')
    write(root)
    train(root, *SHORT, 'optim_wrapper.type=GradientWriter', f'optim_wrapper.folder={root}')
    return root


def test_what_is_logged_adds_up(straight):
    terms = {
        name
        for source in CLASSES
        for name in (f'loss_{source}_ce', f'{source}.decode_0.loss_ce', f'{source}.aux.loss_ce')
    }
    for line in record(straight)[0]:
        logs = line['logs']
        assert terms == {name for name in logs if 'loss' in name and name != 'loss'}
        assert logs['loss'] == pytest.approx(sum(logs[name] for name in terms), rel=1e-5)
        assert {f'{source}.aux.acc_seg' for source in CLASSES} <= logs.keys()


def test_a_resumed_run_equals_a_straight_one(straight, tmp_path):
    write(tmp_path)
    train(tmp_path, *SHORT, 'train_cfg.max_iters=2')
    train(tmp_path, '--resume', *SHORT)
    assert record(tmp_path) == record(straight)
    assert same_state(tmp_path / 'work/iter_4.pth', straight / 'work/iter_4.pth')


def test_two_ranks_that_lack_a_source_equal_one(straight, tmp_path):
    write(tmp_path)
    train(
        tmp_path, *SHORT, 'train_dataloader.batch_size=2', 'train_dataloader.sampler.batch_size=2',
        'optim_wrapper.type=GradientWriter', f'optim_wrapper.folder={tmp_path}', ranks=2,
    )  # fmt: skip
    (whole,), parts = record(straight), record(tmp_path, 2)
    assert [{name[:-2] for name in lines[0]['images']} for lines in parts] == [
        {'red', 'blue'},
        {'green', 'blue'},
    ]
    for line, *ranks in zip(whole, *parts, strict=True):
        assert ranks[0]['logs'] == ranks[1]['logs'], 'every rank logs the global values'
        for name, value in ranks[0]['logs'].items():
            assert value == pytest.approx(line['logs'][name], abs=1e-4), name
    pairs = [*zip(gradients(tmp_path), gradients(straight), strict=True)]
    # some are 0 but for rounding: nothing depends on the bias of OCR's keys
    floor = 1e-3 * max(float(grad.abs().max()) for _, grad in pairs)
    for one, other in pairs:
        assert (one - other).abs().max() <= 1e-4 * other.abs().max().clamp(min=floor)


def test_weights_of_auxiliary_heads_are_averaged_and_resumed(tmp_path):
    options = (
        *SHORT, 'train_cfg.max_iters=2', 'default_hooks.checkpoint.interval=1',
        'default_hooks.ema.type=EMAHook', 'default_hooks.ema.momentum=0.5',
    )  # fmt: skip
    write(tmp_path)
    train(tmp_path, *options)
    work = tmp_path / 'work'
    exported = torch.load(tmp_path / 'sep/tiny.pth', weights_only=True)['state_dict']
    (work / 'iter_2.pth').rename(tmp_path / 'straight.pth')
    (work / 'last_checkpoint').write_text(str(work / 'iter_1.pth'))
    train(tmp_path, '--resume', *options)
    first, last, resumed = (
        torch.load(path, weights_only=True)
        for path in (work / 'iter_1.pth', tmp_path / 'straight.pth', work / 'iter_2.pth')
    )
    # a checkpoint has the averaged weights as its own, and beside them those that are trained
    averaged, trained = last['state_dict'], last['ema_state_dict']
    names = [name for name in averaged if re.match('(auxiliary_head|side_heads).*weight', name)]
    assert len(names) > len(CLASSES)
    for name in names:
        step = first['ema_state_dict'][f'module.{name}'], trained[f'module.{name}']
        assert not torch.equal(*step), name
        torch.testing.assert_close(averaged[name], sum(step) / 2, msg=name)
        assert torch.equal(exported[name], averaged[name])
    assert same_state(work / 'iter_2.pth', tmp_path / 'straight.pth')
    assert trained.keys() == resumed['ema_state_dict'].keys()
    assert all(torch.equal(value, resumed['ema_state_dict'][key]) for key, value in trained.items())


def test_its_weights_are_for_fine_tuning_with_and_without_auxiliary_head(straight):
    path = str(straight / 'sep/tiny.pth')
    plain = dict(
        type='CascadeEncoderDecoder', num_stages=2,
        backbone=dict(type='ResNet', depth=18, base_channels=4, norm_cfg=GROUPS, **STRIDE_8),
        decode_head=[dict(FCN, num_classes=6), dict(OCR, num_classes=6)],
    )  # fmt: skip
    aux = dict(FCN, in_channels=8, in_index=1, num_classes=6)
    weights = torch.load(path, weights_only=True)['state_dict']
    for auxiliary_head in (None, aux):
        model = MODELS.build(copy.deepcopy(dict(plain, auxiliary_head=auxiliary_head)))
        said = check_match(model, weight_shapes(path), path, whole=False)
        new = ['auxiliary_head.conv_seg'] if auxiliary_head else []
        new += ['decode_head.0.conv_seg', 'decode_head.1.conv_seg']
        assert f'; new: {", ".join(new)}; not used: ' in said
        assert 'heads.blue, heads.green, heads.red' in said
        assert ('not used: auxiliary_head' in said) == (auxiliary_head is None)
        missing = model.load_state_dict(weights, strict=False).missing_keys
        assert {name.rpartition('.')[0] for name in missing} == {*new}


def test_the_exported_weights_are_scored(straight, tmp_path):
    argv = [str(straight / 'tiny.py'), str(straight / 'sep/tiny.pth')]
    codes, log = run_tool('test', [*argv, '--work-dir', str(tmp_path)], tmp_path / 'log')
    assert codes == [0], log[-3000:]
    assert 'blue/mIoU' in log


def test_levels_that_do_not_fit_are_told_before_training(tmp_path):
    write(tmp_path)
    for option, said in {
        'model.auxiliary_head.in_index=7': 'model.auxiliary_head.in_index=[7]: there are 4 levels',
        'model.backbone.strides=1,2,2,2': 'model.decode_head.1.in_index=3 is of stride 32, and the '
        'logits of the head before it are of stride 16',
    }.items():
        options = ['--cfg-options', option, 'model.backbone.dilations=1,1,1,1']
        (error,) = [
            line
            for line in train(tmp_path, *options, expect=2).splitlines()
            if line.startswith('error: ')
        ]
        assert said in error
        assert 'level 2: stride' in error
