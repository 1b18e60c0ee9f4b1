import pytest
from line_runs import runner_of
from mmengine.hooks import Hook

from samrs_mm.core.errors import RefusedError

HOOKS = ('ResumedScheduleHook', 'PlainCheckpointHook')


class Rates(Hook):
    """Notes the learning rate of each iteration, and the decay."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.rates, self.decays, self.said = {}, {}, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        group = runner.optim_wrapper.param_groups[0]
        self.rates[batch_idx + 1] = group['lr']
        self.decays[batch_idx + 1] = group['weight_decay']


def cosine(length, begin=0, **options):
    return dict(type='CosineAnnealingLR', T_max=length - begin, begin=begin, end=length,
                by_epoch=False, **options)  # fmt: skip


def rates(folder, iterations, **options):
    runner = runner_of(folder, iterations, hooks=HOOKS, **options)
    noted = Rates()
    runner.register_hook(noted)
    runner.logger.warning = noted.said.append
    runner.train()
    return noted


WARMUP = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2)
SCHEDULES = {
    'cosine': lambda length: [cosine(length, eta_min=1e-4)],
    'cosine to nothing': lambda length: [cosine(length)],
    'warm-up and cosine': lambda length: [WARMUP, cosine(length, begin=2)],
    'poly': lambda length: [dict(type='PolyLR', power=0.9, by_epoch=False, end=length)],
    'steps': lambda length: [dict(type='MultiStepLR', milestones=[length // 2], by_epoch=False)],
    'one more': lambda length: [WARMUP, cosine(length, begin=2)] if length > 4 else [WARMUP],
}


@pytest.mark.parametrize('name', SCHEDULES)
@pytest.mark.parametrize('length', [4, 6])
def test_a_run_that_is_resumed_to_be_longer_has_the_longer_schedule(tmp_path, name, length):
    """As the docs say: the length and the ends of the schedule together."""
    fresh = rates(tmp_path / 'fresh', 8, schedule=SCHEDULES[name](8)).rates
    assert not rates(tmp_path / 'short', length, schedule=SCHEDULES[name](length)).said
    longer = rates(tmp_path / 'short', 8, schedule=SCHEDULES[name](8), resume=True)
    assert longer.rates == pytest.approx({n: fresh[n] for n in range(length + 1, 9)}, rel=1e-9)
    [line] = longer.said
    assert line.startswith(f'Resumed at iteration {length} with another config: ')


def test_what_has_changed_is_said(tmp_path):
    rates(tmp_path, 4, schedule=[cosine(4)])
    [line] = rates(tmp_path, 8, schedule=[cosine(8)], resume=True).said
    assert line == (
        'Resumed at iteration 4 with another config: param_scheduler.0.T_max=8 (4 before), '
        'param_scheduler.0.end=8 (4 before); it is followed as if it had been so from the start '
        '(learning rate 0.005)'
    )


def test_the_same_config_is_left_alone(tmp_path):
    straight = rates(tmp_path / 'straight', 8, schedule=[cosine(8, eta_min=1e-5)]).rates
    rates(tmp_path / 'parts', 4, schedule=[cosine(8, eta_min=1e-5)])
    later = rates(tmp_path / 'parts', 8, schedule=[cosine(8, eta_min=1e-5)], resume=True)
    assert later.rates == {number: straight[number] for number in range(5, 9)}, 'bit by bit'
    assert not later.said


def test_another_learning_rate_and_decay_are_followed(tmp_path):
    optimizer = dict(type='SGD', lr=0.02, weight_decay=0.1)
    fresh = rates(tmp_path / 'fresh', 8, schedule=[cosine(8)], optimizer=optimizer).rates
    rates(tmp_path / 'parts', 4, schedule=[cosine(8)])
    noted = rates(tmp_path / 'parts', 8, schedule=[cosine(8)], optimizer=optimizer, resume=True)
    assert noted.rates == pytest.approx({number: fresh[number] for number in range(5, 9)})
    assert set(noted.decays.values()) == {0.1}
    assert 'weight_decay=0.1 (0 before), lr=0.02 (0.01 before)' in noted.said[0]


def test_a_constant_rate(tmp_path):
    rates(tmp_path, 4)
    noted = rates(tmp_path, 6, rate=0.03, resume=True)
    assert noted.rates == {5: 0.03, 6: 0.03}
    assert 'lr=0.03 (0.01 before)' in ' '.join(noted.said)


def test_weights_alone_bring_no_schedule(tmp_path):
    rates(tmp_path / 'a', 4, schedule=[cosine(4)])
    start = str(tmp_path / 'a/iter_4.pth')
    noted = rates(tmp_path / 'b', 2, schedule=[cosine(8)], load_from=start)
    assert noted.rates[1] == 0.01
    assert not noted.said


def test_other_groups_of_parameters_are_refused(tmp_path):
    apart = dict(paramwise_cfg=dict(custom_keys=dict(b=dict(lr_mult=0.1))))
    rates(tmp_path, 2, wrapper=apart)
    with pytest.raises(RefusedError, match=r"has 2 groups of parameters, the config's 1: "):
        rates(tmp_path, 4, resume=True)
