import pytest
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.config_values import check_values, without_idle_workers


def config_of(key, value):
    model = dict(type='samrs_mm.MultiTaskPretrainer')
    config = Config(dict(param_scheduler=[dict(T_max=1)], model=model))
    config.merge_from_dict({key: value})
    return config


@pytest.mark.parametrize(
    ('key', 'value', 'needed'),
    [
        ('optim_wrapper.optimizer.lr', '1e-3x', 'a number from 0, such as 1e-3'),
        ('optim_wrapper.optimizer.lr', -1.0, 'a number from 0'),
        ('optim_wrapper.optimizer.weight_decay', 'no', 'a number from 0'),
        ('train_cfg.val_interval', 0, 'a whole number from 1'),
        ('train_cfg.max_iters', 0, 'a whole number from 1'),
        ('train_cfg.max_iters', 1e3, 'a whole number from 1'),
        ('train_cfg.max_epochs', 'ten', 'a whole number from 1'),
        ('train_dataloader.batch_size', 0, 'a whole number from 1'),
        ('val_dataloader.num_workers', -1, 'a whole number from 0'),
        ('train_dataloader.drop_last', 'false', 'True or False'),
        ('param_scheduler.0.T_max', 0, 'a whole number from 1'),
        ('randomness.seed', 'x', 'a whole number from 0'),
        ('model.decode_head.num_classes', '5', 'a whole number from 1'),
        ('model.heads', ["{'a':{'num_classes':3}", "'b':{'num_classes':4}}"], 'an entry for each'),
        ('model.detectors', 'a_instance', 'an entry for each; --cfg-options takes them one by one'),
    ],
)
def test_values_that_cannot_be(key, value, needed):
    with pytest.raises(RefusedError) as caught:
        check_values(config_of(key, value), 'c.py')
    assert str(caught.value).startswith(f'config c.py: {key}={value!r}: needed: {needed}')


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('optim_wrapper.optimizer.lr', 1e-3), ('optim_wrapper.optimizer.lr', 0),
        ('randomness.seed', None), ('val_dataloader', None), ('train_dataloader.num_workers', 0),
        ('default_hooks.checkpoint.interval', -1), ('train_dataloader.batch_size', None),
    ],
)  # fmt: skip
def test_values_that_can_be(key, value):
    check_values(config_of(key, value), 'c.py')


def test_without_reading_processes_nothing_is_kept_or_read_ahead():
    config = config_of('train_dataloader', dict(num_workers=0, persistent_workers=True))
    config.val_dataloader = dict(num_workers=2, persistent_workers=True, prefetch_factor=3)
    without_idle_workers(config)
    assert config.train_dataloader == dict(num_workers=0)
    assert config.val_dataloader == dict(num_workers=2, persistent_workers=True, prefetch_factor=3)


def test_heads_of_other_models_may_be_anything():
    check_values(Config(dict(model=dict(type='Mine', heads=8, detectors=[dict(type='A')]))), 'c.py')
