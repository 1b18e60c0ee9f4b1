"""A folder is gone on with on the threads that it was started with."""

import json

import pytest
import torch
from folders import CONFIG, load_tool, tree, write_dota

from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.config_files import load_config
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor

ARCH = dict(embed_dim=24, depth=2, num_heads=3, global_attn_indexes=[1], img_size=64, seed=0)


@pytest.fixture(autouse=True)
def restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cores(monkeypatch):
    return lambda number: monkeypatch.setenv('OMP_NUM_THREADS', str(number))


@pytest.fixture
def small_sam(tmp_path):
    """A config of a small random SAM that leaves the threads to the machine."""
    model = dict(type='SAMSegmentor', arch=ARCH, device='cpu', _delete_=True)
    path = tmp_path / 'small_sam.py'
    path.write_text(f"_base_ = [{CONFIG!r}]\nmodel = {model}\nprompt = 'hbox'\n")
    return str(path)


@pytest.fixture
def annotate(tmp_path, small_sam):
    data = write_dota(tmp_path / 'data', scenes=3)
    tool = load_tool('sam_annotate')

    def run(out: str, *flags: str) -> int:
        argv = [small_sam, '--data-root', str(data), '--out', str(tmp_path / out)]
        return tool.main([*argv, '--workers', '0', *flags])

    return run


def threads_of(out) -> int:
    return json.loads((out / 'meta.json').read_bytes())['settings']['model']['threads']


def test_a_run_on_another_machine_keeps_the_number_of_the_first(annotate, cores, tmp_path, capsys):
    cores(1)
    assert annotate('whole') == 0
    assert annotate('moved', '--limit', '1') == 0
    assert 'threads' not in capsys.readouterr().out
    cores(3)
    assert annotate('moved') == 0
    assert torch.get_num_threads() == 1
    told = capsys.readouterr().out
    assert 'was started with 1 thread, this process could use 3: cores stay idle' in told
    assert tree(tmp_path / 'moved') == tree(tmp_path / 'whole')
    assert annotate('moved', '--verify') == 0


def test_starting_over_takes_what_fits(annotate, cores, tmp_path, capsys):
    cores(3)
    assert annotate('out', '--limit', '1') == 0
    cores(2)
    assert annotate('out', '--limit', '1') == 0
    assert threads_of(tmp_path / 'out') == 3
    assert "could use 2: they get in each other's way" in capsys.readouterr().out
    assert annotate('out', '--restart') == 0
    assert threads_of(tmp_path / 'out') == torch.get_num_threads() == 2


def test_a_number_that_is_given_is_not_changed_silently(annotate, cores, tmp_path, capsys):
    cores(1)
    assert annotate('out', '--limit', '1') == 0
    capsys.readouterr()
    assert annotate('out', '--cfg-options', 'model.threads=2') == 2
    assert 'model.threads: 1 -> 2' in capsys.readouterr().err


def test_a_folder_that_another_machine_starts_meanwhile(small_sam, annotate, cores, tmp_path):
    cores(2)
    flags = dict(data_root=str(tmp_path / 'data'), out=str(tmp_path / 'out'))
    late = AnnotationJob(load_config(small_sam, None, flags), 'small_sam.py')
    assert late.keep_threads() is None
    late.segmentor.load()
    late.collect_classes()
    assert late.settings()['model']['threads'] == torch.get_num_threads() == 2
    cores(1)
    assert annotate('out', '--limit', '1') == 0
    late.open(late.plan.shard(0, 1))
    assert late.settings()['model']['threads'] == torch.get_num_threads() == 1


def test_an_ablation_keeps_them_too(small_sam, cores, tmp_path, capsys):
    demo = load_tool('dataset_converters/make_demo_data')
    assert demo.main([str(tmp_path / 'scenes'), '--scenes', '2', '--size', '128']) == 0
    config = tmp_path / 'coco.py'
    model = dict(type='SAMSegmentor', arch=ARCH, device='cpu', _delete_=True)
    base = CONFIG.replace('dota_grabcut_rbox', 'coco_grabcut_hbox')
    config.write_text(f'_base_ = [{base!r}]\nmodel = {model}\n')
    argv = [str(config), '--data-root', str(tmp_path / 'scenes'), '--workers', '0']
    tool = load_tool('prompt_ablation')
    cores(1)
    assert tool.main([*argv, '--out', str(tmp_path / 'whole')]) == 0
    assert tool.main([*argv, '--out', str(tmp_path / 'moved'), '--limit', '1']) == 0
    cores(2)
    assert tool.main([*argv, '--out', str(tmp_path / 'moved')]) == 0
    assert torch.get_num_threads() == 1
    assert 'was started with 1 thread, this process could use 2' in capsys.readouterr().out
    assert tree(tmp_path / 'moved/runs') == tree(tmp_path / 'whole/runs')


def test_threads_that_change_no_mask_are_no_setting(cores):
    cores(3)
    segmentor = GrabCutSegmentor()
    assert segmentor.threads == 3
    assert 'threads' not in segmentor.settings
