"""`make env` says in one line why it cannot work, before it fills the disk."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def make_env(tmp_path):
    checkout, stubs = tmp_path / 'checkout', tmp_path / 'bin'
    shutil.copytree(ROOT / 'requirements', checkout / 'requirements')
    for name in ('constraints.txt', 'setup.py', 'pyproject.toml'):
        shutil.copy2(ROOT / name, checkout)
    stubs.mkdir()

    def run(programs: dict[str, str] | None = None, **variables: str):
        for name, script in (programs or {}).items():
            (stubs / name).write_text(f'#!/bin/sh\n{script}\n')
            (stubs / name).chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if name[:4] != 'PIP_'}
        env = {**inherited, 'PYTHON': sys.executable, **variables}
        env['PATH'] = f'{stubs}:{os.environ["PATH"]}'
        script = checkout / 'requirements' / 'make_env.sh'
        result = subprocess.run(['bash', script], env=env, capture_output=True, text=True)
        result.venv = checkout / '.venv'
        return result

    return run


LITTLE_DISK = 'echo Filesystem; echo disk 9 9 5242880 1% /'
REFUSALS = {
    'Python named': ({}, {'PYTHON': '/bin/false'}, 'needs Python 3.11, found /bin/false'),
    'no Python': (
        {'python3.11': 'exit 127', 'python3': 'echo Python 3.13.1; exit 1'},
        {'PYTHON': ''},
        'needs Python 3.11, found Python 3.13.1',
    ),
    'disk': ({'df': LITTLE_DISK}, {}, 'needs 8 GB of free disk'),
    'compiler': ({}, {'CXX': 'no-such-c++'}, 'needs a C++ compiler for mmcv, found no no-such-c++'),
}


@pytest.mark.parametrize('case', REFUSALS)
def test_it_refuses_before_it_begins(make_env, case):
    programs, variables, line = REFUSALS[case]
    result = make_env(programs, **variables)
    assert result.returncode == 1
    assert result.stderr.startswith(f'make env: {line}')
    assert result.stderr.count('\n') == 1
    assert not result.venv.exists()


def test_no_registry(make_env):
    nowhere = {'PIP_CONFIG_FILE': os.devnull, 'PIP_INDEX_URL': 'http://127.0.0.1:9/simple'}
    result = make_env(**nowhere)
    assert result.returncode == 1
    assert 'make env: no package registry answers' in result.stderr.splitlines()[-1]
    assert not (result.venv / 'stamp').exists()


def test_a_foreign_environment_is_left_alone(make_env):
    venv = make_env(PYTHON='/bin/false').venv
    venv.mkdir()
    (venv / 'mine').write_text('')
    result = make_env()
    assert result.returncode == 1
    assert 'was not made by make env' in result.stderr
    assert (venv / 'mine').exists()
