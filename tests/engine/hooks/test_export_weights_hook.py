import logging
import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.logging import MessageHub
from torch import nn

from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks import ExportWeightsHook, export_weights_hook


def runner(tmp_path, work='work', iterations=7, **info):
    model = nn.ModuleDict(
        dict(backbone=nn.Linear(1, 1), neck=nn.Linear(1, 1), auxiliary_head=nn.Linear(1, 1))
    )
    dataset = SimpleNamespace(metainfo=dict(sources=dict(a=dict(classes=('x', 'y')))))
    hub = MessageHub(f'{tmp_path}{work}{iterations}')
    for key, value in info.items():
        hub.update_info(key, value)
    return SimpleNamespace(
        model=model,
        iter=iterations,
        max_iters=iterations,
        cfg=SimpleNamespace(filename=str(tmp_path / 'configs/tiny.py')),
        experiment_name='tiny_2026',
        train_dataloader=SimpleNamespace(dataset=dataset),
        message_hub=hub,
        logger=logging.getLogger('export'),
        work_dir=str(tmp_path / work),
        hooks=[],
    )


def train(tmp_path, score=None, hook=None, **options):
    """Go through the end of a training; return its runner and hook."""
    made = options.pop('made', None) or runner(tmp_path, **options)
    hook = hook or ExportWeightsHook(str(tmp_path / 'sep/{config}.pth'))
    hook.before_train(made)
    hook.after_train_iter(made, 0)
    if score is not None:
        hook.after_val_epoch(made, dict(mIoU=score))
    hook.after_train(made)
    return made, hook


def exported(tmp_path):
    return torch.load(tmp_path / 'sep/tiny.pth', weights_only=True)


def test_the_last_weights(tmp_path):
    made, hook = train(tmp_path, score=50.0)
    written = exported(tmp_path)
    assert [*written['state_dict']] == [
        f'{part}.{kind}' for part in ('backbone', 'neck', 'auxiliary_head')
        for kind in ('weight', 'bias')
    ]  # fmt: skip
    assert torch.equal(written['state_dict']['neck.bias'], made.model.neck.bias)
    run = written['meta'].pop('run')
    assert run.startswith('tiny_2026-')
    assert written['meta'] == dict(
        config='tiny', iter=7, weights='last', score=50.0, ema=False, classes=dict(a=['x', 'y']),
        work_dir=str(tmp_path / 'work'),
    )  # fmt: skip
    assert [path.name for path in (tmp_path / 'sep').iterdir()] == ['tiny.pth']
    assert (tmp_path / 'work/export_tiny.pth').read_bytes() == (
        tmp_path / 'sep/tiny.pth'
    ).read_bytes()
    assert hook.kept is None


def test_what_is_to_be_dropped_is_not_written(tmp_path):
    path = str(tmp_path / 'sep/{config}.pth')
    train(tmp_path, hook=ExportWeightsHook(path, drop=('auxiliary_head.', 'neck.')))
    assert [*exported(tmp_path)['state_dict']] == ['backbone.weight', 'backbone.bias']


def test_the_averaged_weights_where_validation_had_them(tmp_path):
    made = runner(tmp_path)
    hook = EMAHook(momentum=0.5)
    hook.before_run(made)
    before = made.model.neck.bias.detach().clone()
    made.model.neck.bias.data += 2
    hook.after_train_iter(made, 0)
    hook.after_train_iter(made, 1)
    made.model.neck.bias.data += 2
    made.hooks = [hook]
    train(tmp_path, made=made)
    written = exported(tmp_path)
    averaged = hook.ema_model.module.neck.bias
    assert torch.equal(written['state_dict']['neck.bias'], averaged)
    assert not torch.equal(averaged, made.model.neck.bias)
    assert torch.equal(made.model.neck.bias, before + 4), 'the network itself is left alone'
    assert written['meta']['ema'] is True


def best_file(tmp_path):
    best = tmp_path / 'work/best_mIoU_iter_5.pth'
    best.parent.mkdir()
    hub = dict(runtime_info=dict(best_score=60.0))
    state = {'backbone.w': torch.ones(1)}
    torch.save(dict(meta=dict(iter=5), state_dict=state, message_hub=hub), best)
    return best


@pytest.mark.parametrize('named', ['as it is', 'moved'])
def test_the_best_weights(tmp_path, named):
    best = best_file(tmp_path)
    named = str(best) if named == 'as it is' else f'before/{best.name}'
    hook = ExportWeightsHook(str(tmp_path / 'sep/{config}.pth'), weights='best')
    train(tmp_path, hook=hook, best_ckpt=named)
    written = exported(tmp_path)
    assert written['state_dict'] == {'backbone.w': torch.ones(1)}
    about = {key: written['meta'][key] for key in ('iter', 'weights', 'score')}
    assert about == dict(iter=5, weights='best', score=60.0)


@pytest.mark.parametrize(
    ('info', 'message'),
    [({}, 'no validation chose a best'), (dict(best_ckpt='gone.pth'), 'gone.pth is gone')],
)
def test_no_best_weights(tmp_path, caplog, info, message):
    hook = ExportWeightsHook(str(tmp_path / 'sep/{config}.pth'), weights='best')
    train(tmp_path, hook=hook, **info)
    assert exported(tmp_path)['meta']['weights'] == 'last'
    assert message in caplog.text


def test_an_unknown_choice():
    with pytest.raises(RefusedError, match=r"weights='worst'\): choose 'last' or 'best'"):
        ExportWeightsHook(weights='worst')


def write(tmp_path, **meta):
    path = tmp_path / 'sep/tiny.pth'
    path.parent.mkdir()
    torch.save(dict(meta=meta, state_dict={}), path)
    return path


OF_TINY = dict(config='tiny', run='other')


@pytest.mark.parametrize(
    ('meta', 'message'),
    [
        (dict(OF_TINY, iter=8), 'is of iteration 8, this training of 7'),
        (dict(OF_TINY, iter=7, score=51.0), 'has mIoU 51.00, this training 50.00'),
        (dict(OF_TINY, iter=5, config='huge'), 'was not written by a training of tiny'),
        (dict(converted_from='authors.pth'), 'was not written by a training of tiny'),
    ],
)
def test_a_longer_better_or_foreign_file_stays(tmp_path, caplog, meta, message):
    path = write(tmp_path, **meta)
    before = path.read_bytes()
    made, hook = train(tmp_path, score=50.0)
    assert path.read_bytes() == before
    assert not path.with_name('tiny.pth.bak').exists()
    own = f'{made.work_dir}/export_tiny.pth'
    assert os.path.isfile(own)
    assert hook.kept.startswith(f'{path} {message}, so it is kept; ')
    assert own in hook.kept
    early = 'At the end: ' in caplog.text
    assert early == ('mIoU' not in message), 'told before the training, where it is known'


def test_a_file_that_is_no_checkpoint_stays(tmp_path):
    (tmp_path / 'sep').mkdir()
    (tmp_path / 'sep/tiny.pth').write_bytes(b'<html>')
    assert train(tmp_path)[1].kept
    assert (tmp_path / 'sep/tiny.pth').read_bytes() == b'<html>'


@pytest.mark.parametrize('meta', [dict(iter=6, score=99.0), dict(iter=7, score=49.0), dict(iter=7)])
def test_a_file_of_another_training_that_is_no_better_is_kept_beside(tmp_path, meta):
    path = write(tmp_path, **OF_TINY, **meta)
    before = path.read_bytes()
    assert train(tmp_path, score=50.0)[1].kept is None
    assert exported(tmp_path)['meta']['score'] == 50.0
    assert path.with_name('tiny.pth.bak').read_bytes() == before


def test_the_same_training_replaces_its_own(tmp_path):
    made, _ = train(tmp_path, score=50.0)
    made.iter = made.max_iters = 9
    train(tmp_path, score=40.0, made=made)
    assert exported(tmp_path)['meta']['iter'] == 9
    assert [path.name for path in (tmp_path / 'sep').iterdir()] == ['tiny.pth']


def test_what_was_there_is_back_if_the_new_file_cannot_be_written(tmp_path, monkeypatch):
    path = write(tmp_path, **OF_TINY, iter=3)
    before = path.read_bytes()

    def fail(target, data):
        if target == path:
            raise OSError(28, 'No space left on device', str(target))
        atomic_write(target, data)

    monkeypatch.setattr(export_weights_hook, 'atomic_write', fail)
    with pytest.raises(OSError, match='No space'):
        train(tmp_path)
    assert path.read_bytes() == before
