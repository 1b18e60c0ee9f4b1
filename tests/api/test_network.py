"""A trained network on arrays and files: the tool's own predictions."""

import json
import pickle

import numpy as np
import pytest
import rasterio
import torch
from folders import ROOT, load_tool
from mmengine.config import Config
from PIL import Image
from scene_cases import CLASSES, build, network, scene
from segmentor_cases import CLASSES as HEADS

import samrs_mm
from samrs_mm.api.inputs import InputError
from samrs_mm.api.network import WINDOW, windows_of
from samrs_mm.core.errors import ImageReadError, RefusedError

SIZE = 70, 90


def write_trained(root, model, **meta):
    slide = dict(crop_size=(48, 48), stride=(32, 32))
    imports = dict(imports=['scene_cases'])
    config = dict(default_scope='mmseg', custom_imports=imports, model=network(slide=slide))
    Config(config).dump(root / 'config.py')
    torch.save(dict(meta=meta, state_dict=model.state_dict()), root / 'weights.pth')
    return root / 'config.py', root / 'weights.pth'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config and its weights, as mmengine saves them."""
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=[[0, 0, 0]] * len(CLASSES)))
    return write_trained(tmp_path_factory.mktemp('trained'), build().float(), **meta)


@pytest.mark.parametrize(
    ('options', 'flags'),
    [
        ({}, []),
        (dict(blend='average', stride=20), ['--blend', 'average', '--stride', '20']),
        (dict(window=40, flip=True, batch=3), ['--window', '40', '--tta', 'flip', '--batch', '3']),
        (
            dict(options={'model.test_cfg.crop_size': (32, 32), 'model.test_cfg.stride': (8, 8)}),
            ['--cfg-options', 'model.test_cfg.crop_size=(32,32)', 'model.test_cfg.stride=(8,8)'],
        ),
    ],
)
def test_predictions_are_those_of_the_tool(trained, tmp_path, options, flags):
    pixels = scene(*SIZE)
    Image.fromarray(pixels).save(tmp_path / 'city.png')
    argv = [*trained, tmp_path / 'city.png', '--out', tmp_path / 'out', *flags]
    argv += ['--save', 'labels,probabilities', '--device', 'cpu']
    if '--cfg-options' in flags:  # takes all words that follow
        argv = [*argv[: -len(flags) - 4], *argv[-4:], *flags]
    assert load_tool('predict').main([str(word) for word in argv]) == 0
    trained_network = samrs_mm.load_network(*trained, device='cpu', **options)
    expected = np.asarray(Image.open(tmp_path / 'out/labels/city.png'))
    with rasterio.open(tmp_path / 'out/probabilities/city.tif') as file:
        steps = file.read()
    for image in (pixels, tmp_path / 'city.png'):
        labels = trained_network.predict(image)
        assert (labels.dtype, labels.shape) == (np.uint8, SIZE)
        np.testing.assert_array_equal(labels, expected)
        shares = trained_network.probabilities(image)
        assert (shares.dtype, shares.shape) == (np.float32, (len(CLASSES), *SIZE))
        np.testing.assert_array_equal(np.rint(shares * 250), steps)
    record = json.loads((tmp_path / 'out/predictions.json').read_bytes())
    assert record['classes'] == list(trained_network.classes) == list(CLASSES)
    assert record['settings'] == trained_network.settings


@pytest.mark.parametrize(
    ('window', 'stride', 'blend', 'expected'),
    [
        (None, None, 'centre', (512, 320)),
        (None, None, 'average', (512, 342)),
        (None, 300, 'centre', (512, 300)),
        (96, None, 'centre', (96, 64)),
        (40, None, 'centre', (40, 26)),
        (128, None, 'average', (128, 85)),
    ],
)
def test_windows_keep_to_the_grid_of_the_network(window, stride, blend, expected):
    slide = dict(mode='slide', crop_size=(512, 512), stride=(342, 342))
    config = Config(dict(model=dict(test_cfg=slide)))
    size, step = expected
    assert windows_of(config, window, stride, blend, 32) == ((size, size), (step, step))
    whole = Config(dict(model=dict(test_cfg=dict(mode='whole'))))
    assert windows_of(whole, window, stride, blend, 32)[0] == (window or WINDOW, window or WINDOW)


def test_pixels_without_data_of_a_file(trained, tmp_path):
    pixels = scene(*SIZE)
    pixels[20:30, 40:70] = 0
    profile = dict(count=3, height=SIZE[0], width=SIZE[1], dtype='uint8', nodata=0)
    with rasterio.open(tmp_path / 'city.tif', 'w', 'GTiff', **profile) as file:
        file.write(pixels.transpose(2, 0, 1))
    trained_network = samrs_mm.load_network(*trained, device='cpu')
    labels = trained_network.predict(tmp_path / 'city.tif')
    assert (labels == 255).sum() == 300
    assert (labels[20:30, 40:70] == 255).all()
    empty = np.isnan(trained_network.probabilities(tmp_path / 'city.tif'))
    np.testing.assert_array_equal(empty, np.broadcast_to(labels == 255, empty.shape))


def test_a_network_of_several_heads(tmp_path):
    torch.manual_seed(0)
    norm = dict(type='BN', requires_grad=True)
    config = Config.fromfile(ROOT / 'configs/sep/unet_resnet50_scratch.py')
    config.merge_from_dict(
        dict(model=dict(
            backbone=dict(depth=18, base_channels=8, norm_cfg=norm),
            decode_head=dict(in_channels=[8, 16, 32, 64], decoder_channels=(32, 16, 8, 8)),
            heads={source: dict(num_classes=count) for source, count in HEADS.items()},
        ))
    )  # fmt: skip
    config.dump(tmp_path / 'sep.py')
    samrs_mm.registry.register_all()
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope('mmseg')
    state = MODELS.build(config.model).state_dict()
    names = {source: [f'{source} {i}' for i in range(count)] for source, count in HEADS.items()}
    torch.save(dict(meta=dict(classes=names), state_dict=state), tmp_path / 'sep.pth')
    files = tmp_path / 'sep.py', tmp_path / 'sep.pth'
    for source, count in HEADS.items():
        trained_network = samrs_mm.load_network(*files, source=source, device='cpu')
        assert trained_network.classes == tuple(names[source])
        assert trained_network.predict(scene(64, 64)).max() < count
    with pytest.raises(RefusedError, match=r'several heads; choose a source from .*sota'):
        samrs_mm.load_network(*files)


def test_checkpoints_without_names_of_classes(tmp_path):
    files = write_trained(tmp_path, build().float())
    trained_network = samrs_mm.load_network(*files, device='cpu')
    assert trained_network.classes == tuple(f'class {i}' for i in range(len(CLASSES)))
    assert repr(trained_network).endswith(f'weights.pth: {len(CLASSES)} classes>')
    assert 'weights match' in trained_network.matched


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, (str(ROOT / 'ran'),)


def test_code_in_a_checkpoint_is_not_run(trained, tmp_path):
    torch.save(dict(state_dict=build().float().state_dict(), evil=Evil()), tmp_path / 'evil.pth')
    (tmp_path / 'plain.pth').write_bytes(pickle.dumps(Evil()))
    for name in ('evil.pth', 'plain.pth'):
        with pytest.raises(RefusedError, match=rf'{name}: not loaded'):
            samrs_mm.load_network(trained[0], tmp_path / name)
    assert not (ROOT / 'ran').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(source='sota'), 'source sota: this model has one head only'),
        (dict(window=32, stride=33), r'stride 33: it must be in 1\.\.32, the window'),
        (dict(blend='middle'), "blend 'middle' is unknown; allowed: centre, average"),
        (dict(batch=0), 'batch 0: at least 1 window'),
        (dict(device='cuda:77'), 'device cuda:77: '),
        (dict(options=dict(modle=3)), "unknown key 'modle'; did you mean 'model'"),
    ],
)
def test_settings_that_can_not_be(trained, options, message):
    with pytest.raises(RefusedError, match=message) as caught:
        samrs_mm.load_network(*trained, **options)
    assert '\n' not in str(caught.value)


def test_files_and_images_that_can_not_be(trained, tmp_path):
    config, weights = trained
    with pytest.raises(RefusedError, match=r'nowhere\.py: no such file'):
        samrs_mm.load_network(tmp_path / 'nowhere.py', weights)
    with pytest.raises(RefusedError, match=r'nowhere\.pth: No such file'):
        samrs_mm.load_network(config, tmp_path / 'nowhere.pth')
    (tmp_path / 'empty.py').write_text("default_scope = 'mmseg'")
    with pytest.raises(RefusedError, match="has no 'model'"):
        samrs_mm.load_network(tmp_path / 'empty.py', weights)
    trained_network = samrs_mm.load_network(config, weights, device='cpu')
    with pytest.raises(InputError, match='expected uint8'):
        trained_network.predict(np.zeros((9, 9, 3)))
    with pytest.raises(ImageReadError, match='no such image'):
        trained_network.predict(tmp_path / 'a.png')
