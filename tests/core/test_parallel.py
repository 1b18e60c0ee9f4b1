import os
import subprocess
import sys

import pytest
from folders import ROOT

from samrs_mm.core.parallel import (
    compute_threads,
    fit_torch_threads,
    ordered_map,
    reading_processes,
    unordered_map,
    usable_cores,
)

LAUNCHER = (
    'OMP_NUM_THREADS', 'LOCAL_WORLD_SIZE', 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_CPUS_PER_TASK',
    'SLURM_CPUS_ON_NODE', 'SLURM_STEP_TASKS_PER_NODE', 'SLURM_TASKS_PER_NODE', 'SLURM_NODEID',
    'SLURM_NTASKS_PER_NODE',
)  # fmt: skip


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Make this process one of so many cores, in cgroups of these files and an environment."""
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)

    def build(cores: int, files: dict[str, str] | None = None, **environment: object):
        monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(cores)), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return build


OWN, V2, V1 = 'proc/self/cgroup', 'sys/fs/cgroup', 'sys/fs/cgroup/cpu,cpuacct'


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        ({}, 64),
        ({OWN: '0::/\n', f'{V2}/cpu.max': '250000 100000\n'}, 2),
        ({OWN: '0::/\n', f'{V2}/cpu.max': 'max 100000\n'}, 64),
        ({OWN: '0::/\n', f'{V2}/cpu.max': '50000 100000\n'}, 1),
        ({OWN: '0::/job/step\n', f'{V2}/job/step/cpu.max': 'max 100000\n',
          f'{V2}/job/cpu.max': '800000 100000\n'}, 8),
        ({OWN: '0::/job\n', f'{V2}/job/cpu.max': '6400000 100000\n',
          f'{V2}/cpu.max': '300000 100000\n'}, 3),
        # a container that sees its own cgroup at the mount, but the host's name of it
        ({OWN: '4:memory:/m\n3:cpu,cpuacct:/docker/abc\n0::/\n',
          f'{V1}/cpu.cfs_quota_us': '400000\n', f'{V1}/cpu.cfs_period_us': '100000\n'}, 4),
        ({OWN: '1:cpu:/a\n', f'{V2}/cpu/a/cpu.cfs_quota_us': '-1\n',
          f'{V2}/cpu/a/cpu.cfs_period_us': '100000\n'}, 64),
        ({OWN: '0::/../../x\n', f'{V2}/cpu.max': '200000 100000\n'}, 2),
        ({OWN: '0::/\n', f'{V2}/cpu.max': 'damaged'}, 64),
        ({OWN: '0::/\n', f'{V2}/cpu.max': '100000 0\n'}, 64),
        ({OWN: 'damaged'}, 64),
    ],
)  # fmt: skip
def test_cores_are_those_that_cgroups_allow(machine, files, expected):
    assert usable_cores(machine(64, files)) == expected


@pytest.mark.parametrize(
    ('cores', 'environment', 'expected'),
    [
        (64, dict(LOCAL_WORLD_SIZE=8), 8),
        (2, dict(LOCAL_WORLD_SIZE=8), 1),
        (64, dict(LOCAL_WORLD_SIZE=4, SLURM_CPUS_PER_TASK=32, SLURM_PROCID=0, SLURM_NTASKS=2), 8),
        (64, dict(SLURM_PROCID=1, SLURM_NTASKS=8, SLURM_CPUS_PER_TASK=4), 4),
        # Slurm bound the task to cores of its own
        (16, dict(SLURM_PROCID=1, SLURM_NTASKS=4, SLURM_CPUS_ON_NODE=64,
                  SLURM_STEP_TASKS_PER_NODE='4'), 16),
        (64, dict(SLURM_PROCID=1, SLURM_NTASKS=8, SLURM_CPUS_ON_NODE=64,
                  SLURM_NTASKS_PER_NODE=4), 16),
        (64, dict(SLURM_PROCID=9, SLURM_NTASKS=10, SLURM_NODEID=2, SLURM_NTASKS_PER_NODE=4,
                  SLURM_STEP_TASKS_PER_NODE='4(x2),2'), 32),
        (64, dict(SLURM_NTASKS=8), 64),  # no task of Slurm's: a shell of salloc
    ],
)  # fmt: skip
def test_processes_of_one_launcher_share_the_cores(machine, tmp_path, cores, environment, expected):
    assert usable_cores(machine(cores, **environment)) == expected


def test_where_the_system_binds_no_process_all_cores_count(machine, monkeypatch):
    root = machine(64)
    monkeypatch.delattr(os, 'sched_getaffinity')
    monkeypatch.setattr(os, 'cpu_count', lambda: 12)
    assert usable_cores(root) == 12
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert usable_cores(root) == 1


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({}, None),
        (dict(OMP_NUM_THREADS='3'), 3),
        (dict(OMP_NUM_THREADS='2,1'), 2),
        (dict(OMP_NUM_THREADS='many'), None),
        (dict(OMP_NUM_THREADS='0'), None),
        (dict(OMP_NUM_THREADS='1'), 1),
        # what torchrun sets for its own processes is nobody's wish
        (dict(OMP_NUM_THREADS='1', LOCAL_WORLD_SIZE='2'), None),
        (dict(OMP_NUM_THREADS='5', LOCAL_WORLD_SIZE='2'), 5),
    ],
)
def test_threads_that_compute_are_those_told_or_the_cores(machine, environment, expected):
    machine(6, **environment)
    assert compute_threads() == (expected or usable_cores())


def test_torch_gives_up_threads_that_do_not_fit(machine):
    torch = pytest.importorskip('torch')
    before = torch.get_num_threads()
    try:
        for had, told, kept in ((5, 2, 2), (1, 2, 1)):
            torch.set_num_threads(had)
            machine(4, OMP_NUM_THREADS=told)
            fit_torch_threads()
            assert torch.get_num_threads() == kept
    finally:
        torch.set_num_threads(before)


def test_a_few_processes_read_ahead(machine):
    machine(1)
    assert reading_processes() == 1
    machine(64)
    assert reading_processes() == min(4, usable_cores())
    assert reading_processes(8) == min(8, usable_cores())


def test_in_this_process():
    stream = ordered_map(str, range(3), 0)
    assert next(stream) == '0'
    assert list(stream) == ['1', '2']
    assert list(unordered_map(str, range(3), 0)) == ['0', '1', '2']


CODE = """
import os, time
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.parallel import ordered_map

def work(item):
    if item == DIES:
        os._exit(1)
    time.sleep(0.002 * (item % 3))
    return item, os.getpid()

try:
    done = list(ordered_map(work, range(300), 3))
    print([item for item, _ in done] == list(range(300)), os.getpid() in {pid for _, pid in done})
except SamrsError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ('dies', 'says'),
    [('None', 'True False'), ('200', 'a working process died, perhaps out of memory')],
)
def test_results_come_in_order_and_a_death_is_told(dies, says):
    done = subprocess.run(
        [sys.executable, '-c', CODE.replace('DIES', dies)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith(says), done.stderr


def test_results_come_as_they_are_done():
    code = (
        CODE.replace('ordered_map', 'unordered_map').replace('DIES', 'None').replace('0.002', '0.1')
    )
    code = code.replace('range(300)', 'range(6)').replace('print([', 'print(sorted([')
    code = code.replace('for item, _ in done] ==', 'for item, _ in done]) ==')
    code += '\nprint([item for item, _ in done] == list(range(6)))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ['True', 'False', 'False'], done.stderr


def test_a_reader_that_stops_ends_the_processes():
    code = CODE.replace('DIES', 'None').replace(
        'done = list(ordered_map(work, range(300), 3))',
        'stream = ordered_map(work, range(10**5), 3); done = [next(stream)]; stream.close()',
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith('False False'), done.stderr
