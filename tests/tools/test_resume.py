"""A run killed at any moment resumes, and ends byte-identical to an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from folders import CONFIG, ROOT, run_apart, tree, write_dota

BOX_FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')


@pytest.fixture
def small_sam(tmp_path):
    """A config of a small random SAM, with the thread count that it fixes."""
    arch = dict(embed_dim=24, depth=2, num_heads=3, global_attn_indexes=[1], img_size=256, seed=0)
    model = dict(type='SAMSegmentor', arch=arch, threads=1, _delete_=True)
    path = tmp_path / 'small_sam.py'
    path.write_text(f"_base_ = [{CONFIG!r}]\nmodel = {model}\nprompt = 'rhbox'\n")
    return str(path)


@pytest.mark.parametrize(
    ('call', 'kind'), [('fsync', 'fill'), ('replace', 'fill'), ('replace', 'SAM')]
)
def test_killed_at_every_write(dota, tmp_path, annotate, small_sam, call, kind):
    config, flags = (small_sam, ()) if kind == 'SAM' else (CONFIG, BOX_FILL)
    assert annotate(*flags, config=config, out='whole') == 0
    whole = tree(tmp_path / 'whole')
    out = tmp_path / 'killed'
    argv = [config, '--data-root', str(dota), '--out', str(out), '--workers', '0', *flags]
    kills = 0
    for nth in (1, 2, 3, 2, 3, 4, 2, 1, 2, 3):
        code = run_apart(argv, ('kill', call, nth))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 5
    assert run_apart(argv) == 0
    assert tree(out) == whole


@pytest.mark.parametrize('workers', ['1', '4'])
def test_workers_change_no_byte(annotate, dota, tmp_path, workers):
    assert annotate(out='whole') == 0
    out = tmp_path / 'out'
    argv = [CONFIG, '--data-root', str(dota), '--out', str(out), '--workers', workers]
    assert run_apart(argv) == 0
    assert tree(out) == tree(tmp_path / 'whole')


def test_two_shards_at_once(annotate, dota, tmp_path):
    assert annotate(out='whole') == 0
    out = tmp_path / 'out'
    command = [sys.executable, str(ROOT / 'tools/sam_annotate.py'), CONFIG, '--data-root',
               str(dota), '--out', str(out), '--workers', '0']  # fmt: skip
    shards = [
        subprocess.Popen(
            [*command, '--shard', f'{i}/2'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for i in range(2)
    ]
    outputs = [shard.communicate()[0].decode() for shard in shards]
    assert [shard.returncode for shard in shards] == [0, 0], outputs
    assert tree(out) == tree(tmp_path / 'whole')


@pytest.mark.parametrize('limit', [1, 3])
def test_limit_in_two_parts(annotate, tmp_path, limit):
    assert annotate(out='whole') == 0
    assert annotate('--limit', limit) == 0
    assert len(list((tmp_path / 'out/instances').iterdir())) == limit
    assert b'"partial":true' in (tmp_path / 'out/meta.json').read_bytes()
    assert annotate() == 0
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


@pytest.mark.slow
@pytest.mark.parametrize(('tiled', 'shards'), [(False, 1), (True, 1), (False, 2)])
def test_killed_twenty_times_at_random(tmp_path, tiled, shards):
    data = write_dota(tmp_path / 'dota', scenes=150, size=(256, 256))
    base = [sys.executable, str(ROOT / 'tools/sam_annotate.py'), CONFIG, '--data-root', str(data)]
    config = tmp_path / 'tiled.py'
    if tiled:
        config.write_text(
            f"_base_ = ['{CONFIG}']\ntile = dict(_delete_=True, size=128, overlap=32, iof=0.5)\n"
        )
        base[2] = str(config)
    whole, out = tmp_path / 'whole', tmp_path / 'out'
    subprocess.run([*base, '--out', str(whole)], check=True)
    rng = random.Random(0)
    for kill in range(20):
        running = _start(base, out, shards, workers=('0', '1', '4')[kill % 3])
        _wait_for_work(running[0], out)
        time.sleep(rng.uniform(0, 0.15))
        assert any(shard.poll() is None for shard in running), 'ended before it could be killed'
        for shard in running:
            if shard.poll() is None:
                os.killpg(shard.pid, signal.SIGKILL)
            shard.wait()
    assert [shard.wait() for shard in _start(base, out, shards, workers='1')] == [0] * shards
    assert tree(out) == tree(whole)
    subprocess.run([*base, '--out', str(out), '--verify'], check=True)


def _start(base: list[str], out, shards: int, workers: str) -> list[subprocess.Popen]:
    """Start all shards of a run at once."""
    return [
        subprocess.Popen(
            [*base, '--out', str(out), '--workers', workers, '--shard', f'{shard}/{shards}'],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for shard in range(shards)
    ]


def _wait_for_work(process: subprocess.Popen, out) -> None:
    started = time.time_ns()
    while process.poll() is None:
        folder = out / 'semantic'
        if folder.exists() and folder.stat().st_mtime_ns > started:
            return
        time.sleep(0.01)
