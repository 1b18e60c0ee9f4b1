"""Training by the tool: straight, resumed, killed, on several ranks; scoring what it trained."""

import json
import random
from collections import Counter

import numpy as np
import pytest
import torch
from folders import load_tool
from PIL import Image
from training_runs import IMAGES, gradients, record, run_tool, same_state, train, write_run

WHOLE = 20 * 4  # samples in 20 iterations


def loads(root):
    return Counter((root / 'loads.txt').read_text().split())


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
    """20 iterations in one go, without workers."""
    root = tmp_path_factory.mktemp('straight')
    write_run(root)
    train(root)
    return root


def test_every_batch_is_loaded_once(straight):
    (lines,) = record(straight)
    assert [line['iter'] for line in lines] == list(range(20))
    seen = Counter(name for line in lines for name in line['images'])
    assert seen == loads(straight)
    assert seen.total() == WHOLE
    assert {name[:-2] for line in lines for name in line['images']} == set(IMAGES)


@pytest.mark.parametrize('workers', [0, 2])
def test_a_resumed_run_equals_a_straight_one(straight, tmp_path, workers):
    write_run(tmp_path)
    options = ['--cfg-options', f'train_dataloader.num_workers={workers}']
    train(tmp_path, *options, 'train_cfg.max_iters=10')
    assert loads(tmp_path).total() == WHOLE // 2
    train(tmp_path, '--resume', *options)
    assert record(tmp_path) == record(straight)
    assert loads(tmp_path) == loads(straight), 'nothing is read twice'
    assert same_state(tmp_path / 'work/iter_20.pth', straight / 'work/iter_20.pth')


def test_a_killed_run_goes_on(straight, tmp_path):
    write_run(tmp_path)
    options = ['--cfg-options', 'train_dataloader.num_workers=2',
               'train_dataloader.persistent_workers=True']  # fmt: skip
    train(tmp_path, *options, 'custom_hooks.0.die_at=13', expect=9)
    train(tmp_path, '--resume', str(tmp_path / 'work/iter_10.pth'), *options)
    (lines,) = record(tmp_path)
    assert lines[:13] + lines[16:] == record(straight)[0]
    assert lines[10:13] == lines[13:16], 'the lost iterations again, with the same augmentation'
    assert same_state(tmp_path / 'work/iter_20.pth', straight / 'work/iter_20.pth')


@pytest.mark.parametrize('ranks', [1, 2])
def test_a_run_that_is_told_to_stop_saves_and_goes_on(straight, tmp_path, ranks):
    """The last rank is told, of two the others hear of it."""
    write_run(tmp_path)
    options = ['--cfg-options', 'train_dataloader.num_workers=1']
    options += ['train_dataloader.batch_size=2', 'train_dataloader.sampler.batch_size=2'] * (
        ranks == 2
    )
    log = train(tmp_path, *options, 'custom_hooks.0.stop_at=12', ranks=ranks, expect=75)
    saved = tmp_path / 'work/iter_13.pth'
    said = f'stopped by {"SIGTERM" if ranks == 1 else "another rank"} after iteration 13, which is'
    assert f'{said} saved in {saved}; the same command with --resume goes on' in log
    train(tmp_path, '--resume', *options, ranks=ranks)
    if ranks == 1:
        assert record(tmp_path) == record(straight)
        assert same_state(tmp_path / 'work/iter_20.pth', straight / 'work/iter_20.pth')
    lines = record(tmp_path, ranks)[-1]
    assert [line['iter'] for line in lines] == list(range(20))


def test_accumulation_keeps_the_batch_and_ema_is_one_line(straight, tmp_path):
    write_run(tmp_path)
    options = ['train_cfg.accumulate=2', 'train_cfg.max_iters=4', 'default_hooks.ema.type=EMAHook',
               'precision=fp32']  # fmt: skip
    log = train(tmp_path, '--cfg-options', *options)
    assert 'Accumulation: the batch of 4 a rank goes through the network in 2 parts of 2;' in log
    assert 'Precision: fp32 (matrix products and convolutions in float32, without TF32)' in log
    (parted,), (whole,) = record(tmp_path), record(straight)
    for one, other in zip(parted, whole[:4], strict=True):
        assert one['images'] == other['images']
        for name, value in one['logs'].items():
            assert abs(value - other['logs'][name]) < 2e-4 * max(1, abs(value)), name
    saved = torch.load(tmp_path / 'work/iter_4.pth', weights_only=True)
    assert 'ema_state_dict' in saved


@pytest.mark.slow
@pytest.mark.parametrize('ranks', [1, 2])
def test_told_to_stop_ten_times_at_random(tmp_path, ranks):
    """Nothing is lost: each iteration once, with its samples, and bit-equal weights at the end."""
    options = ['--cfg-options', f'train_dataloader.num_workers={ranks - 1}',
               f'train_dataloader.batch_size={8 // ranks}',
               f'train_dataloader.sampler.batch_size={8 // ranks}']  # fmt: skip
    straight, stopped = tmp_path / 'straight', tmp_path / 'stopped'
    for root in (straight, stopped):
        write_run(root)
    train(straight, *options, ranks=ranks)
    stops = sorted(random.Random(ranks).sample(range(19), 10))
    for stop in stops:
        log = train(
            stopped, '--resume', *options, f'custom_hooks.0.stop_at={stop}', ranks=ranks, expect=75
        )
        assert f'after iteration {stop + 1}, which is saved in' in log
    train(stopped, '--resume', *options, ranks=ranks)
    assert record(stopped, ranks) == record(straight, ranks)
    assert same_state(stopped / 'work/iter_20.pth', straight / 'work/iter_20.pth')


def test_what_is_written_loads_as_data(straight):
    checkpoint = torch.load(straight / 'work/iter_20.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 20
    sampler = dict(seed=3, global_batch=4, sizes=IMAGES)
    assert checkpoint['message_hub']['runtime_info']['sampler'] == sampler
    exported = torch.load(straight / 'sep/tiny.pth', weights_only=True)
    assert exported['state_dict'].keys() == checkpoint['state_dict'].keys()
    assert all(map(torch.equal, exported['state_dict'].values(), checkpoint['state_dict'].values()))
    assert exported['meta']['config'] == 'tiny'
    assert exported['meta']['iter'] == 20
    assert exported['meta']['classes']['blue'] == ['blue0', 'blue1']
    assert not list((straight / 'sep').glob('*[!h]'))


@pytest.mark.parametrize('share', ['all', 'absent'])
def test_two_ranks_equal_one(tmp_path, share):
    """With a batch of 4 shared 1/1/2, red is on rank 0 only and green on rank 1 only."""
    batch = dict(all=8, absent=4)[share]
    roots = {}
    for ranks in (1, 2):
        roots[ranks] = root = tmp_path / str(ranks)
        write_run(root)
        size = batch // ranks
        train(
            root, '--cfg-options', 'train_cfg.max_iters=4', f'train_dataloader.batch_size={size}',
            f'train_dataloader.sampler.batch_size={size}', 'optim_wrapper.type=GradientWriter',
            f'optim_wrapper.folder={root}', ranks=ranks,
        )  # fmt: skip
    (one,), two = record(roots[1]), record(roots[2], 2)
    sources = [{name[:-2] for name in lines[0]['images']} for lines in two]
    apart = [{'red', 'blue'}, {'green', 'blue'}]
    assert sources == (apart if share == 'absent' else [{*IMAGES}] * 2)
    worst_loss = 0.0
    for whole, *parts in zip(one, *two, strict=True):
        for key in ('images', 'pixels'):
            assert whole[key] == [parts[i % 2][key][i // 2] for i in range(batch)]
        assert parts[0]['logs'] == parts[1]['logs'], 'every rank logs the global values'
        logs = parts[0]['logs']
        differences = [abs(logs[name] - whole['logs'][name]) for name in whole['logs']]
        worst_loss = max(worst_loss, *differences)
    worst = {
        step: max(
            float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))
            for a, b in zip(gradients(roots[2], step), gradients(roots[1], step), strict=True)
        )
        for step in range(4)
    }
    print(f'largest difference: loss {worst_loss:.1e}, gradient relative to its tensor {worst}')
    assert worst_loss < 1e-4
    assert worst[0] < 1e-4


def test_resumed_on_another_number_of_ranks(straight, tmp_path):
    write_run(tmp_path)
    train(tmp_path, '--cfg-options', 'train_cfg.max_iters=10')
    log = train(
        tmp_path, '--resume', '--cfg-options', 'train_dataloader.batch_size=2',
        'train_dataloader.sampler.batch_size=2', ranks=2,
    )  # fmt: skip
    assert 'Resumed with' not in log
    (whole,), parts = record(straight), record(tmp_path, 2)
    late = [line['images'] for line in parts[1]]
    assert [line['images'][1::2] for line in whole[10:]] == late


def test_scored(straight, tmp_path):
    checkpoint = str(straight / 'work/iter_20.pth')
    results = []
    for number, (flags, ranks) in enumerate([([], 1), ([], 2), (['--tta'], 1)]):
        out = tmp_path / str(number)
        argv = [str(straight / 'tiny.py'), checkpoint, '--work-dir', str(tmp_path / 'work')]
        codes, log = run_tool('test', [*argv, '--out', str(out), *flags], tmp_path / 'log', ranks)
        assert codes == [0] * ranks, log[-3000:]
        results.append(json.loads((out / 'metrics.json').read_text()))
        maps = sorted((out / 'predictions').glob('*/*.png'))
        assert [len([m for m in maps if m.parent.name == name]) for name in IMAGES] == [5, 4, 11]
        assert np.asarray(Image.open(maps[0])).shape == (32, 32)
    assert {'mIoU', 'red/mIoU', 'green/mIoU', 'blue/mIoU'} <= results[0].keys()
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_its_weights_start_another_network(straight, tmp_path):
    write_run(tmp_path)
    log = train(
        tmp_path, '--cfg-options', f'load_from={straight}/sep/tiny.pth', 'train_cfg.max_iters=1',
    )  # fmt: skip
    assert 'sep/tiny.pth: 105 of 105 weights match' in log
    assert f'; iteration 20 of tiny in {straight}/work' in log
    first = record(straight)[0][0]['logs']['loss']
    assert record(tmp_path)[0][0]['logs']['loss'] < first


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--amp'], 'mixed precision needs a GPU and none is visible'),
        (['--resume', 'no.pth'], 'checkpoint no.pth: No such file or directory'),
        (['--launcher', 'pytorch'], 'RANK is not set in the environment; start it with torchrun'),
        (['--cfg-options', 'train_datalaoder.batch_size=5'], "did you mean 'train_dataloader'?"),
    ],
)
def test_refused_before_anything_is_built(straight, tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.setenv('LOCAL_RANK', '0')
    for name in ('RANK', 'WORLD_SIZE'):
        monkeypatch.delenv(name, raising=False)
    words = [str(straight / 'tiny.py'), '--work-dir', str(tmp_path), *argv]
    assert load_tool('train').main(words) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert message in error


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['train_dataloader.batch_size=5'],
         'train_dataloader: batch_size=5, but sampler.batch_size=4; make them equal'),
        (['train_dataloader.batch_size=2', 'train_dataloader.sampler.batch_size=2'],
         'a global batch of 2, too small for one sample of each of 3 sources'),
        (['model.heads.red.num_classes=4'], 'model.heads.red.num_classes=4, but'),
        (['resume=True', 'load_from={straight}/work/iter_20.pth', 'model.heads.red.num_classes=4',
          'check_data=warn'],
         'iter_20.pth: 103 of 105 weights match; 2 of another shape (heads.red.weight'),
    ],
)  # fmt: skip
def test_refused_in_one_line(straight, tmp_path, options, message):
    options = [word.format(straight=straight) for word in options]
    argv = ['--work-dir', str(tmp_path), '--cfg-options', *options]
    log = train(tmp_path, *argv, config=str(straight / 'tiny.py'), expect=2)
    errors = [line for line in log.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1
    assert message in errors[0]
    assert log.splitlines()[-1] == errors[0], 'no traceback'


def test_a_shorter_run_leaves_the_export_of_a_longer_one(straight, tmp_path):
    before = (straight / 'sep/tiny.pth').read_bytes()
    log = train(
        straight, '--work-dir', str(tmp_path / 'smoke'), '--cfg-options', 'train_cfg.max_iters=1',
        f'custom_hooks.0.folder={tmp_path}', expect=1,
    )  # fmt: skip
    said = f'{straight}/sep/tiny.pth is of iteration 20, this training of 1, so it is kept'
    assert log.splitlines()[-1].startswith(f'error: {said}; ')
    assert f'At the end: {said}' in log
    assert (straight / 'sep/tiny.pth').read_bytes() == before
    own = torch.load(tmp_path / 'smoke/export_tiny.pth', weights_only=True)
    assert own['meta']['iter'] == 1
