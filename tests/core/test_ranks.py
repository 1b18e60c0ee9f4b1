import json
import os
import signal
import subprocess
import sys
import time

import pytest
from folders import ROOT

from samrs_mm.core.ranks import Place, leave_message, lost_another, run_ranks

RANK = """
import json, os, sys, time
rank = int(os.environ['RANK'])
def leave_message(line, echo=False):
    with open(os.path.join(os.environ['SAMRS_MM_RANK_MESSAGES'], f'{rank}.json'), 'w') as file:
        json.dump([line, echo], file)
"""


def run(code, ranks=3, grace=0.3, **place):
    return run_ranks([sys.executable, '-c', RANK + code], Place(ranks, **place), grace)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))


def test_each_rank_knows_its_place(capfd):
    names = 'RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT'
    code = f'print(*(os.environ[name] for name in {names!r}.split()))'
    assert run(code, 2, nodes=2, node=1, address='host', port=7) == 0
    said = capfd.readouterr()
    assert sorted(said.out.splitlines()) == ['2 0 4 2 host 7', '3 1 4 2 host 7']
    assert not said.err


def test_a_port_is_found():
    ports = {environment['MASTER_PORT'] for environment in Place(2).environments()}
    assert len(ports) == 1
    assert int(ports.pop()) > 1023


@pytest.mark.parametrize(
    ('code', 'expect', 'said'),
    [
        # all of them refuse: once
        ("leave_message('error: no'); sys.exit(2)", 2, 'error: ranks 0, 1, 2: no\n'),
        # one fails, the others only miss it
        ("leave_message(f'error: {rank}', rank != 1); time.sleep(rank == 1 and 0.1); "
         "sys.exit(1 + rank)", 2, 'error: rank 1: 1\n'),
        # one fails, the others wait for ever
        ("rank or sys.exit(3); time.sleep(60)", 3,
         'error: rank 0: ended with exit code 3, for a reason that stands above\n'),
        ("os.kill(os.getpid(), 9) if rank == 2 else time.sleep(0.1)", 137,
         'error: rank 2: ended by SIGKILL; memory may have run out\n'),
        ("leave_message('stopped by SIGTERM'); sys.exit(75)", 75,
         'ranks 0, 1, 2: stopped by SIGTERM\n'),
    ],
)  # fmt: skip
def test_what_failed_ranks_say_is_last_and_once(capfd, code, expect, said):
    # where all end by themselves: as long as a busy machine takes to start them
    assert run(code, grace=0.3 if 'sleep(60)' in code else 60) == expect
    assert capfd.readouterr().err == said


def test_one_that_does_not_listen_is_killed(capfd):
    code = 'import signal; signal.signal(15, signal.SIG_IGN); rank or sys.exit(4); time.sleep(60)'
    begun = time.monotonic()
    assert run(code, 2) == 4
    assert time.monotonic() - begun < 20
    assert 'rank 1' not in capfd.readouterr().err, 'it is not to blame'


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
def test_signals_go_to_all_ranks(tmp_path, name):
    """Each notes it, and takes longer to end than the grace."""
    rank = (
        'import signal\n'
        f'def end(number, frame):\n'
        f'    time.sleep(0.6)\n    open(f"{tmp_path}/told{{rank}}", "w"); sys.exit(75)\n'
        f'signal.signal(signal.{name}, end); open(f"{tmp_path}/up{{rank}}", "w"); time.sleep(60)'
    )
    code = (
        'import sys\nfrom samrs_mm.core.ranks import Place, run_ranks\n'
        f'sys.exit(run_ranks([sys.executable, "-c", {RANK + rank!r}], Place(2), 0.3))'
    )
    launcher = subprocess.Popen([sys.executable, '-c', code], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(list(tmp_path.glob('up*'))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    launcher.send_signal(getattr(signal, name))
    assert launcher.wait(60) == 75
    assert len(list(tmp_path.glob('told*'))) == 2


def test_a_signal_while_ranks_are_started_leaves_none_behind(monkeypatch, capfd):
    started, start = [], subprocess.Popen

    def told(number, frame):
        raise AssertionError('not passed on')

    def signalled(*args, **kwargs):
        if started:
            os.kill(os.getpid(), signal.SIGTERM)
        started.append(start(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, 'Popen', signalled)
    before = signal.signal(signal.SIGTERM, told)
    try:
        assert run('time.sleep(60)', 2) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
        alive = [rank for rank in started if rank.poll() is None]
        for rank in alive:
            rank.kill()
    assert (len(started), alive) == (2, [])


def test_what_a_rank_leaves(tmp_path, monkeypatch):
    monkeypatch.setenv('SAMRS_MM_RANK_MESSAGES', str(tmp_path))
    monkeypatch.setenv('RANK', '3')
    assert leave_message('error: no', echo=True)
    assert json.loads((tmp_path / '3.json').read_bytes()) == ['error: no', True]


def test_without_a_launcher_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.delenv('SAMRS_MM_RANK_MESSAGES', raising=False)
    assert not leave_message('error: no')
    monkeypatch.setenv('SAMRS_MM_RANK_MESSAGES', str(tmp_path / 'gone'))
    monkeypatch.setenv('RANK', '0')
    assert not leave_message('error: no'), 'it has to be printed, then'


@pytest.mark.parametrize(
    ('text', 'lost'),
    [
        ('[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:42', True),
        ('Read error [127.0.0.1]:5: Connection reset by peer', True),
        ('NCCL error: remote process exited or there was a network error', True),
        ('The size of tensor a (3) must match the size of tensor b (4)', False),
        ('CUDA out of memory', False),
    ],
)
def test_errors_of_a_lost_rank(monkeypatch, text, lost):
    monkeypatch.delenv('SLURM_NTASKS', raising=False)
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert lost_another(RuntimeError(text)) == lost
    monkeypatch.delenv('WORLD_SIZE')
    assert not lost_another(RuntimeError(text))


def test_threads_are_one_a_rank_unless_said(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert {each['OMP_NUM_THREADS'] for each in Place(2).environments()} == {'1'}
    assert 'OMP_NUM_THREADS' not in next(Place(1).environments())
    monkeypatch.setenv('OMP_NUM_THREADS', '4')
    assert next(Place(2).environments())['OMP_NUM_THREADS'] == '4'
    assert os.environ['OMP_NUM_THREADS'] == '4'
