from types import SimpleNamespace

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.hooks import SourceClassCheckHook


def loader(**classes):
    sources = {name: dict(classes=tuple(range(count))) for name, count in classes.items()}
    return SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(sources=sources)))


def runner_of(train, val=None, heads=None):
    return SimpleNamespace(
        model=SimpleNamespace(source_classes=heads or dict(sota=18, sior=20)),
        train_dataloader=train,
        val_loop=val,
        val_dataloader=val,
        test_dataloader=val,
    )


def test_equal_classes_pass():
    runner = runner_of(loader(sota=18, sior=20), loader(sior=20))
    SourceClassCheckHook().before_train(runner)
    SourceClassCheckHook().before_val(runner)
    SourceClassCheckHook().before_test(runner)
    SourceClassCheckHook().before_train(runner_of(loader(sota=18, sior=20)))


@pytest.mark.parametrize(
    ('train', 'val', 'message'),
    [
        (dict(sota=17, sior=20), {}, 'heads.sota.num_classes=18, but train_dataloader has 17 cl'),
        (dict(sota=18, fast=37), {}, "train_dataloader: source 'fast' has no head; .* sota, sior"),
        (dict(sota=18), {}, 'no training data for sior; add the dataset or leave the head out'),
        (dict(sota=18), dict(sior=20), 'no training data for sior; add the dataset or leave the h'),
        (dict(sota=18, sior=20), dict(sior=3), 'sior.num_classes=20, but val_dataloader has 3'),
        ({}, {}, "train_dataloader: its dataset's metainfo has no 'sources'"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(train, val, message):
    runner = runner_of(loader(**train), loader(**val) if val else None)
    with pytest.raises(RefusedError, match=message):
        SourceClassCheckHook().before_train(runner)


def test_test_data_are_checked_too():
    with pytest.raises(RefusedError, match='test_dataloader has 3 classes of sior'):
        SourceClassCheckHook().before_test(runner_of(None, loader(sior=3)))


def test_validation_sources_may_come_in_another_order_but_not_their_classes():
    runner = runner_of(loader(sota=18, sior=20), loader(sior=20, sota=18))
    SourceClassCheckHook().before_train(runner)
    runner.val_dataloader.dataset.metainfo['sources']['sior']['classes'] = tuple(range(19, -1, -1))
    with pytest.raises(RefusedError, match='val_dataloader: class 0 is 19, in train_dataloader'):
        SourceClassCheckHook().before_train(runner)
