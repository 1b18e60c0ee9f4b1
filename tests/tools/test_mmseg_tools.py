"""mmsegmentation's own inferencers and scripts run on our configs."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import rasterio
import torch
from folders import ROOT
from label_cases import assert_best_class
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model, show_result_pyplot
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from samrs_folders import STEMS, write_annotated, write_released

from samrs_mm.core.images import SceneImage

TOOLS = Path(mmseg.__file__).parent / '.mim/tools/analysis_tools'
BASES = dict(sep='sep/upernet_resnet50_scratch.py', finetune='potsdam/unet_resnet50_imp_potsdam.py')
SOURCES = dict(city=('wall', 'roof'), coast=('sand', 'sea', 'ship', 'pier', 'reef'))
HEADS = {name: dict(num_classes=len(classes)) for name, classes in SOURCES.items()}


def write_config(root, kind):
    """Write a small config of a kind, its data and weights as training leaves them."""
    base = Config.fromfile(ROOT / 'configs' / BASES[kind])
    base.model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    base.model.decode_head.update(in_channels=[8, 16, 32, 64])
    loader = base.train_dataloader
    if kind == 'sep':
        base.model.decode_head.channels = 8
        base.model.heads = HEADS
        loader.dataset.datasets = [
            dict(
                type='SAMRSDataset',
                source=name,
                data_root=str(write_annotated(root / name, STEMS[:2], classes)),
                pipeline=base.train_pipeline,
            )
            for name, classes in SOURCES.items()
        ]
        sources = {
            name: dict(classes=list(classes), palette=[[9 * i, i, 3] for i in range(len(classes))])
            for name, classes in SOURCES.items()
        }
        meta = dict(sources['city'], sources=sources)
    else:
        base.model.decode_head.update(decoder_channels=(16, 8, 8, 8))
        write_released(root / 'tiles', STEMS[:2], labels='labels')
        loader.dataset.data_root = str(root / 'tiles')
        meta = dict(classes=list('abcde'), palette=[[i, i, i] for i in range(5)])
    register_all_modules(init_default_scope=True)
    torch.manual_seed(0)
    model = MODELS.build(base.model)
    torch.save(
        dict(meta=dict(dataset_meta=meta), state_dict=model.state_dict()), root / 'weights.pth'
    )
    base.dump(root / 'config.py')


@pytest.fixture(scope='module', params=BASES)
def made(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    write_config(root, request.param)
    return request.param, root


@pytest.fixture
def image(tmp_path):
    """A GeoTIFF of 16 bits, which only our reader scales, and its pixels."""
    rgb = np.random.default_rng(0).integers(0, 2500, (70, 90, 3)).astype(np.uint16)
    with rasterio.open(tmp_path / 'deep.tif', 'w', 'GTiff', count=3, height=70, width=90,
                       dtype='uint16') as file:  # fmt: skip
        file.write(rgb.transpose(2, 0, 1))
    return str(tmp_path / 'deep.tif'), np.ascontiguousarray(
        SceneImage(tmp_path / 'deep.tif').read()[..., ::-1]
    )


@pytest.mark.parametrize('source', SOURCES)
def test_inferencers(made, image, source, tmp_path):
    kind, root = made
    options = {'model.test_cfg.source': source} if kind == 'sep' else {}
    config, weights = root / 'config.py', str(root / 'weights.pth')
    path, bgr = image
    model = init_model(str(config), weights, 'cpu', options)
    one, other = inference_model(model, path), inference_model(model, [bgr, bgr])[1]
    count = len(SOURCES[source]) if kind == 'sep' else 5
    assert one.seg_logits.data.shape == (count, 70, 90)
    torch.testing.assert_close(one.seg_logits.data, other.seg_logits.data)
    classes = SOURCES[source] if kind == 'sep' else tuple('abcde')
    assert tuple(model.dataset_meta['classes']) == classes
    assert show_result_pyplot(model, bgr, one, show=False).shape == (70, 90, 3)

    inferencer = MMSegInferencer(model.cfg, weights, device='cpu')
    found = inferencer([path, bgr], out_dir=str(tmp_path / 'out'))['predictions']
    for labels in found:
        assert_best_class(labels, one.seg_logits.data)
    assert len(list((tmp_path / 'out/vis').iterdir())) == 2
    drawn = tuple(inferencer.model.dataset_meta['classes'])
    # it passes on the classes of the first source alone
    assert (
        drawn == ('coast 0', 'coast 1', 'coast 2', 'coast 3', 'coast 4')
        if source == 'coast' and kind == 'sep'
        else classes
    )


def script(name, *argv):
    """Run a script of mmsegmentation in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [name, *map(str, argv)])
        runpy.run_path(str(TOOLS / f'{name}.py'), run_name='__main__')


def test_browse_dataset(made, tmp_path):
    _, root = made
    script('browse_dataset', root / 'config.py', '--not-show', '--output-dir', tmp_path / 'out')
    pictures = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert pictures == [f'{stem}.png' for stem in STEMS[:2]]


@pytest.mark.slow
@pytest.mark.parametrize('options', [[], ['--cfg-options', 'model.test_cfg.source=coast']])
def test_get_flops(made, options):
    """In a process of its own, as it is used: two runs of ten seconds."""
    kind, root = made
    if options and kind != 'sep':
        pytest.skip('one head')
    words = [TOOLS / 'get_flops.py', root / 'config.py', '--shape', 64, 96, *options]
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, cwd=root,
        env=dict(os.environ, PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='-1'),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'Input shape: (64, 96)\nFlops: ' in done.stdout
