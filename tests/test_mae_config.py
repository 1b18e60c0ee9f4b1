"""Pre-training by masked autoencoder: the recipe, and a run of it from clips to weights."""

import re
import shlex
import sys

import numpy as np
import pytest
import torch
import yaml
from folders import ROOT, load_tool
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from training_runs import run_tool

CONFIG = ROOT / 'configs/mae/mae_vit_samrs.py'
README = (ROOT / 'configs/mae/README.md').read_text(encoding='utf-8')
COMMANDS = re.findall(r'^(?:python|bash) (tools/\S+) (.*)$', README, re.M)


@pytest.fixture(scope='module')
def cfg():
    return Config.fromfile(CONFIG)


@pytest.fixture
def mmpretrain():
    """Their registries, under the config's scope."""
    pytest.importorskip('mmpretrain')
    from mmpretrain import registry

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield registry


def write_images(folder, count=3, side=100):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f'P{number}.png')


def test_the_recipe(cfg):
    assert cfg.model.head.norm_pix is True
    assert cfg.model.backbone.mask_ratio == 0.75
    size = cfg.model.backbone.img_size
    assert size == cfg.train_pipeline[1].scale == 224
    assert cfg.model.neck.num_patches == (size // 16) ** 2
    assert cfg.train_cfg.max_epochs == 1600
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end, cosine.begin, cosine.end) == (0, 40, 40, 1600)
    assert cosine.T_max == 1560
    assert cfg.auto_scale_lr.base_batch_size == 8 * cfg.train_dataloader.batch_size
    assert cfg.optim_wrapper.optimizer.lr == 1.5e-4 * cfg.auto_scale_lr.base_batch_size / 256


def test_its_weights_are_found_by_the_next_step(cfg):
    """The commands of the README hand files on under the names that configs have."""
    followed = [shlex.split(words) for tool, words in COMMANDS if 'convert_checkpoint' in tool]
    ((checkpoint, converted),) = followed
    assert checkpoint == f'work_dirs/{CONFIG.stem}/epoch_{cfg.train_cfg.max_epochs}.pth'
    sep = next(words.split()[0] for _, words in COMMANDS if words.startswith('configs/sep/'))
    assert Config.fromfile(ROOT / sep).model.backbone.init_cfg.checkpoint == converted
    cuts = [shlex.split(words) for _, words in COMMANDS if '--images' in words]
    tiles = [load_tool('dataset_converters/prepare_tiles').parse_args(words) for words in cuts]
    assert len(tiles) == 3
    for args in tiles:
        assert (args.size, args.overlap) == (384, 84)
        assert args.out.startswith(cfg.train_dataloader.dataset.data_root)


def test_commands_of_the_readme_are_tools_and_configs():
    for tool, words in COMMANDS:
        assert (ROOT / tool).is_file()
        for word in shlex.split(words, comments=True):
            assert not word.startswith('configs/') or (ROOT / word).is_file()


def test_the_count_of_the_readme(capsys):
    (words,) = [words for _, words in COMMANDS if '--count' in words]
    assert load_tool('dataset_converters/prepare_tiles').main(shlex.split(words)) == 0
    assert 'tiles    609707\n' in capsys.readouterr().out
    assert '609,707' in README


def test_the_metafile(cfg, mmpretrain):
    (model,) = yaml.safe_load((CONFIG.parent / 'metafile.yml').read_text())['Models']
    assert (ROOT / model['Config'], model['Name']) == (CONFIG, CONFIG.stem)
    assert model['Metadata']['Epochs'] == cfg.train_cfg.max_epochs
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert 'configs/mae/metafile.yml' in imported
    with torch.device('meta'):
        network = mmpretrain.MODELS.build(cfg.model)
    count = sum(weight.numel() for weight in network.parameters())
    assert model['Metadata']['Parameters'] == count
    assert f'{count:,}' in README


def test_clips_of_all_folders_become_one_batch(cfg, mmpretrain, tmp_path):
    for source in ('sota', 'sior'):
        write_images(tmp_path / source / 'images')
    (tmp_path / 'sota/tiles.json').write_text('{}')
    loader = cfg.train_dataloader
    dataset = mmpretrain.DATASETS.build(loader.dataset | dict(data_root=str(tmp_path)))
    assert len(dataset) == 6
    batch = torch.utils.data.default_collate([dataset[i]['inputs'] for i in range(2)])
    assert batch.shape == (2, 3, 224, 224)
    assert loader.collate_fn.type == 'default_collate'


def test_without_mmpretrain_it_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    assert load_tool('train').main([str(CONFIG)]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "mae_vit_samrs.py: default_scope 'mmpretrain' cannot be imported" in error
    assert re.search(r"install it: `make env`, or `pip install '\S+-all\]'`$", error)


@pytest.mark.slow
def test_from_images_to_weights(tmp_path):
    """Cut, train an epoch of two iterations, resume for another; a smaller network and input."""
    pytest.importorskip('mmpretrain')
    write_images(tmp_path / 'images')
    cut = load_tool('dataset_converters/prepare_tiles').main
    flags = ['--size', '64', '--overlap', '14', '--workers', '0']
    clips = tmp_path / 'clips/sota'
    assert cut(['--images', str(tmp_path / 'images'), '--out', str(clips), *flags]) == 0
    assert len(list(clips.glob('images/*.png'))) == 3 * 4
    options = [
        f'train_dataloader.dataset.data_root={clips.parent}', 'train_dataloader.batch_size=6',
        'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
        'train_dataloader.dataset.pipeline.1.scale=32', 'model.backbone.img_size=32',
        'model.neck.num_patches=4', 'model.backbone.arch=deit-tiny', 'model.neck.embed_dim=192',
        'model.neck.decoder_embed_dim=32', 'model.neck.decoder_depth=1',
        'model.neck.decoder_num_heads=4', 'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=1',
    ]  # fmt: skip
    argv = [str(CONFIG), '--work-dir', str(tmp_path / 'work'), '--cfg-options', *options]
    for epochs, flags in ((1, []), (2, ['--resume'])):
        words = [*argv, f'train_cfg.max_epochs={epochs}', *flags]
        codes, log = run_tool('train', words, tmp_path / f'log{epochs}')
        assert codes == [0], log[-3000:]
        steps = re.findall(r'Epoch\(train\) +\[(\d)\]\[(\d)/2\] .* loss: ([\d.]+)', log)
        assert [(int(epoch), int(step)) for epoch, step, _ in steps] == [(epochs, 1), (epochs, 2)]
        assert all(0 < float(loss) < 10 for *_, loss in steps)
    first, second = (
        torch.load(tmp_path / f'work/epoch_{n}.pth', weights_only=True)['state_dict']
        for n in (1, 2)
    )
    assert {name.split('.')[0] for name in first} == {'backbone', 'neck'}
    assert first['backbone.layers.11.attn.qkv.weight'].shape == (576, 192)
    moved = [name for name in first if not torch.equal(first[name], second[name])]
    assert {'backbone.patch_embed.projection.weight', 'neck.mask_token'} <= set(moved)
    assert 'backbone.pos_embed' not in moved
