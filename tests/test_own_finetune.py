"""Fine-tuning on a user's own folder by the example config, from SEP weights to predictions."""

import json
import re

import numpy as np
import torch
from folders import ROOT, load_tool
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from PIL import Image
from scene_cases import scene
from training_runs import run_tool

EXAMPLE = ROOT / 'configs/examples/own_finetune.py'
CLASSES = ('ground', 'building', 'road', 'water')
SMALL = {
    'model.backbone.depth': 18,
    'model.decode_head.in_channels': [64, 128, 256, 512],
    'model.decode_head.channels': 16,
}


def write_own(root, images=8):
    """Write pictures whose brightness is the class, some pixels unlabelled."""
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    for number in range(images):
        label = np.repeat(np.arange(96) * 4 // 96, 80).reshape(96, 80).astype(np.uint8)
        image = scene(96, 80, number) // 8 + label[..., None] * 60
        label[:5] = 255
        Image.fromarray(image.astype(np.uint8)).save(root / f'images/p{number}.jpg')
        Image.fromarray(label).save(root / f'labels/p{number}.png')
    return root


def write_sep(path):
    """Write weights as pre-training does, of a network as small."""
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(ROOT / 'configs/sep/upernet_resnet50.py')
    config.merge_from_dict({**SMALL, 'model.backbone.init_cfg': None})
    state = MODELS.build(config.model).state_dict()
    torch.save(dict(meta=dict(config='upernet_resnet50'), state_dict=state), path)
    return state


def test_from_sep_weights_to_predictions(tmp_path):
    data = write_own(tmp_path / 'own')
    assert load_tool('dataset_converters/make_splits').main([str(data), '--val', '0.3']) == 0
    sep = write_sep(tmp_path / 'sep.pth')
    options = {
        **SMALL,
        'load_from': tmp_path / 'sep.pth',
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.dataset.pipeline.0.crop.crop_size': 64,
        'train_dataloader.batch_size': 2,
        'train_dataloader.sampler.batch_size': 2,
        'default_hooks.logger.interval': 1,
    }
    for loader in ('train', 'val'):
        options[f'{loader}_dataloader.dataset.data_root'] = data
        options[f'{loader}_dataloader.num_workers'] = 0
        options[f'{loader}_dataloader.persistent_workers'] = False
    options = [f'{key}={value}'.replace(' ', '') for key, value in options.items()]
    argv = [str(EXAMPLE), '--work-dir', str(tmp_path / 'work'), '--cfg-options', *options]
    codes, said = run_tool('train', argv, tmp_path / 'log')
    assert codes == [0], said[-3000:]
    matched, total = map(int, re.search(r'sep\.pth: (\d+) of (\d+) weights match', said).groups())
    trunk = [name for name in sep if name.startswith(('backbone.', 'decode_head.'))]
    assert matched == len(trunk) == total - 2, 'all but the new classifier'
    scores = re.findall(r'Iter\(val\) .*', said)[-1]
    assert all(f'IoU/{name}: ' in scores for name in CLASSES)

    small = [word for word in options if word.split('=')[0] in SMALL]
    images, out = str(data / 'images'), tmp_path / 'out'
    argv = [str(EXAMPLE), str(tmp_path / 'work/iter_2.pth'), images, '--out', str(out)]
    assert load_tool('predict').main([*argv, '--cfg-options', *small]) == 0
    assert json.loads((out / 'predictions.json').read_text())['classes'] == list(CLASSES)
    labels = [np.asarray(Image.open(path)) for path in sorted((out / 'labels').iterdir())]
    assert len(labels) == 8
    assert all(label.shape == (96, 80) and label.max() < len(CLASSES) for label in labels)


def test_the_config_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 25
