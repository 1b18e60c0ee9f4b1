"""A process of its own, whose work is to evaluate what it is sent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import spawn

import pytest
from folders import ROOT

from samrs_mm.core.errors import SamrsError
from samrs_mm.core.own_process import DiedError, OwnProcess


@pytest.fixture(scope='module')
def process():
    made = OwnProcess(eval)
    yield made
    assert not made.ended
    made.close()
    assert made.ended


def test_items_are_done_one_after_the_other(process):
    assert [process(f'{n} * 2') for n in range(3)] == [0, 2, 4]
    assert process('__import__("os").getpid()') != os.getpid()
    assert process('len("x" * 10**7)') == 10**7, 'more than a pipe holds'


def test_signals_are_for_the_process_that_started_it(process):
    for name in ('SIGINT', 'SIGTERM'):
        assert process(f'__import__("signal").raise_signal({int(getattr(signal, name))})') is None
    assert process('__import__("os").getsid(0)') != os.getsid(0), 'Ctrl-C would reach it'


def test_modules_are_looked_for_where_this_process_does(process):
    assert process('__import__("sys").path') == sys.path


def test_writing_needs_no_torch(process):
    """The program that was started, here pytest, isn't imported either."""
    for name in ('samrs_mm.annotate.record_writer', 'samrs_mm.annotate.ablation.scores'):
        process(f'__import__({name!r}) and None')
    heavy = {'torch', 'mmcv', 'mmseg', 'mmdet', 'matplotlib', 'pytest'}
    assert process(f'sorted({heavy!r} & __import__("sys").modules.keys())') == []


def test_one_that_dies_says_how(capfd):
    process = OwnProcess(eval)
    assert process('[print("hello", flush=True), 7][1]') == 7
    with pytest.raises(DiedError, match=r'its process ended with exit code 3$'):
        process('__import__("os")._exit(3)')
    assert process.ended
    assert capfd.readouterr().err == 'hello\n', 'what is printed is no answer'


def test_one_whose_answer_cannot_be_read_is_ended():
    """Its next answer would begin with what is left of this one."""
    process = OwnProcess(eval)
    with pytest.raises(DiedError, match=r'process gave an answer that .* read: ValueError: inval'):
        process('type("Odd", (), dict(__reduce__=lambda _: (int, ("seven",))))()')
    assert process.ended


def test_a_python_that_cannot_be_started_is_named(monkeypatch):
    monkeypatch.setattr(spawn, 'get_executable', lambda: b'/gone/python')
    with pytest.raises(SamrsError, match=r'^/gone/python: could not be started .*: No such file'):
        OwnProcess(eval)


@pytest.mark.parametrize('executable', [None, '', b''])
def test_a_program_that_embeds_python_is_told_what_to_set(monkeypatch, executable):
    monkeypatch.setattr(spawn, 'get_executable', lambda: executable)
    with pytest.raises(SamrsError, match=r'empty, .* embeds it.* multiprocessing\.set_executable'):
        OwnProcess(eval)


def test_a_frozen_program_is_not_started_as_a_python(monkeypatch):
    python = sys.executable
    monkeypatch.setattr(sys, 'frozen', True, raising=False)
    monkeypatch.setattr(sys, 'executable', '/app/host')
    monkeypatch.setattr(spawn, 'get_executable', lambda: b'/app/host')
    with pytest.raises(SamrsError, match=r'program, /app/host, which .*\.set_executable$'):
        OwnProcess(eval)
    monkeypatch.setattr(spawn, 'get_executable', lambda: os.fsencode(python))
    process = OwnProcess(eval)
    assert process('1 + 1') == 2, 'one that was set is taken'
    process.close()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no forks there')
def test_one_is_closed_while_a_fork_of_this_process_lives():
    """Processes that read ahead do, where the loop over what they read ends by an error."""
    process = OwnProcess(eval)
    fork = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,), daemon=True)
    fork.start()
    try:
        closing = threading.Thread(target=process.close, daemon=True)
        closing.start()
        closing.join(60)
        assert process.ended
    finally:
        fork.kill()
        fork.join()


def test_what_import_passes_over_is_no_place_to_look(monkeypatch):
    monkeypatch.setattr(sys, 'path', [*sys.path, ROOT])
    process = OwnProcess(eval)
    assert process('1 + 1') == 2
    process.close()


def test_none_outlives_the_process_that_started_it():
    code = (
        'from samrs_mm.core.own_process import OwnProcess\n'
        'process = OwnProcess(eval)\n'
        'print(process("__import__(\'os\').getpid()"), flush=True)\n'
        'input()\n'
    )
    env = os.environ | dict(PYTHONPATH=str(ROOT))
    parent = subprocess.Popen(
        [sys.executable, '-c', code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.kill()
    parent.communicate()
    for _ in range(300):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail('it is still there')
