import pytest
import torch
from mmengine.config import Config

from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.run_start import clear_halves, find_start, put_aside, schedule_note


def save(path, iteration=0, **parts):
    content = dict(
        meta=dict(iter=iteration, epoch=0, experiment_name='tiny'),
        state_dict=dict(w=torch.ones(1)), optimizer={}, message_hub={},
    )  # fmt: skip
    torch.save({key: value for key, value in (content | parts).items() if value is not None}, path)
    return str(path)


def config_of(work_dir, max_iters=20, **keys):
    return Config(dict(work_dir=str(work_dir), train_cfg=dict(max_iters=max_iters), **keys))


@pytest.fixture
def sep(tmp_path):
    return save(tmp_path / 'sep.pth', 80)


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / 'work'
    folder.mkdir()
    for iteration in (5, 9):
        save(folder / f'iter_{iteration}.pth', iteration)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_9.pth'))
    return folder


@pytest.mark.parametrize(
    ('resume', 'keys', 'expected'),
    [
        ('auto', dict(load_from='sep.pth'), 'iter_9.pth'),
        ('iter_5.pth', dict(load_from='sep.pth'), 'iter_5.pth'),
        # as mmengine means these keys
        (None, dict(resume=True), 'iter_9.pth'),
        (None, dict(resume=True, load_from='iter_5.pth'), 'iter_5.pth'),
    ],
)
def test_a_run_goes_on(work, monkeypatch, resume, keys, expected):
    monkeypatch.chdir(work)
    config = config_of(work, **keys)
    start = find_start(config, resume)
    assert (start.resume, start.path.rpartition('/')[2]) == (True, expected)
    assert (config.resume, config.load_from) == (True, start.path)
    assert start.checkpoint.meta['iter'] == int(expected[5])


@pytest.mark.parametrize('resume', [None, 'auto'])
def test_a_run_begins(tmp_path, sep, resume):
    config = config_of(tmp_path / 'new', load_from=sep)
    start = find_start(config, resume)
    assert (start.path, start.resume, config.load_from) == (sep, False, sep)
    assert start.checkpoint.origin == 'iteration 80 of tiny'
    start = find_start(config_of(tmp_path / 'new'), resume)
    assert (start.path, start.checkpoint, start.notes) == (None, None, [])


@pytest.mark.parametrize(
    'name', ['iter_9.pth', 'epoch_1.pth', 'best_mIoU_iter_9.pth', 'last_checkpoint']
)
def test_the_same_command_again_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(RefusedError) as caught:
        find_start(config_of(tmp_path), None)
    assert str(caught.value) == (
        f'work dir {tmp_path}: holds {name} of an earlier run; give --resume to go on from there, '
        '--restart to start over (the old checkpoints are moved into a folder beside), or another '
        '--work-dir'
    )
    assert find_start(config_of(tmp_path), None, restart=True).path is None


def test_logs_and_configs_alone_are_no_earlier_run(tmp_path):
    for name in ('tiny.py', 'mine.pth', 'export_tiny.pth'):
        (tmp_path / name).write_bytes(b'')
    assert find_start(config_of(tmp_path), None).path is None


def test_a_restart_keeps_the_earlier_checkpoints(work):
    for name in ('best_mIoU_iter_5.pth', 'export_tiny.pth', 'tiny.py'):
        save(work / name)
    config = config_of(work)
    assert put_aside(config) == str(work / 'earlier_1')
    assert sorted(path.name for path in work.iterdir()) == ['earlier_1', 'tiny.py']
    assert len([*(work / 'earlier_1').iterdir()]) == 5
    assert put_aside(config) is None
    save(work / 'iter_1.pth')
    assert put_aside(config) == str(work / 'earlier_2')


def test_weights_of_an_earlier_run_are_not_taken_for_those_of_a_new_one(work):
    (work / 'tiny.py').write_text('')
    config = Config(dict(work_dir=str(work)), filename=str(work / 'tiny.py'))
    for name in ('tiny.safetensors', 'mine.safetensors'):
        (work / name).write_bytes(b'')
    assert put_aside(config, checkpoints=False) == str(work / 'earlier_1')
    assert [path.name for path in (work / 'earlier_1').iterdir()] == ['tiny.safetensors']
    assert (work / 'mine.safetensors').exists()
    assert len([*work.glob('iter_*.pth')]) == 2
    assert put_aside(config, checkpoints=False) is None


def test_a_half_written_checkpoint_is_passed_over(work):
    whole = (work / 'iter_9.pth').read_bytes()
    (work / 'iter_9.pth').write_bytes(whole[: len(whole) // 2])
    start = find_start(config_of(work), 'auto')
    assert start.path == str(work / 'iter_5.pth')
    [note] = start.notes
    assert 'iter_9.pth: not loaded, it is truncated, corrupt' in note
    assert note.endswith(f'; going on from {work}/iter_5.pth instead')
    (work / 'iter_5.pth').write_bytes(b'')
    with pytest.raises(RefusedError, match=r'iter_9\.pth: .*truncated, corrupt'):
        find_start(config_of(work), 'auto')


@pytest.mark.parametrize('text', ['', 'elsewhere/work/iter_9.pth', 'gone/iter_7.pth', None])
def test_the_newest_is_found_whatever_last_checkpoint_says(work, text):
    """Half written, of a work dir that was moved, removed, or not there."""
    (work / 'last_checkpoint').unlink()
    if text is not None:
        (work / 'last_checkpoint').write_text(text)
    assert find_start(config_of(work), 'auto').path == str(work / 'iter_9.pth')


def test_what_a_killed_run_left_unfinished_goes(work):
    kept = {path.name for path in work.iterdir()}
    for name in ('.iter_12.pth.tmp', '.best_mIoU_iter_9.pth.tmp', '.boxnet_s.safetensors.tmp'):
        (work / name).write_bytes(b'half')
    assert find_start(config_of(work), 'auto').path == str(work / 'iter_9.pth')
    clear_halves(config_of(work))
    assert {path.name for path in work.iterdir()} == kept
    clear_halves(config_of(work / 'none'))


@pytest.mark.parametrize('resume', ['auto', 'named'])
def test_going_back_is_told(work, resume):
    (work / 'last_checkpoint').write_text(str(work / 'iter_5.pth'))
    start = find_start(config_of(work), 'auto' if resume == 'auto' else str(work / 'iter_5.pth'))
    [note] = start.notes
    assert note.startswith(f'Going on from iteration 5, although {work} holds iter_9.pth: it will')


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        (
            dict(optimizer=None),
            'has no optimizer, so it cannot be resumed; --resume takes iter_N.pth',
        ),
        (dict(message_hub=None), 'has no message_hub'),
        (dict(meta={}), 'has no meta.iter'),
    ],
)
def test_what_cannot_be_resumed(tmp_path, parts, message):
    path = save(tmp_path / 'weights.pth', 3, **parts)
    with pytest.raises(RefusedError) as caught:
        find_start(config_of(tmp_path), path)
    assert message in str(caught.value)
    assert f'To begin with its weights: --cfg-options load_from={path}' in str(caught.value)


def test_nothing_is_left_to_train(work):
    with pytest.raises(
        RefusedError, match=r'is of iter 9, train_cfg\.max_iters=8: nothing is left'
    ):
        find_start(config_of(work, 8), 'auto')
    assert find_start(config_of(work, 9), 'auto').notes == [
        f'{work}/iter_9.pth is of iter 9 of 9: nothing is left to train'
    ]


def test_an_address(tmp_path):
    with pytest.raises(
        RefusedError, match=r'load_from=https://e\.org/w\.pth: .* fetch the file first'
    ):
        find_start(config_of(tmp_path, load_from='https://e.org/w.pth'), None)


COSINE = dict(type='CosineAnnealingLR', T_max=80, begin=0, end=80, by_epoch=False)
WARMUP = dict(type='LinearLR', begin=0, end=10, by_epoch=False)


@pytest.mark.parametrize(
    ('schedule', 'length', 'cure'),
    [
        ([COSINE], 80, None),
        (COSINE, 80, None),
        ([COSINE], 9, 'param_scheduler.0.T_max=9 param_scheduler.0.end=9'),
        ([COSINE], 160, 'param_scheduler.0.T_max=160 param_scheduler.0.end=160'),
        ([WARMUP, dict(COSINE, begin=10, T_max=70)], 80, None),
        ([WARMUP, dict(COSINE, begin=10, T_max=70)], 40,
         'param_scheduler.1.T_max=30 param_scheduler.1.end=40'),
        ([WARMUP, dict(COSINE, begin=10, T_max=70)], 10,
         'param_scheduler.0.end=1 param_scheduler.1.T_max=9 param_scheduler.1.begin=1 '
         'param_scheduler.1.end=10'),
        ([WARMUP, dict(COSINE, begin=10, T_max=70)], 2,
         'param_scheduler.0.end=1 param_scheduler.1.T_max=1 param_scheduler.1.begin=1 '
         'param_scheduler.1.end=2'),
        ([dict(COSINE, end=40)], 40, 'param_scheduler.0.T_max=40'),
        ([dict(type='PolyLR', end=80, by_epoch=False)], 40, 'param_scheduler.0.end=40'),
        ([dict(type='MultiStepLR', by_epoch=False)], 40, None),
        ([dict(COSINE, by_epoch=True)], 40, None),
        (None, 40, None),
    ],
)  # fmt: skip
def test_a_schedule_of_another_length_is_told(schedule, length, cure):
    note = schedule_note(Config(dict(train_cfg=dict(max_iters=length), param_scheduler=schedule)))
    if cure is None:
        assert note is None
    else:
        assert note.startswith('The learning rate is planned for ')
        assert note.endswith(f'for a schedule of this length add {cure}')
