"""The parts of benchmarks/two_iterations.py: its scenes, starting weights, and what it measures."""

import json
import os
import sys
from types import SimpleNamespace

import pytest
import torch
from folders import load_tool
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS

from samrs_mm.core.errors import SamrsError
from samrs_mm.datasets.instances.annotated import AnnotatedInstanceDataset
from samrs_mm.engine.class_match import miscounts

BODY = dict(type='mmseg.ResNetV1c', depth=18, stem_channels=8, base_channels=8, num_stages=1,
            strides=(1,), dilations=(1,), out_indices=(0,))  # fmt: skip


@pytest.fixture(scope='module')
def bench():
    return load_tool('../benchmarks/two_iterations')


def test_sources_have_the_classes_of_heads_and_objects_in_both_lists(bench, tmp_path):
    bench.draw(tmp_path, 5, 160)
    for source, (_, classes) in bench.SOURCES.items():
        folder = tmp_path / 'data/samrs' / source
        found = AnnotatedInstanceDataset(str(folder), semantic=True).metainfo['classes']
        model = ConfigDict(bbox_head=dict(num_classes=len(classes)))
        assert not [*miscounts(model, {None: found}, 'train_dataloader')]
        for part in ('train', 'val'):
            assert len(AnnotatedInstanceDataset(str(folder), ann_file=f'{part}.txt'))


@pytest.mark.parametrize('prefix', [None, 'backbone.'])
def test_a_backbone_begins_with_the_weights_that_were_written(bench, tmp_path, prefix):
    init = dict(type='Pretrained', checkpoint='pretrain/sep/body.pth')
    init |= dict(prefix=prefix) if prefix else {}
    bench.put_weights(Config(dict(model=dict(backbone=dict(BODY, init_cfg=init)))), tmp_path)
    written = tmp_path / init['checkpoint']
    state = {key.removeprefix(prefix or ''): value for key, value in torch.load(written).items()}
    body = MODELS.build(dict(BODY, init_cfg=dict(init, checkpoint=str(written))))
    body.init_weights()
    torch.testing.assert_close(dict(body.state_dict()), state, rtol=0, atol=0)


def test_losses_and_scores_are_those_of_the_log(bench, tmp_path, monkeypatch):
    lines = [dict(loss=2.5, time=1.0, step=1), dict(loss=2.25, time=1.0, step=2)]
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        'model = dict(backbone=dict())\ntrain_dataloader = dict(dataset=dict(datasets=[0, 1]))'
    )

    def measure(command, folder, log):
        assert command[-1] == 'train_dataloader.batch_size=2'
        records = folder / 'work/leaf/1/vis_data'
        records.mkdir(parents=True)
        (records / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        return dict(cpu=3.0, memory=2.0)

    monkeypatch.setattr(bench, 'put_weights', lambda *args: None)
    monkeypatch.setattr(bench, 'load_run_config', lambda path, *rest: Config.fromfile(path))
    monkeypatch.setattr(bench, 'measure', measure)
    with pytest.raises(SamrsError, match=r'are expected; see .*leaf\.txt'):
        bench.run_leaf(leaf, tmp_path)
    found = dict(cpu=3.0, memory=2.0, batch=2, losses=[2.5, 2.25])
    lines.append(dict(time=1.0, data_time=0.5, step=2))
    assert bench.run_leaf(leaf, tmp_path) == dict(found, scores={})
    lines[-1]['dota/mAP'] = 0.25
    assert bench.run_leaf(leaf, tmp_path) == dict(found, scores={'dota/mAP': 0.25})
    assert '| nothing found |' in bench.row('leaf', dict(found, scores={}))


def test_time_and_exit_code_are_those_of_the_one_process(bench, tmp_path):
    work = 'import time\nwhile time.process_time() < 0.5: pass'
    long = bench.measure([sys.executable, '-c', work], tmp_path, tmp_path / 'log.txt')
    short = bench.measure([sys.executable, '-c', ''], tmp_path, tmp_path / 'log.txt')
    assert long['cpu'] > max(0.5, short['cpu'])
    with pytest.raises(SamrsError, match=r'exit code 3; see .*log\.txt'):
        bench.measure([sys.executable, '-c', 'exit(3)'], tmp_path, tmp_path / 'log.txt')


def test_memory_is_its_peak_in_gigabytes(bench, tmp_path, monkeypatch):
    used = SimpleNamespace(ru_utime=2.0, ru_stime=0.5, ru_maxrss=3 << 20)
    real = os.wait4
    monkeypatch.setattr(os, 'wait4', lambda pid, options: (*real(pid, options)[:2], used))
    measured = bench.measure([sys.executable, '-c', ''], tmp_path, tmp_path / 'log.txt')
    assert measured == dict(cpu=2.5, memory=3.0)


def test_who_stops_the_benchmark_stops_the_training(bench, tmp_path, monkeypatch):
    waited = []

    def interrupted(pid, options):
        waited.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'wait4', interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.measure(
            [sys.executable, '-c', 'import time; time.sleep(600)'], tmp_path, tmp_path / 'log.txt'
        )
    with pytest.raises(ProcessLookupError):
        os.kill(waited[0], 0)


def test_a_failed_leaf_is_told_and_run_again_and_the_others_are_kept(
    bench, tmp_path, monkeypatch, capsys
):
    good = dict(batch=1, cpu=70.2, memory=6.04, losses=[3.5, 3.25], scores={'segm_mAP': 0.0})
    ways = {'good': good, 'bad': SamrsError('exit code 1; see bad.txt')}
    calls = []

    def run_leaf(leaf, out):
        calls.append(leaf.stem)
        found = ways[leaf.stem]
        if isinstance(found, SamrsError):
            raise found
        return found

    monkeypatch.setattr(bench, 'draw', lambda *args: None)
    monkeypatch.setattr(bench, 'run_leaf', run_leaf)
    command = [str(tmp_path / f'room/{name}.py') for name in ways] + ['--out', str(tmp_path)]
    assert bench.main(command) == 1
    out, err = capsys.readouterr()
    assert '| `room/good` | 1 | 70 | 6.0 GB | 3.50, 3.25 | 1 score |' in out
    assert 'bad.txt' in out
    assert 'failed: room/bad' in err
    assert bench.main([command[0], *command[2:]]) == 0
    ways['bad'] = good
    assert bench.main(command) == 0
    assert calls == ['good', 'bad', 'bad']
    assert json.loads((tmp_path / 'results-5x512.json').read_text()) == {
        'room/good': good, 'room/bad': good,
    }  # fmt: skip
