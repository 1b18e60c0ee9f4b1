"""A trained network, a folder of images, and the tool that predicts them."""

import pytest
import torch
from folders import load_tool
from mmengine.config import Config
from PIL import Image
from predicting import SIZE
from scene_cases import CLASSES, build, network, scene


@pytest.fixture(scope='session')
def predict():
    return load_tool('predict').main


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    """A config and its weights, as mmengine saves them."""
    root = tmp_path_factory.mktemp('trained')
    slide = dict(crop_size=(48, 48), stride=(32, 32))
    imports = dict(imports=['scene_cases'])
    config = dict(default_scope='mmseg', custom_imports=imports, model=network(slide=slide))
    Config(config).dump(root / 'config.py')
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=[[0, 0, 0]] * len(CLASSES)))
    model = build(slide=slide).float()
    torch.save(dict(meta=meta, state_dict=model.state_dict()), root / 'weights.pth')
    return root


@pytest.fixture
def run(predict, trained, tmp_path):
    """Predict in this process: ``run(images, '--batch', 2)`` -> exit code."""

    def run(images, *flags, out='out'):
        images = images if isinstance(images, list) else [images]
        argv = [trained / 'config.py', trained / 'weights.pth', *images, '--out', tmp_path / out]
        return predict([str(word) for word in (*argv, *flags)])

    return run


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'images'
    root.mkdir()
    for number in range(4):
        Image.fromarray(scene(*SIZE, seed=number)).save(root / f'{number}.png')
    (root / 'notes.txt').write_text('not an image')
    (root / '.hidden.png').write_bytes(b'')
    return root
