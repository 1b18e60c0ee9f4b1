from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from samrs_mm.engine.hooks import ValidateFirstHook


@pytest.mark.parametrize(('iteration', 'calls'), [(0, 1), (10, 0)])
def test_only_a_new_run_is_validated(iteration, calls):
    runner = SimpleNamespace(iter=iteration, val_loop=MagicMock(), model=MagicMock())
    ValidateFirstHook().before_train(runner)
    assert runner.val_loop.run.call_count == calls
    assert runner.model.train.call_count == calls


def test_without_validation_nothing_happens():
    ValidateFirstHook().before_train(SimpleNamespace(iter=0, val_loop=None))
