from itertools import count

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, SequentialSampler

import samrs_mm.engine.hooks  # noqa: F401  (registers)
from samrs_mm import compat
from samrs_mm.core.errors import RefusedError
from samrs_mm.datasets.samplers import ProportionalMultiSourceSampler
from samrs_mm.engine.loops import ResumableIterLoop, resumable_iter_loop

NUMBERS = count()


class Numbers(Dataset):
    """Two sources of numbers; notes which were read."""

    metainfo = dict()
    source_sizes = dict(a=4, b=9)

    def __init__(self):
        self.read = []

    def __len__(self):
        return 13

    def __getitem__(self, index):
        self.read.append(index)
        return torch.tensor([float(index)])


@DATASETS.register_module()
class Noise(Dataset):
    """Ten random numbers, and no idea of seeds."""

    metainfo = dict(source='noise')

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.tensor([index + np.random.random()])


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode):
        return dict(loss=(torch.stack(tuple(inputs)) * self.weight).mean())

    def train_step(self, data, optim_wrapper):
        losses = self(data, mode='loss')
        optim_wrapper.update_params(losses['loss'])
        return losses


def loader_of(batch_size=3, seed=5, **division):
    dataset = Numbers()
    sampler = ProportionalMultiSourceSampler(dataset, batch_size, seed, **division)
    return DataLoader(dataset, batch_size, sampler=sampler)


def runner_of(tmp_path, loader, max_iters, name, **options):
    cfg = options.pop('train_cfg', dict(type='ResumableIterLoop', max_iters=max_iters))
    optimizer = dict(type='SGD', lr=0.01)
    return Runner(
        model=Line(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        train_cfg=cfg,
        optim_wrapper=options.pop('optim_wrapper', dict(optimizer=optimizer)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4)),
        custom_hooks=[dict(type='PlainCheckpointHook')],
        default_scope='mmseg',
        # two runs of one name in one second would share their logged values
        experiment_name=f'{name}-{next(NUMBERS)}',
        log_level='WARNING',
        **options,
    )


def test_nothing_is_read_before_the_start_or_twice(tmp_path):
    straight = loader_of()
    runner_of(tmp_path / 'a', straight, 8, 'straight').train()
    assert len(straight.dataset.read) == 24

    first, second = loader_of(), loader_of(seed=99)
    runner_of(tmp_path / 'b', first, 4, 'first').train()
    resumed = runner_of(tmp_path / 'b', second, 8, 'second', resume=True)
    assert isinstance(resumed.train_loop, ResumableIterLoop)
    assert second.dataset.read == []
    resumed.train()
    assert first.dataset.read + second.dataset.read == straight.dataset.read
    assert second.sampler.seed == 5, "the checkpoint's seed, not the new one"
    assert list(second) != [], 'the loader can be read again'


@pytest.mark.skipif(not compat.is_onedl(), reason='an option of onedl-mmengine')
def test_no_batch_is_missing_where_passing_over_old_ones_is_switched_off(tmp_path):
    straight, first, second = loader_of(), loader_of(), loader_of()
    runner_of(tmp_path / 'a', straight, 6, 'whole').train()
    runner_of(tmp_path / 'b', first, 4, 'begun').train()
    ahead = runner_of(tmp_path / 'b', second, 6, 'ahead', resume=True)
    ahead._train_loop['fast_forward_on_resume'] = True
    ahead.train()
    assert first.dataset.read + second.dataset.read == straight.dataset.read


def test_a_change_of_the_batch_is_logged(tmp_path):
    runner_of(tmp_path, loader_of(), 4, 'small').train()
    runner_of(tmp_path, loader_of(6), 6, 'large', resume=True).train()
    log = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert 'Resumed with global_batch=6, started with 3: from here on the samples are not' in log


@pytest.mark.parametrize('division', [dict(temperature=9.0), dict(shares=dict(a=5, b=1))], ids=str)
def test_a_run_whose_sources_have_other_shares_goes_on_exactly(tmp_path, division):
    name = next(iter(division))
    straight = loader_of(6, **division)
    runner_of(tmp_path / 'a', straight, 8, f'{name}-straight').train()
    first, second = loader_of(6, **division), loader_of(seed=99, batch_size=6, **division)
    runner_of(tmp_path / 'b', first, 4, f'{name}-first').train()
    runner_of(tmp_path / 'b', second, 8, f'{name}-second', resume=True).train()
    assert first.dataset.read + second.dataset.read == straight.dataset.read
    plain = loader_of(6)
    runner_of(tmp_path / 'c', plain, 8, f'{name}-plain').train()
    assert plain.dataset.read != straight.dataset.read
    log = ''.join(path.read_text() for path in tmp_path.glob('b/*/*.log'))
    assert 'Resumed with' not in log


@pytest.mark.parametrize(('before', 'after', 'said'), [
    ({}, dict(temperature=3.0), 'temperature=3.0, started with the default:'),
    (dict(temperature=3.0), {}, 'temperature=the default, started with 3.0:'),
])  # fmt: skip
def test_a_change_of_shares_is_logged(tmp_path, before, after, said):
    name = '-'.join([*before, 'to', *after])
    runner_of(tmp_path, loader_of(**before), 4, name).train()
    runner_of(tmp_path, loader_of(**after), 6, f'{name}-on', resume=True).train()
    log = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert f'Resumed with {said}' in log


def test_other_ranks_are_told(tmp_path, monkeypatch):
    runner_of(tmp_path, loader_of(6), 4, 'one').train()
    monkeypatch.setattr(resumable_iter_loop, 'get_world_size', lambda: 2)
    runner_of(tmp_path, loader_of(3), 6, 'two', resume=True).train()
    log = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    said = 'Resumed on 2 ranks x 3 samples = 6, started on 1 rank x 6 samples = 6: the batches stay'
    assert said in log
    runner_of(tmp_path, loader_of(3), 8, 'three', resume=True).train()
    log = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert log.count('Resumed on 2') == 1, 'nothing has changed'


def parts_of(tmp_path, name, accumulate, batch=6):
    torch.manual_seed(0)
    cfg = dict(type='ResumableIterLoop', max_iters=4, accumulate=accumulate)
    runner = runner_of(tmp_path / name, loader_of(batch), 4, name, train_cfg=cfg)
    seen = []
    step = Line.train_step

    def noted(self, data, optim_wrapper):
        seen.append(len(data))
        return step(self, data, optim_wrapper)

    runner.model.train_step = noted.__get__(runner.model)
    runner.train()
    return runner.model.weight.item(), seen, runner.message_hub.get_scalar('train/loss').data[0]


def test_parts_of_a_batch_add_up_to_it(tmp_path):
    whole, seen, losses = parts_of(tmp_path, 'whole', 1)
    assert seen == [6] * 4
    parted, parts, same = parts_of(tmp_path, 'parted', 3)
    assert parts == [2] * 12
    assert parted == pytest.approx(whole, rel=1e-6)
    assert same == pytest.approx(losses, rel=1e-6), 'one value an iteration'


@pytest.mark.parametrize('accumulate', [4, 0, 1.5])
def test_parts_that_do_not_divide_the_batch(tmp_path, accumulate):
    with pytest.raises(RefusedError, match=f'accumulate={accumulate}: the batch of 6 a rank'):
        parts_of(tmp_path, f'bad{accumulate}', accumulate)


def test_two_ways_to_accumulate_are_one_too_many(tmp_path):
    cfg = dict(type='ResumableIterLoop', max_iters=4, accumulate=2)
    wrapper = dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=2)
    runner = runner_of(tmp_path, loader_of(6), 4, 'both', train_cfg=cfg, optim_wrapper=wrapper)
    with pytest.raises(RefusedError, match=r'accumulate=2 and optim_wrapper.accumulative_counts=2'):
        runner.train()


@pytest.mark.parametrize('kind', ['ResumableSampler', 'ProportionalMultiSourceSampler'])
def test_any_dataset_is_seeded_and_the_batch_size_given_once(tmp_path, kind):
    def loss(name, max_iters, **options):
        loader = dict(batch_size=3, num_workers=0, dataset=dict(type='Noise'),
                      sampler=dict(type=kind, seed=5, keyed=True))  # fmt: skip
        runner = runner_of(
            tmp_path / name, loader, max_iters, f'{kind}{name}{max_iters}', **options
        )
        runner.train()
        assert runner.train_dataloader.sampler.batch_size == 3
        assert runner.train_dataloader.dataset.metainfo == Noise.metainfo
        return runner.message_hub.get_scalar('train/loss').current()

    straight = loss('a', 6)
    np.random.seed(9)
    loss('b', 4)
    assert loss('b', 6, resume=True) == straight


@pytest.mark.parametrize(
    ('loader', 'message'),
    [
        (
            DataLoader(Numbers(), 3, sampler=SequentialSampler(range(13))),
            r'sampler SequentialSampler: ResumableIterLoop needs one that can start anywhere',
        ),
        (
            DataLoader(Numbers(), 2, sampler=ProportionalMultiSourceSampler(Numbers(), 3)),
            r'batch_size=2, but sampler.batch_size=3; make them equal',
        ),
    ],
)
def test_refuses_a_loader_that_it_can_not_start_anywhere(tmp_path, loader, message):
    runner = runner_of(tmp_path, loader, 4, f'refused{loader.batch_size}')
    with pytest.raises(RefusedError, match=message):
        runner.train()
