import pytest
from line_runs import runner_of, validation
from mmengine.hooks import Hook

HOOKS = ('OwedValidationHook',)


class Validations(Hook):
    """Notes after which iteration there was one, and how the network was in the next iteration."""

    def __init__(self):
        self.seen, self.training = [], []

    def before_val(self, runner):
        self.seen.append(runner.iter)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.training.append(runner.model.training)


def run(folder, iterations, resume=None):
    runner = runner_of(
        folder, iterations, data=range(9), hooks=HOOKS, resume=bool(resume),
        load_from=resume and str(folder / resume), **validation(),
    )  # fmt: skip
    seen = Validations()
    runner.register_hook(seen)
    runner.train()
    assert all(seen.training)
    return seen.seen


@pytest.mark.parametrize(
    ('resume', 'seen'), [('iter_4.pth', [4, 8, 9]), ('iter_6.pth', [8, 9]), (None, [4, 8, 9])]
)
def test_a_validation_that_the_checkpoint_does_not_know_comes_first(tmp_path, resume, seen):
    run(tmp_path, 6)
    assert run(tmp_path, 9, resume) == seen


def test_the_last_one_too(tmp_path):
    run(tmp_path, 6)
    assert run(tmp_path, 6, 'iter_6.pth') == [6]
