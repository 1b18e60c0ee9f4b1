"""The study of benchmarks/mtp_study.py: its order of work, its arms, and what its table says."""

import shutil
from dataclasses import replace

import pytest
import torch
from config_rules import load
from drawn_runs import SEGMENTORS
from folders import load_tool
from mmengine.config import Config
from mmseg.registry import MODELS
from study_tools import Tools

from samrs_mm.compat import is_onedl
from samrs_mm.core.errors import SamrsError
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.engine.class_match import miscounts

CLASSES = {name: sorted({*domain.categories.values()}) for name, domain in DOMAINS.items()}


@pytest.fixture(scope='module')
def study():
    return load_tool('../benchmarks/mtp_study')


def watch(monkeypatch, study, die_after=None):
    """Let tools stand in that train and test nothing; return them."""
    return Tools(
        monkeypatch, study, lambda place, plan: None, '{}.pth'.format,
        lambda name: {'mIoU': 20.0, 'coco/bbox_mAP_50': 0.1}, die_after,
    )  # fmt: skip


def test_arms_differ_in_the_weights_they_start_from_and_in_nothing_else(
    study, monkeypatch, tmp_path
):
    tools = watch(monkeypatch, study)
    study.study(tmp_path, study.Plan(), jobs=1, threads=1)
    trained = {
        words[words.index('--work-dir') + 1]: words
        for name, words in tools.calls
        if name == 'train'
    }
    assert len(trained) == 3 * (2 + 7)
    assert list(trained)[:2] == ['runs/seed0/sep', 'runs/seed0/mtp']
    for task in study.FINETUNED:
        folder = f'runs/seed2/{task}'
        base = {*trained[f'{folder}-scratch']} - {f'{folder}-scratch'}
        for arm in ('sep', 'mtp'):
            more = {*trained[f'{folder}-{arm}']} - {f'{folder}-{arm}'} - base
            path = f'runs/seed2/{arm}/{arm}.pth'
            assert base <= {*trained[f'{folder}-{arm}']}
            assert more == (
                {f'load_from={path}'}
                if task == 'semantic'
                else {
                    'model.backbone.init_cfg.type=Pretrained',
                    f'model.backbone.init_cfg.checkpoint={path}',
                    'model.backbone.init_cfg.prefix=backbone.',
                }
            )
    scored = [words for name, words in tools.calls if name == 'test']
    for words in scored:
        given = trained[words[words.index('--work-dir') + 1]]
        assert given[0] == words[0], 'the network that is scored is the one that was trained'
        own = [word for word in given if word.startswith('model.') and '.init_cfg.' not in word]
        assert own == []
    more = {*trained['runs/seed2/instance-mtp_whole']} - {*trained['runs/seed2/instance-mtp']}
    assert 'model.init_cfg.prefix=detectors.grabcut_instance.' in more


def test_the_same_command_goes_on_where_it_stopped(study, monkeypatch, tmp_path):
    whole = watch(monkeypatch, study)
    study.study(tmp_path / 'straight', study.Plan(), jobs=2, threads=1)
    first = watch(monkeypatch, study, die_after=11)
    with pytest.raises(SamrsError, match='killed'):
        study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    second = watch(monkeypatch, study)
    study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    both = [(name, tuple(words)) for name, words in first.calls + second.calls]
    assert len({*both}) == len(both) == len(whole.calls) == 3 * (2 + 2 * 7)
    texts = [(tmp_path / name / 'table.md').read_text() for name in ('straight', 'stopped')]
    assert texts[0] == texts[1]
    shutil.rmtree(tmp_path / 'stopped/runs/seed1/semantic-sep')
    again = watch(monkeypatch, study)
    study.study(tmp_path / 'stopped', study.Plan(), jobs=1, threads=1)
    assert [words[words.index('--work-dir') + 1] for _, words in again.calls] == [
        'runs/seed1/semantic-sep'
    ] * 2, 'and its pre-training is there'


@pytest.mark.parametrize('quick', [False, True])
def test_how_large_it_is_can_be_told(study, monkeypatch, tmp_path, quick):
    tools = watch(monkeypatch, study)
    given = ['--out', str(tmp_path), '--seeds', '2', '--pretraining', '7', *['--quick'] * quick]
    assert study.main(given) == 0
    trained = [words for name, words in tools.calls if name == 'train']
    assert len(trained) == 2 * (2 + 7)
    assert 'train_cfg.max_iters=7' in trained[0]
    length = (study.QUICK if quick else study.Plan()).iterations
    assert f'train_cfg.max_iters={length}' in trained[2]
    refused = watch(monkeypatch, study)
    assert study.main([*given, '--seeds', '1']) == 2
    assert refused.calls == []


def test_differences_are_taken_seed_by_seed(study):
    plan = replace(study.Plan(), seeds=2)
    added = dict(scratch=0.0, sep=1.0, mtp=2.0, mtp_whole=5.0)
    found = {
        run: {'mIoU': 20 + 10 * run.seed + added[run.arm]}
        if run.task == 'semantic'
        else {'coco/segm_mAP_50': (40 + 10 * run.seed + added[run.arm]) / 100}
        for run in study.all_runs(plan)
    }
    rows = study.table(found, plan).splitlines()[2:6]
    assert rows[0].startswith('| random weights | 25.0 ± 7.1 |  | 0.0 ± 0.0 |  | 45.0 ± 7.1 |')
    assert rows[1].startswith('| SEP | 26.0 ± 7.1 | +1.0 ± 0.0 | 0.0 ± 0.0 | +0.0 ± 0.0 | 46.0')
    assert rows[3].split('|')[2:4] == ['  ', '  '], 'no such run'
    assert '| 50.0 ± 7.1 | +5.0 ± 0.0 |' in rows[3]


def test_the_configs_fit_the_scenes_and_each_other(study):
    cfgs = {
        name: Config.fromfile(study.CONFIGS / f'study_{name}.py', import_custom_modules=False)
        for name in ('sep', 'mtp', 'instances', 'finetune')
    }
    counts = {name: len(names) for name, names in CLASSES.items()}
    for name in ('sep', 'mtp'):
        assert {head.num_classes for head in cfgs[name].model.heads.values()} == {counts['a']}
    both = dict.fromkeys(SEGMENTORS, CLASSES['a'])
    assert not [*miscounts(cfgs['mtp'].model, both, 'train_dataloader')]
    assert not [*miscounts(cfgs['instances'].model, {None: CLASSES['b']}, 'train_dataloader')]
    assert [*cfgs['finetune'].metainfo['classes'][1:]] == CLASSES['b']
    pretrained = cfgs['mtp'].model.detectors.grabcut_instance
    assert tuple(pretrained.levels) == tuple(cfgs['instances'].model.backbone.out_indices)
    assert pretrained.detector.neck == cfgs['instances'].model.neck
    for key in ('in_channels', 'feat_channels', 'norm_cfg', 'stacked_convs'):
        assert pretrained.detector.bbox_head[key] == cfgs['instances'].model.bbox_head[key]
    for key in ('optimizer', 'clip_grad'):
        assert cfgs['mtp'].optim_wrapper[key] == cfgs['sep'].optim_wrapper[key]
    assert cfgs['mtp'].param_scheduler == cfgs['sep'].param_scheduler


@pytest.mark.skipif(not is_onedl(), reason="OpenMMLab's mmrotate can't be imported")
def test_pre_trained_weights_fit_what_is_fine_tuned(study):
    def shapes(config):
        with torch.device('meta'):
            state = MODELS.build(load(study.CONFIGS / config).model).state_dict()
        return {key: tuple(value.shape) for key, value in state.items()}

    sep, mtp = (shapes(config) for config in study.PRETRAINED.values())
    semantic, instances = (shapes(config) for config in study.FINETUNED.values())
    trunk = {key: shape for key, shape in semantic.items() if '.conv_seg.' not in key}
    assert trunk.items() <= sep.items() <= mtp.items()
    prefix = 'detectors.grabcut_instance.'
    taken = {
        key: mtp.get(key if key.startswith('backbone.') else f'{prefix}{key}') for key in instances
    }
    other = {key for key, shape in instances.items() if taken[key] != shape}
    assert {key.rpartition('.')[0] for key in other} == {f'bbox_head.rtm_cls.{k}' for k in range(3)}
