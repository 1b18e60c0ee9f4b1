from types import SimpleNamespace

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks import ClassCheckHook


def loader(classes):
    metainfo = dict(classes=classes and tuple(classes))
    return SimpleNamespace(dataset=SimpleNamespace(metainfo=metainfo))


def runner_of(train, val=None, count=2):
    return SimpleNamespace(
        model=SimpleNamespace(module=SimpleNamespace(num_classes=count)),  # as DDP wraps it
        train_dataloader=loader(train),
        val_loop=val,
        val_dataloader=loader(val),
        test_dataloader=loader(val),
    )


@pytest.mark.parametrize(('train', 'val'), [('ab', 'ab'), ('ab', None), (None, None)])
def test_equal_classes_pass(train, val):
    ClassCheckHook().before_train(runner_of(train, val))


@pytest.mark.parametrize(
    ('train', 'val', 'message'),
    [
        ('abc', None, r'num_classes=2, but train_dataloader has 3 classes \(a, b, c\)'),
        ('a', None, 'num_classes=2, but train_dataloader has 1 class'),
        ('ab', 'abc', 'num_classes=2, but val_dataloader has 3 classes'),
        ('ab', 'ba', "val_dataloader: class 0 is 'b', in train_dataloader it is 'a'"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(train, val, message):
    with pytest.raises(RefusedError, match=message):
        ClassCheckHook().before_train(runner_of(train, val))


def test_data_of_validation_and_test_are_checked_by_themselves():
    runner = runner_of(None, 'abc')
    with pytest.raises(RefusedError, match='val_dataloader has 3'):
        ClassCheckHook().before_val(runner)
    with pytest.raises(RefusedError, match='test_dataloader has 3'):
        ClassCheckHook().before_test(runner)
