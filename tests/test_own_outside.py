"""Fine-tuning backbones of other libraries, on a user's own data too, by the example configs."""

import re

import numpy as np
import pytest
import rasterio
import torch
from config_rules import check_takes_over, load
from folders import ROOT, load_tool
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from mmseg.utils import register_all_modules
from PIL import Image
from training_runs import run_tool

from samrs_mm.models.backbones.mae_vit import MAEViT

WIDTH = 16
TIMM = dict(embed_dim=WIDTH, depth=4, num_heads=2, out_indices=(0, 1, 2, 3))
MAE = dict(arch=dict(embed_dims=WIDTH, depth=4, num_heads=2, mlp_ratio=2))
LEVELS = {
    'model.neck.embed_dim': WIDTH,
    'model.decode_head.in_channels': [WIDTH] * 4,
    'model.decode_head.channels': WIDTH,
}


def small(leaf, path, backbone, **values):
    """Write a small version of a config, and return it."""
    config = Config.fromfile(ROOT / 'configs' / leaf)
    config.merge_from_dict(LEVELS | values)
    config.model.backbone.update(backbone)
    config.dump(path)
    return config


def write_own(root, bands, dtype):
    """Write pictures, or rasters of other bands, whose brightness is the class, and lists."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    for number in range(4):
        label = np.repeat(np.arange(80) * 4 // 80, 72).reshape(80, 72).astype(np.uint8)
        pixels = np.broadcast_to(label * 50 + number, (bands, 80, 72)).astype(dtype)
        profile = dict(height=80, width=72, count=bands, dtype=dtype)
        with rasterio.open(root / f'images/p{number}.tif', 'w', 'GTiff', **profile) as file:
            file.write(pixels)
        Image.fromarray(label).save(root / f'labels/p{number}.png')
    assert load_tool('dataset_converters/make_splits').main([str(root), '--val', '0.3']) == 0


def short(data, **values):
    """Return what makes a fine-tuning one of two iterations on that data."""
    short = {f'{loader}_dataloader.dataset.data_root': str(data) for loader in ('train', 'val')}
    for loader in ('train', 'val'):
        short |= {f'{loader}_dataloader.{key}': 0 for key in ('num_workers', 'persistent_workers')}
    short |= {f'train_dataloader.{key}': 2 for key in ('batch_size', 'sampler.batch_size')}
    crop = {'train_dataloader.dataset.pipeline.0.crop.crop_size': 64}
    return short | crop | {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2} | values


def trained(tmp_path):
    """Train ``own.py`` there, and return what it said."""
    argv = [str(tmp_path / 'own.py'), '--work-dir', str(tmp_path / 'work')]
    codes, said = run_tool('train', argv, tmp_path / 'log')
    assert codes == [0], said[-3000:]
    assert re.search(r'Iter\(val\) .*mIoU: ', said)
    return said


def test_sep_weights_of_timms_dinov3_go_on_to_own_data(tmp_path):
    register_all_modules(init_default_scope=True)
    backbone = dict(TIMM, init_cfg=None)
    sep = small('outside/upernet_dinov3-vit-s.py', tmp_path / 'sep.py', backbone)
    state = MODELS.build(sep.model).state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'sep.pth')
    write_own(tmp_path / 'own', 3, 'uint8')
    options = short(tmp_path / 'own', load_from=str(tmp_path / 'sep.pth'))
    small('examples/own_dinov3.py', tmp_path / 'own.py', TIMM, **options)
    said = trained(tmp_path)
    matched, total = map(int, re.search(r'sep\.pth: (\d+) of (\d+) weights match', said).groups())
    shared = [name for name in state if not name.startswith('heads.')]
    assert matched == len(shared) == total - 2, 'all but the new classifier'


def test_prithvi_is_trained_on_own_rasters_of_six_bands(tmp_path, capsys):
    torch.manual_seed(0)
    weights = MAEViT(in_channels=6, **MAE).state_dict()
    weights['patch_embed.proj.weight'] = weights['patch_embed.proj.weight'].unsqueeze(2)
    weights['pos_embed'] = torch.cat([weights['pos_embed'], *[weights['pos_embed'][:, 1:]] * 2], 1)
    released = {f'encoder.{name}': value for name, value in weights.items()}
    released |= {'decoder.mask_token': torch.zeros(1, 1, 8)}
    torch.save(released, tmp_path / 'Prithvi.pt')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'prithvi.pth'))
    write_own(tmp_path / 'own', 6, 'uint16')
    backbone = dict(MAE, init_cfg=init)
    small('examples/own_prithvi.py', tmp_path / 'own.py', backbone, **short(tmp_path / 'own'))
    convert = load_tool('model_converters/convert_checkpoint').main
    files = [str(tmp_path / name) for name in ('Prithvi.pt', 'prithvi.pth')]
    assert convert([*files, '--config', str(tmp_path / 'own.py')]) == 0, capsys.readouterr().err
    assert ' missing 0 ' in capsys.readouterr().out
    assert 'prithvi.pth' in trained(tmp_path)


@pytest.mark.parametrize('data', ['potsdam', 'loveda', 'vaihingen', 'deepglobe'])
def test_sep_weights_of_timms_convnext_go_on_to_each_benchmark(data, tmp_path):
    """By the line of ``_base_``; backbone, decode head and schedule are those of pre-training."""
    path, sep = tmp_path / f'{data}.py', load(ROOT / 'configs/outside/upernet_dinov3-convnext-t.py')
    text = (ROOT / 'configs/examples/potsdam_dinov3.py').read_text()
    assert "'../potsdam/upernet_vit_imp-sep_potsdam.py'" in text
    path.write_text(text.replace('potsdam', data).replace('../', f'{ROOT}/configs/'))
    tuned = load(path)
    assert tuned.load_from == 'pretrain/sep/upernet_dinov3-convnext-t.pth'
    assert tuned.optim_wrapper == sep.optim_wrapper
    check_takes_over(tuned, sep)
    classes = len(DATASETS.get(tuned.train_dataloader.dataset.type).METAINFO['classes'])
    assert tuned.model.decode_head.num_classes == classes


@pytest.mark.parametrize(
    ('name', 'lines'), [('own_dinov3', 30), ('own_prithvi', 30), ('potsdam_dinov3', 10)]
)
def test_the_configs_are_short(name, lines):
    assert len((ROOT / f'configs/examples/{name}.py').read_text().splitlines()) <= lines
