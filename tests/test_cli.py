import io
import sys
import threading
from types import SimpleNamespace

import pytest

from samrs_mm.cli import (
    STOPPED,
    ToolParser,
    choose_gpu,
    find_shard,
    positive,
    run_command,
    run_images,
)
from samrs_mm.core.errors import (
    ImageReadError,
    RefusedError,
    SamrsError,
    StoppedAtOnce,
    StoppedError,
)


def fail(error):
    raise error


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (RefusedError('no such folder'), 2, 'error: no such folder\n'),
        (ImageReadError('a.png: empty'), 1, 'error: a.png: empty\n'),
        (OSError(28, 'No space left', 'out/x'), 1, 'error: out/x: No space left\n'),
        (
            RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. '),
            1,
            'error: a reading process died: DataLoader worker (pid 7) is killed by signal: Killed. '
            'the same command goes on from here; give it fewer workers if memory ran out\n',
        ),
        (StoppedError('stopped, saved in a'), STOPPED, 'stopped, saved in a\n'),
        (StoppedAtOnce('stopped, nothing done'), STOPPED, 'stopped, nothing done\n'),
        (KeyboardInterrupt(), 1, 'interrupted; the same command goes on from here\n'),
    ],
)
def test_errors_are_one_line(capsys, error, code, said):
    assert run_command(lambda: fail(error)) == code
    assert capsys.readouterr().err == said


def test_a_rank_whose_others_are_gone_says_so_in_a_line(capsys, monkeypatch):
    gone = RuntimeError('[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:3')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert run_command(lambda: fail(gone), 'AND SO ON') == 1
    said = 'error: another rank has ended, and says why; AND SO ON\n'
    assert capsys.readouterr().err == said
    monkeypatch.setenv('WORLD_SIZE', '1')
    with pytest.raises(RuntimeError, match='closed by peer'):
        run_command(lambda: fail(gone))


def test_a_second_interrupt_within_a_wait_is_one(capsys, monkeypatch):
    def interrupted(state):
        raise KeyboardInterrupt

    event = threading.Event()
    monkeypatch.setattr(event._cond, '_acquire_restore', interrupted, raising=False)
    with pytest.raises(RuntimeError, match='unlocked'):
        event.wait(0.001)
    assert run_command(lambda: event.wait(0.001)) == 1
    assert capsys.readouterr().err == 'interrupted; the same command goes on from here\n'


@pytest.mark.parametrize(('result', 'code'), [(None, 0), (0, 0), (1, 1)])
def test_exit_code(result, code):
    assert run_command(lambda: result) == code


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match='shapes'):
        run_command(lambda: fail(RuntimeError('shapes do not fit')))
    with pytest.raises(RuntimeError, match='unlocked'):
        run_command(lambda: fail(RuntimeError('release unlocked lock')))


def test_what_stops_a_pass_over_images_is_one_line(capsys):
    text = 'Caught SamrsError in DataLoader worker process 0.\nTraceback\nSamrsError: disk full'
    assert run_images(lambda: fail(SamrsError(text))) is None
    assert capsys.readouterr().err == 'error: disk full\n'


LAUNCHER = ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'SLURM_NTASKS')


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)


def test_the_only_process_does_all():
    assert find_shard(None) == (0, 1)
    assert find_shard('2/3') == (2, 3)


@pytest.mark.parametrize('names', [LAUNCHER[:2], LAUNCHER[2:]])
def test_launchers(monkeypatch, names):
    monkeypatch.setenv(names[0], '3')
    assert find_shard(None) == (0, 1), 'one of the two says nothing'
    monkeypatch.setenv(names[1], '8')
    assert find_shard(None) == (3, 8)
    assert find_shard('0/2') == (0, 2), 'the flag wins'


def test_torchrun_inside_slurm(monkeypatch):
    for name, value in zip(LAUNCHER, '1204', strict=True):
        monkeypatch.setenv(name, value)
    assert find_shard(None) == (1, 2)


@pytest.mark.parametrize(
    ('launcher', 'expected'), [('pytorch', (1, 2)), ('slurm', (0, 4)), ('none', (0, 1))]
)
def test_the_launcher_says_whose_shard_it_is(monkeypatch, launcher, expected):
    for name, value in zip(LAUNCHER, '1204', strict=True):
        monkeypatch.setenv(name, value)
    assert find_shard(None, launcher) == expected
    assert find_shard('2/3', launcher) == (2, 3)
    for name in LAUNCHER:
        monkeypatch.delenv(name)
    if launcher == 'none':
        return
    with pytest.raises(RefusedError, match=f'--launcher {launcher}: .* not set .* start it with'):
        find_shard(None, launcher)


@pytest.mark.parametrize('flag', ['', '3', '1/1', '4/3', '-1/3', '0/0', '1/2/3', 'a/b', '0/2 '])
def test_other_shards_are_refused(flag):
    with pytest.raises(RefusedError, match=r'is not I/N with I from 0 to N-1, such as 0/4'):
        find_shard(flag)


@pytest.mark.parametrize(('rank', 'gpu'), [(None, 0), ('3', 1)])
def test_a_local_rank_has_a_gpu_of_its_own(monkeypatch, rank, gpu):
    chosen = []
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 2, set_device=chosen.append
    )
    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace(cuda=cuda))
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    if rank:
        monkeypatch.setenv('LOCAL_RANK', rank)
    choose_gpu()
    assert chosen == [gpu]


def test_without_torch_there_is_no_gpu_to_choose(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    choose_gpu()


def test_what_a_console_cannot_show_does_not_end_the_run(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding='cp1252', newline='\n')
    monkeypatch.setattr(sys, 'stdout', console)
    assert run_command(lambda: print('2 × 3 \N{CHECK MARK} 港口.png')) == 0
    console.flush()
    assert console.buffer.getvalue().decode('cp1252') == '2 × 3 \\u2713 \\u6e2f\\u53e3.png\n'


def test_how_a_console_shows_odd_names_is_left_as_it_was_set(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding='ascii', errors='replace', newline='\n')
    monkeypatch.setattr(sys, 'stdout', console)
    assert run_command(lambda: print('港口')) == 0
    console.flush()
    assert console.buffer.getvalue() == b'??\n'


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['--data-rot', 'x'], "unknown flag '--data-rot'; did you mean '--data-root'?"),
        (['--overwite'], "unknown flag '--overwite'; did you mean '--overwrite'?"),
        (['--zzz'], "unknown flag '--zzz'; --help lists the flags"),
        (['a', 'b'], "'b' is one argument too many; --help shows what is taken"),
        (['--number', 'x'], "argument --number: 'x' is not a whole number of at least 1"),
    ],
)
def test_a_mistyped_flag_is_one_line(words, says, capsys):
    parser = ToolParser('A tool.')
    parser.add_argument('folder', nargs='?')
    parser.add_argument('--data-root')
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument('--number', type=positive)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.count('\n') == 1
    assert said.endswith(f'error: {says}\n')
