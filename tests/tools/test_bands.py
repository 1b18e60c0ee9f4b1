"""Images of other than three bands: trained, validated with pictures, predicted with overlays."""

import numpy as np
import pytest
import rasterio
from folders import load_tool
from mmengine.config import Config
from PIL import Image
from training_runs import record, run_tool, write_run

from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage

KINDS = {
    'four of five': (5, 'uint16', dict(bands=[1, 2, 3, 5], form='bands'), 4),
    'one as stored': (1, 'float32', dict(form='values'), 1),
}


@pytest.fixture(params=KINDS)
def run(request, tmp_path):
    """A config of a network and of data of some bands; how many it takes."""
    count, dtype, image, bands = KINDS[request.param]
    path = write_run(tmp_path)
    for png in sorted(tmp_path.glob('data/*/images/*.png')):
        grey = np.array(Image.open(png))[..., 0].astype(dtype) * 17
        pixels = np.stack([grey + 100 * band for band in range(count)])
        profile = dict(height=44, width=40, count=count, dtype=dtype)
        with rasterio.open(png.with_suffix('.tif'), 'w', 'GTiff', **profile) as file:
            file.write(pixels)
        png.unlink()
    config = Config.fromfile(path)
    config.model.backbone.in_channels = bands
    config.model.data_preprocessor.update(
        type='BandPreProcessor', mean=[120.0] * bands, std=[60.0] * bands
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for source in config[loader].dataset.datasets:
            source.pipeline[0].image = image
            if image['form'] == 'values':
                source.pipeline = [step for step in source.pipeline if step.type != 'OneOfColour']
    config.test_pipeline = [dict(type='LoadWindow', image=image), dict(type='PackSegInputs')]
    config.custom_hooks.append(dict(type='PredictionPictureHook', per_source=1))
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.param_scheduler[0].update(T_max=2, end=2)
    config.dump(path)
    return path, bands


def test_trained_validated_and_predicted(run, tmp_path, capsys):
    config, bands = run
    codes, said = run_tool('train', [config], tmp_path / 'log')
    assert codes == [0], said
    assert [line['iter'] for line in record(tmp_path)[0]] == [0, 1]
    pictures = [*tmp_path.glob('work/**/pictures/*/*.png')]
    assert len(pictures) == 3
    assert all(np.array(Image.open(picture)).std() > 1 for picture in pictures)
    assert 'no picture' not in said

    images, out = tmp_path / 'data/red/images', tmp_path / 'out'
    flags = ['--source', 'red', '--save', 'labels,overlays', '--window', '32', '--device', 'cpu']
    words = [config, str(tmp_path / 'work/iter_2.pth'), str(images), '--out', str(out), *flags]
    assert load_tool('predict').main(words) == 0, capsys.readouterr().err
    assert len([*out.glob('labels/*.png')]) == len([*images.iterdir()])
    overlay = np.array(Image.open(next(iter(out.glob('overlays/red*.jpg')))))
    assert overlay.shape == (44, 40, 3)

    plain = Config.fromfile(config)
    plain.test_pipeline = [dict(type='LoadWindow'), dict(type='PackSegInputs')]
    plain.dump(tmp_path / 'plain.py')
    assert load_tool('predict').main([str(tmp_path / 'plain.py'), *words[1:]]) == 2
    told = capsys.readouterr().err
    assert f'takes images of {bands} band' in told
    assert 'gives it 3' in told


def test_other_numbers_are_refused_before_training(run, capsys):
    config, _ = run
    for option, said in (
        ('model.backbone.in_channels=6', 'model.backbone takes images of 6 bands'),
        ('train_dataloader.dataset.datasets.1.pipeline.0.image=None', 'image gives 3 bands'),
    ):
        code = load_tool('train').main([config, '--cfg-options', option])
        told = capsys.readouterr().err
        assert code == 2, told
        assert said in told


def test_pixels_of_any_bands(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3000, (6, 20, 30)).astype(np.int16)
    pixels[:, :3] = -9999
    path = tmp_path / 'a.tif'
    profile = dict(height=20, width=30, count=6, dtype='int16', nodata=-9999)
    with rasterio.open(path, 'w', 'GTiff', **profile) as file:
        file.write(pixels)
    rule = ImageRule.from_config(dict(bands=[6, 'ndi(b4, b3)', 1, 2, 5], form='values'))
    image = SceneImage(path, rule=rule)
    window = image.crop(2, 1, 10, 19)
    assert (image.bands, image.dtype, window.shape) == (5, np.float32, (19, 10, 5))
    assert not window[:2].any()
    part = pixels[:, 3:20, 2:12].astype(np.float32)
    np.testing.assert_array_equal(window[2:, :, 0], part[5])
    ratio = np.nan_to_num((part[3] - part[2]) / (part[3] + part[2]))
    np.testing.assert_allclose(window[2:, :, 1], ratio, rtol=1e-6)
    limits = dict(stretch='range', limits=(0, 3000))
    rule = ImageRule.from_config(dict(form='bands', **limits))
    eight = SceneImage(path, rule=rule).crop(2, 3, 10, 17)
    assert (eight.dtype, eight.shape) == (np.uint8, (17, 10, 6))
    np.testing.assert_array_equal(eight, np.rint(part / 3000 * 255).transpose(1, 2, 0))
    shown = SceneImage(path, rule=rule.picture()).read()
    assert shown.shape == (20, 30, 3)
