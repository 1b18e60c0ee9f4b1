"""How a training starts: files looked at, what an earlier run left, ranks by scripts."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from folders import ROOT, load_tool
from PIL import Image
from training_runs import record, run_tool, train, write_run


def test_a_broken_label_is_told_in_one_line_by_a_reading_process(tmp_path):
    write_run(tmp_path)
    for path in (tmp_path / 'data/green/gray').iterdir():
        Image.fromarray(np.full((44, 40), 9, np.uint8)).save(path)
    codes, log = run_tool(
        'train', [str(tmp_path / 'tiny.py'), '--cfg-options', 'train_dataloader.num_workers=1',
                  'check_data=off'],
        tmp_path / 'log',
    )  # fmt: skip
    assert codes[0] in (1, 2)
    assert 'error: ' in log.splitlines()[-1]
    assert '.png' in log.splitlines()[-1]
    assert 'Traceback' not in log


def test_the_same_command_again_is_refused_unless_it_says_what_is_meant(tmp_path):
    write_run(tmp_path)
    short = ['--cfg-options', 'train_cfg.max_iters=2', 'default_hooks.checkpoint.interval=1']
    first = train(tmp_path, *short)
    assert 'for a schedule of this length add param_scheduler.0.T_max=2 param_sch' in first
    before = (tmp_path / 'work/iter_2.pth').read_bytes()
    log = train(tmp_path, *short, expect=2)
    assert log.splitlines()[-1].startswith(f'error: work dir {tmp_path}/work: holds iter_2.pth of')
    assert (tmp_path / 'work/iter_2.pth').read_bytes() == before
    log = train(tmp_path, '--restart', *short)
    assert f'What an earlier run left is in {tmp_path}/work/earlier_1 now' in log
    assert (tmp_path / 'work/earlier_1/iter_2.pth').read_bytes() == before
    assert len(record(tmp_path)[0]) == 4
    assert (tmp_path / 'sep/tiny.pth.bak').is_file(), 'the export of the earlier run'


def test_resume_before_there_is_a_checkpoint(tmp_path):
    write_run(tmp_path)
    train(tmp_path, '--resume', '--cfg-options', 'train_cfg.max_iters=1')
    assert [line['iter'] for line in record(tmp_path)[0]] == [0]


@pytest.mark.slow
def test_the_scripts_start_ranks(tmp_path):
    write_run(tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    modules = os.pathsep.join(map(str, (ROOT, ROOT / 'tests/support')))
    env = os.environ | dict(PATH=path, PYTHONPATH=modules, CUDA_VISIBLE_DEVICES='-1')
    options = ['train_cfg.max_iters=2', 'train_dataloader.batch_size=2',
               'train_dataloader.sampler.batch_size=2']  # fmt: skip
    script = str(ROOT / 'tools/dist_train.sh')
    subprocess.run(['bash', script, 'tiny.py', '2', '--cfg-options', *options], cwd=tmp_path,
                   env=env, check=True, capture_output=True)  # fmt: skip
    assert [len(lines) for lines in record(tmp_path, 2)] == [2, 2]
    script = str(ROOT / 'tools/dist_test.sh')
    subprocess.run(['bash', script, 'tiny.py', 'sep/tiny.pth', '2', '--out', 'out'], cwd=tmp_path,
                   env=env, check=True, capture_output=True)  # fmt: skip
    assert 'mIoU' in json.loads((tmp_path / 'out/metrics.json').read_text())


@pytest.mark.slow
def test_all_ranks_of_the_script_stop_and_the_last_line_says_so(tmp_path):
    write_run(tmp_path)
    running, log = start_ranks(tmp_path, ['train_cfg.max_iters=2000'])
    wait_for(tmp_path / 'rank0.jsonl')
    running.send_signal(signal.SIGTERM)
    assert running.wait(900) == 75
    done = len(record(tmp_path, 2)[0])
    assert 0 < done < 2000
    assert (tmp_path / f'work/iter_{done}.pth').is_file()
    last = log.read_text().splitlines()[-1]
    assert last.startswith('ranks 0, 1: stopped by ') or last.startswith('rank '), last
    assert f'after iteration {done}, which is saved in' in last


@pytest.mark.slow
@pytest.mark.parametrize(('options', 'last'), [
    (['model.heads.red.num_classes=4'], 'error: ranks 0, 1: '),
    (['custom_hooks.0.die_at=3'], 'error: rank'),
])  # fmt: skip
def test_what_a_failed_rank_says_is_the_last_line(tmp_path, options, last):
    write_run(tmp_path)
    running, log = start_ranks(tmp_path, ['train_cfg.max_iters=2000', *options])
    assert running.wait(900) in (2, 9)
    lines = log.read_text().splitlines()
    assert lines[-1].startswith(last), lines[-1]
    assert sum(line.startswith('error: ') for line in lines) == 1
    assert 'torch.distributed' not in '\n'.join(lines[-20:])


def start_ranks(root, options):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    modules = os.pathsep.join(map(str, (ROOT, ROOT / 'tests/support')))
    env = os.environ | dict(PATH=path, PYTHONPATH=modules, CUDA_VISIBLE_DEVICES='-1')
    batch = ['train_dataloader.batch_size=2', 'train_dataloader.sampler.batch_size=2']
    command = ['bash', str(ROOT / 'tools/dist_train.sh'), 'tiny.py', '2', '--cfg-options', *batch,
               *options]  # fmt: skip
    log = root / 'ranks.log'
    with open(log, 'w') as file:
        return subprocess.Popen(command, cwd=root, env=env, stdout=file, stderr=file), log


def wait_for(path, seconds=600):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)


def test_files_are_checked_without_training(tmp_path, capsys):
    config = write_run(tmp_path)
    gc.freeze()  # mmengine collects for every dataset, through all that is loaded
    assert load_tool('train').main([config, '--check', '1']) == 0
    said = capsys.readouterr().out
    assert '20 images and labels read in' in said
    assert '0 were read before; 0 with faults' in said
    assert 'source green: train 4 images (4 labels looked at), val 4 images' in said
    (tmp_path / 'data/blue/images/blue03.png').write_bytes(b'')
    Image.fromarray(np.full((44, 40), 9, np.uint8)).save(tmp_path / 'data/red/gray/red01.png')
    assert load_tool('train').main([config, '--check', '1']) == 1
    captured = capsys.readouterr()
    assert '2 images and labels read in' in captured.out
    assert '18 were read before; 2 with faults' in captured.out
    failed = sorted(line for line in captured.err.splitlines() if line.startswith('failed: '))
    assert len(failed) == 2
    assert 'blue03.png' in failed[0]
    assert 'red01.png: value 9 at x=0, y=0; allowed are 0..2' in failed[1]
    assert not (tmp_path / 'work').exists()


def test_rank_0_looks_and_all_ranks_refuse(tmp_path):
    write_run(tmp_path)
    for path in (tmp_path / 'data/green/gray').iterdir():
        label = np.asarray(Image.open(path))
        Image.fromarray(np.where(label == 255, 255, 2).astype(np.uint8)).save(path)
    argv = [str(tmp_path / 'tiny.py'), '--cfg-options', 'train_dataloader.batch_size=2',
            'train_dataloader.sampler.batch_size=2']  # fmt: skip
    codes, log = run_tool('train', argv, tmp_path / 'log', ranks=2)
    assert codes == [2, 2]
    assert 'error: source green: every labelled pixel of the 4 labels is class 2 (green2)' in log
    assert log.splitlines()[-1] == Path(f'{tmp_path}/log.1').read_text().splitlines()[-1]
