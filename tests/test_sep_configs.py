"""Every leaf of configs/sep keeps the rules; the paper's are also in test_paper_configs.py."""

from itertools import pairwise

import pytest
import yaml
from config_rules import check_sep_leaf, leaves, load
from folders import ROOT
from mmengine.optim import build_optim_wrapper
from mmseg.registry import DATA_SAMPLERS, HOOKS, LOOPS, MODELS, TRANSFORMS

FOLDER = ROOT / 'configs/sep'
LEAVES = leaves(FOLDER)


def build(leaf):
    """Build without pretrained weights."""
    model = load(FOLDER / f'{leaf}.py').model
    return MODELS.build(model | dict(backbone=model.backbone | dict(init_cfg=None)))


@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_a_leaf_keeps_the_rules(leaf, tmp_path):
    check_sep_leaf(leaf, tmp_path)


def test_what_is_named_is_registered():
    """By the imports of the config; nothing else in this file imports those modules."""
    cfg = load(FOLDER / 'upernet_resnet50.py')
    assert LOOPS.get(cfg.train_cfg.type)
    assert all(HOOKS.get(hook.type) for hook in [*cfg.custom_hooks, *cfg.default_hooks.values()])
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert DATA_SAMPLERS.get(loader.sampler.type)
        for dataset in loader.dataset.datasets:
            assert all(TRANSFORMS.get(step.type) for step in dataset.pipeline)


def test_hooks_come_with_the_runtime_alone(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{ROOT / 'configs/_base_/default_runtime.py'}'\n")
    hooks = load(path).default_hooks
    assert hooks.plain_checkpoint.type == 'PlainCheckpointHook'
    assert (hooks.checkpoint.by_epoch, hooks.logger.interval) == (False, 50)


def test_hooks_of_a_user_add_to_ours(tmp_path):
    base = FOLDER / 'upernet_resnet50.py'
    path = tmp_path / 'ema.py'
    path.write_text(f"_base_ = '{base}'\ncustom_hooks = [dict(type='EMAHook', momentum=0.2)]\n")
    cfg = load(path)
    assert [hook.type for hook in cfg.custom_hooks] == ['EMAHook']
    assert {hook.type for hook in cfg.default_hooks.values()} >= {
        'SourceClassCheckHook', 'PlainCheckpointHook', 'PredictionPictureHook',
        'ExportWeightsHook', 'CheckpointHook',
    }  # fmt: skip
    cfg.merge_from_dict({'default_hooks.export.path': 'x.pth'})
    assert cfg.default_hooks.export == dict(type='ExportWeightsHook', path='x.pth')


def test_decoder_begins_as_the_authors_did():
    head = build('unet_resnet50').decode_head
    head.init_weights()
    for block in head.blocks:
        for conv in (block.conv1[0], block.conv2[0]):
            bound = (6 / conv.weight[0].numel()) ** 0.5
            assert 0.99 * bound < conv.weight.abs().max() <= bound * (1 + 1e-6)


def test_swin_spares_from_decay_what_the_authors_spare():
    cfg = load(FOLDER / 'upernet_swin.py')
    wrapper = build_optim_wrapper(build('upernet_swin'), cfg.optim_wrapper)
    spared = [
        weight
        for group in wrapper.optimizer.param_groups
        for weight in group['params']
        if group['weight_decay'] == 0
    ]
    assert (len(spared), sum(weight.numel() for weight in spared)) == (76, 49_434)


def test_base_names_are_unique():
    """MIM finds a config by its base name."""
    names = sorted(
        path.name for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts
    )
    assert not [one for one, other in pairwise(names) if one == other]


def test_the_index_imports_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    files = {str(path.relative_to(ROOT)) for path in (ROOT / 'configs').glob('*/metafile.yml')}
    assert set(index) == files


@pytest.mark.parametrize('metafile', sorted((ROOT / 'configs').glob('*/metafile.yml')),
                         ids=lambda path: path.parent.name)  # fmt: skip
def test_metafiles_name_configs_that_are_there(metafile):
    meta = yaml.safe_load(metafile.read_text())
    [collection] = meta['Collections']
    for model in meta['Models']:
        assert (ROOT / model['Config']).is_file()
        assert model['In Collection'] == collection['Name']
