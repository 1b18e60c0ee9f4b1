"""What is predicted: labels, probabilities, polygons, in the place of the image."""

import json

import numpy as np
import pytest
import rasterio
import shapely
import torch
from folders import tree
from image_cases import save_tiff
from label_cases import assert_best_class
from map_cases import read_layer
from mmengine.config import Config
from PIL import Image
from predicting import PLACE, SIZE, expected, labels_of
from rasterio import features
from scene_cases import CLASSES, network, scene
from segmentor_cases import CLASSES as HEADS

from samrs_mm.core.images import SceneImage


@pytest.mark.parametrize('kind', ['rgb.png', 'rgb.jpg', 'rgb.bmp', 'rgb.tif', 'grey.png', 'deep'])
def test_images_of_any_kind(run, tmp_path, kind):
    path = tmp_path / kind
    pixels = scene(*SIZE)
    if kind == 'deep':
        path = save_tiff(tmp_path / 'deep.tif', pixels.transpose(2, 0, 1).astype(np.uint16) * 13)
    else:
        Image.fromarray(pixels[..., 0] if kind == 'grey.png' else pixels).save(path)
    assert run(path, '--save', 'probabilities,labels') == 0
    shares = expected(SceneImage(path).read())
    labels = labels_of(tmp_path / f'out/labels/{path.stem}.png')
    assert_best_class(labels, shares)
    with rasterio.open(tmp_path / f'out/probabilities/{path.stem}.tif') as file:
        assert file.descriptions == CLASSES
        np.testing.assert_allclose(file.read() / 250, shares, atol=0.0021)
        assert np.abs(file.read().sum(0, dtype=int) / 250 - 1).max() <= len(CLASSES) * 0.002


def test_a_geotiff_gives_geotiffs(run, tmp_path):
    pixels = scene(*SIZE).transpose(2, 0, 1).copy()
    pixels[:, 20:30, 40:70] = 0
    path = save_tiff(tmp_path / 'city.tif', pixels, nodata=0, **PLACE)
    assert run(path, '--save', 'labels,probabilities,overlays') == 0
    assert sorted(tree(tmp_path / 'out')) == [
        'labels/city.tif', 'overlays/city.jpg', 'overlays/legend.png', 'predictions.json',
        'probabilities/city.tif',
    ]  # fmt: skip
    for kind in ('labels', 'probabilities'):
        with rasterio.open(tmp_path / f'out/{kind}/city.tif') as file:
            assert file.crs.to_epsg() == 32633
            assert file.transform == PLACE['transform']
            assert (file.height, file.width) == SIZE
            empty = (file.read() == 255).all(0)
            assert empty[20:30, 40:70].all()
            assert empty.sum() == 300
    shares = expected(pixels.transpose(1, 2, 0))
    with rasterio.open(tmp_path / 'out/labels/city.tif') as file:
        assert_best_class(file.read(1)[~empty], shares[:, ~empty])
    assert np.asarray(Image.open(tmp_path / 'out/overlays/city.jpg')).shape == (*SIZE, 3)


def test_polygons_are_the_label_map(run, tmp_path, capsys):
    pixels = scene(*SIZE).transpose(2, 0, 1).copy()
    pixels[:, 20:30, 40:70] = 0
    path = save_tiff(tmp_path / 'city.tif', pixels, nodata=0, **PLACE)
    assert run(path, '--save', 'labels,polygons') == 0
    assert run(path, '--save', 'polygons', out='again') == 0
    found = tree(tmp_path / 'out')
    assert found['polygons/city.gpkg'] == tree(tmp_path / 'again')['polygons/city.gpkg']
    meta, shapes, columns = read_layer(tmp_path / 'out/polygons/city.gpkg', 'classes')
    assert meta['crs'] == PLACE['crs']
    with rasterio.open(tmp_path / 'out/labels/city.tif') as file:
        labels = file.read(1)
        drawn = features.rasterize(
            zip(shapes, columns['value'].tolist(), strict=True), file.shape, 255, dtype='uint8',
            transform=file.transform,
        )  # fmt: skip
    assert np.array_equal(drawn, labels)
    assert columns['category'].tolist() == [CLASSES[value] for value in columns['value']]
    assert columns['pixels'].sum() == (labels != 255).sum()
    assert columns['area_m2'] == pytest.approx(columns['pixels'] * 0.05**2)
    assert shapely.is_valid(shapes).all()
    capsys.readouterr()
    assert run(path, '--save', 'labels,polygons') == 0
    assert '0 predicted, 1 were done before' in capsys.readouterr().out
    Image.fromarray(scene(*SIZE)).save(tmp_path / 'flat.png')
    assert run([path, tmp_path / 'flat.png'], '--save', 'labels,polygons', out='flat') == 2
    assert 'polygons: 1 image of 2 is not on the map, such as' in capsys.readouterr().err
    assert not (tmp_path / 'flat').exists()


def test_average_is_how_test_scores(run, folder, tmp_path):
    slide = dict(crop_size=(40, 40), stride=(24, 24))
    options = ['--cfg-options', 'model.test_cfg.crop_size=(40,40)', 'model.test_cfg.stride=(24,24)']
    assert run(folder, '--blend', 'average', '--save', 'probabilities', *options) == 0
    with rasterio.open(tmp_path / 'out/probabilities/2.tif') as file:
        shares = expected(scene(*SIZE, seed=2), slide=slide)
        np.testing.assert_allclose(file.read() / 250, shares, atol=0.0021)


def test_flip(run, folder, tmp_path):
    assert run(folder, '--tta', 'flip', '--save', 'probabilities') == 0
    pixels = scene(*SIZE, seed=2)
    shares = (expected(pixels) + expected(pixels[:, ::-1])[..., ::-1]) / 2
    with rasterio.open(tmp_path / 'out/probabilities/2.tif') as file:
        # the mirrored image as a whole has its padding beside the first columns
        found = file.read()[..., 4:] / 250
        np.testing.assert_allclose(found, shares[..., 4:], atol=0.0021)


def test_every_source_has_its_head(predict, folder, tmp_path, monkeypatch):
    norm = dict(type='BN', requires_grad=True)
    model = dict(
        type='MultiHeadEncoderDecoder',
        data_preprocessor=network()['data_preprocessor'],
        backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=norm),
        decode_head=dict(
            type='UPerHead', in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=16,
            norm_cfg=norm,
        ),
        heads={source: dict(num_classes=count) for source, count in HEADS.items()},
        test_cfg=dict(mode='whole'),
    )  # fmt: skip
    imports = dict(imports=['scene_cases', 'samrs_mm.models.segmentors'])
    Config(dict(custom_imports=imports, model=model)).dump(tmp_path / 'sep.py')
    from segmentor_cases import small_model

    built = small_model().float()
    names = {source: [f'{source} {i}' for i in range(count)] for source, count in HEADS.items()}
    weights = dict(meta=dict(classes=names), state_dict=built.state_dict())
    torch.save(weights, tmp_path / 'sep.pth')
    maps = {}
    for source, count in HEADS.items():
        out = tmp_path / source
        argv = [tmp_path / 'sep.py', tmp_path / 'sep.pth', folder, '--out', out, '--source', source]
        assert predict([*map(str, argv), '--save', 'probabilities,labels']) == 0
        assert json.loads((out / 'predictions.json').read_text())['classes'] == names[source]
        with rasterio.open(out / 'probabilities/0.tif') as file:
            assert file.count == count
        maps[source] = labels_of(out / 'labels/0.png')
        assert maps[source].max() < count
    assert (maps['sota'] != maps['sior']).any()


def test_images_are_shown_as_the_test_pipeline_says(run, predict, trained, tmp_path, capsys):
    """The rule is that of training; a folder of another rule is refused."""
    pixels = scene(*SIZE)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    Image.fromarray(pixels[..., ::-1].copy()).save(tmp_path / 'turned.png')
    step = 'test_pipeline=[dict(type="LoadWindow",image=dict(bands=(3,2,1)))]'
    assert run(tmp_path / 'turned.png', out='plain') == 0
    config = tmp_path / 'ruled.py'
    config.write_text((trained / 'config.py').read_text() + f'\n{step}\n')
    argv = [config, trained / 'weights.pth', tmp_path / 'a.png', '--out', tmp_path / 'ruled']
    assert predict([str(word) for word in argv]) == 0
    assert 'image.bands: b3, b2, b1 shown (a.png)' in capsys.readouterr().out
    labels = [tmp_path / f'{name}.png' for name in ('plain/labels/turned', 'ruled/labels/a')]
    np.testing.assert_array_equal(*(np.asarray(Image.open(path)) for path in labels))
    assert run(tmp_path / 'a.png', out='ruled') == 2
    assert 'image' in capsys.readouterr().err
