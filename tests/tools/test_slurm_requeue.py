"""The script for Slurm, with programs in place of Slurm's that note how they were called."""

import os
import subprocess

import pytest
from folders import ROOT

SCRIPT = ROOT / 'tools/slurm_requeue.sh'


def run(folder, code, state='RUNNING'):
    for name, body in (('srun', f'exit {code}'), ('squeue', f'echo {state}'), ('scontrol', '')):
        path = folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/calls\n{body}\n')
        path.chmod(0o755)
    env = os.environ | dict(PATH=f'{folder}:{os.environ["PATH"]}', SLURM_JOB_ID='42', TOOLS='t')
    done = subprocess.run(
        ['bash', SCRIPT, 'CONFIG', '--amp'], env=env, cwd=folder, capture_output=True, text=True
    )
    return done.returncode, (folder / 'calls').read_text().splitlines()


@pytest.mark.parametrize(
    ('code', 'state', 'queued', 'expect'),
    [(75, 'RUNNING', True, 0), (75, 'CANCELLED', False, 75), (1, 'RUNNING', False, 1),
     (0, 'RUNNING', False, 0)],
)  # fmt: skip
def test_what_was_stopped_is_queued_again(tmp_path, code, state, queued, expect):
    done, calls = run(tmp_path, code, state)
    assert done == expect
    assert calls[0] == (
        'srun --kill-on-bad-exit=1 python -u t/train.py CONFIG --launcher slurm --resume --amp'
    )
    assert ('scontrol requeue 42' in calls) == queued


def test_ranks_are_told_ten_minutes_before_and_logs_go_on():
    flags = [line for line in SCRIPT.read_text().splitlines() if line.startswith('#SBATCH')]
    assert flags == ['#SBATCH --requeue', '#SBATCH --open-mode=append', '#SBATCH --signal=USR1@600']
