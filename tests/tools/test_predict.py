"""Predicting files: what is written, skipped, refused and named; a scene of 144 megapixels."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
import shapely
import torch
from folders import ROOT, load_tool, tree
from label_cases import assert_best_class
from map_cases import read_layer
from mmengine.config import Config
from PIL import Image
from rasterio import features
from rasterio.transform import from_origin
from scene_cases import CLASSES, build, network, scene
from segmentor_cases import CLASSES as HEADS

from samrs_mm.core.images import SceneImage
from samrs_mm.core.input_notes import NAME

SIZE = 70, 90
PLACE = dict(crs='EPSG:32633', transform=from_origin(366_000.5, 5_808_000, 0.05, 0.05))


@pytest.fixture(scope='module')
def predict():
    return load_tool('predict').main


@pytest.fixture(scope='module')
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


def expected(pixels, **options):
    """The probabilities of a whole image by mmsegmentation's own way."""
    model = build(**options).float()
    inputs = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1).copy())
    with torch.no_grad():
        size = pixels.shape[:2]
        data = model.data_preprocessor(dict(inputs=[inputs], data_samples=[_sample(size)]))
        (result,) = model.predict(**data)
    return result.seg_logits.data.softmax(0).numpy()


def _sample(size):
    from mmseg.structures import SegDataSample

    return SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))


def labels_of(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.asarray(image)


def write_tiff(path, pixels, **options):
    count, height, width = pixels.shape
    profile = dict(count=count, height=height, width=width, dtype=pixels.dtype)
    with rasterio.open(path, 'w', 'GTiff', **profile, **options) as file:
        file.write(pixels)
    return path


@pytest.mark.parametrize('kind', ['rgb.png', 'rgb.jpg', 'rgb.bmp', 'rgb.tif', 'grey.png', 'deep'])
def test_images_of_any_kind(run, tmp_path, kind):
    path = tmp_path / kind
    pixels = scene(*SIZE)
    if kind == 'deep':
        path = write_tiff(tmp_path / 'deep.tif', pixels.transpose(2, 0, 1).astype(np.uint16) * 13)
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
    path = write_tiff(tmp_path / 'city.tif', pixels, nodata=0, **PLACE)
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
    path = write_tiff(tmp_path / 'city.tif', pixels, nodata=0, **PLACE)
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


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'images'
    root.mkdir()
    for number in range(4):
        Image.fromarray(scene(*SIZE, seed=number)).save(root / f'{number}.png')
    (root / 'notes.txt').write_text('not an image')
    (root / '.hidden.png').write_bytes(b'')
    return root


def test_a_bad_image_does_not_stop_the_rest(run, folder, tmp_path, capsys):
    (folder / '1.png').write_bytes((folder / '1.png').read_bytes()[:3000])
    (folder / '2.png').write_bytes(b'')
    assert run(folder) == 1
    said = capsys.readouterr()
    failed = [line for line in said.err.splitlines() if line.startswith('failed: ')]
    assert [name for name in ('1.png', '2.png') if any(name in line for line in failed)]
    assert len(failed) == 2
    assert 'images   2 predicted, 2 failed' in said.out
    assert sorted(os.listdir(tmp_path / 'out/labels')) == ['0.png', '3.png']
    Image.fromarray(scene(*SIZE, seed=1)).save(folder / '1.png')
    (folder / '2.png').unlink()
    assert run(folder) == 0
    assert 'images   1 predicted, 2 were done before, 0 failed' in capsys.readouterr().out


def test_a_scene_that_is_damaged_in_the_middle_leaves_nothing(run, folder, tmp_path, capsys):
    for name, options in (('a', {}), ('b', dict(nodata=0))):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 200, 300), dtype=np.uint8)
        blocks = dict(tiled=True, blockxsize=64, blockysize=64, compress='deflate')
        path = write_tiff(folder / f'{name}.tif', pixels, **blocks, **options)
        data = bytearray(path.read_bytes())
        data[len(data) * 3 // 4 : len(data) * 3 // 4 + 20_000] = bytes(20_000)
        path.write_bytes(data)
    assert run(folder, '--save', 'labels,probabilities') == 1
    failed = [line for line in capsys.readouterr().err.splitlines() if 'failed: ' in line]
    assert len(failed) == 2
    assert all(f'{name}.tif: cannot read the image' in failed[i] for i, name in enumerate('ab'))
    done = [f'{number}.{{}}' for number in range(4)]
    assert sorted(os.listdir(tmp_path / 'out/labels')) == [name.format('png') for name in done]
    assert sorted(os.listdir(tmp_path / 'out/probabilities')) == [n.format('tif') for n in done]


def test_what_is_done_is_skipped(run, folder, tmp_path, capsys):
    assert run([folder / '0.png', folder / '2.png']) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out/labels').iterdir()}
    (tmp_path / 'out/labels/mine.txt').write_text('left alone')
    (tmp_path / 'out/labels/.1.png.tmp').write_bytes(b'of a killed run')
    assert run(folder) == 0
    assert 'images   2 predicted, 2 were done before' in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    whole = tree(tmp_path / 'out')
    assert (tmp_path / 'out/labels/mine.txt').read_text() == 'left alone'
    assert run(folder, '--save', 'labels,overlays') == 0
    assert 'images   4 predicted, 0 failed' in capsys.readouterr().out, 'overlays were missing'
    assert run(folder, '--restart', out='out') == 0
    assert 'images   4 predicted' in capsys.readouterr().out
    again = tree(tmp_path / 'out')
    assert {name: again[name] for name in whole if '.tmp' not in name} == {
        name: value for name, value in whole.items() if '.tmp' not in name
    }


def test_other_settings_do_not_mix(run, folder, tmp_path, capsys):
    assert run(folder) == 0
    assert run(folder, '--window', 64) == 2
    assert 'started with other settings (stride: [32, 32] -> [40, 40]; ' in capsys.readouterr().err
    assert run(folder / '0.png', '--window', 64, '--restart') == 2
    assert 'holds 3 files of other images, such as' in capsys.readouterr().err
    assert run(folder, '--window', 64, '--restart') == 0
    about = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert about['settings']['window'] == [64, 64]
    assert about['classes'] == list(CLASSES)


def test_files_of_others_are_not_overwritten(run, folder, tmp_path, capsys):
    (tmp_path / 'out/labels').mkdir(parents=True)
    (tmp_path / 'out/labels/3.png').write_bytes(b'mine')
    for flags in ((), ('--restart',)):
        assert run(folder, *flags) == 2
        assert (
            'not of this tool, such as labels/3.png; choose another --out'
            in capsys.readouterr().err
        )
    assert (tmp_path / 'out/labels/3.png').read_bytes() == b'mine'


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


@pytest.mark.parametrize(
    ('images', 'flags', 'message'),
    [
        (['no.png'], [], 'no.png: no such file or folder'),
        (['empty'], [], 'empty: no image in it (looked for .png'),
        (['images', 'other/0.jpg'], [], '0.png and other/0.jpg would be written to one file'),
        (['images'], ['--source', 'sota'], 'source sota: this model has one head only'),
        (['images'], ['--window', '32', '--stride', '33'], 'stride 33: it must be in 1..32'),
        (['images'], ['--device', 'cuda:77'], 'device cuda:77: '),
        (['images'], ['--cfg-options', 'model.backbone.layers=3'], 'of another architecture'),
    ],
)
def test_refused(run, folder, tmp_path, capsys, monkeypatch, images, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/0.jpg').write_bytes(b'')
    assert run(images, *flags) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ')
    assert message in error
    assert not (tmp_path / 'out').exists()


def test_out_is_a_file(run, folder, tmp_path, capsys):
    (tmp_path / 'out').write_text('mine')
    assert run(folder) == 2
    assert f'error: out {tmp_path}/out: cannot write there: ' in capsys.readouterr().err
    assert (tmp_path / 'out').read_text() == 'mine'


def test_a_config_of_another_kind(predict, trained, folder, tmp_path, capsys):
    (tmp_path / 'boxes.py').write_text("model = dict(type='BoxFillSegmentor')\n")
    argv = [tmp_path / 'boxes.py', trained / 'weights.pth', folder, '--out', tmp_path / 'out']
    assert predict(list(map(str, argv))) == 2
    assert "model.type='BoxFillSegmentor' makes masks from boxes" in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_an_unknown_name_in_a_config(predict, trained, folder, tmp_path, capsys):
    (tmp_path / 'typo.py').write_text("model = dict(type='EncodeDecoder')\n")
    argv = [tmp_path / 'typo.py', trained / 'weights.pth', folder, '--out', tmp_path / 'out']
    assert predict(list(map(str, argv))) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "model.type='EncodeDecoder': EncodeDecoder is not in the mmseg::model registry" in error
    assert "did you mean 'EncoderDecoder'? correct the name" in error


def test_the_same_image_twice_is_one(run, folder, capsys):
    assert run([folder, folder / '0.png']) == 0
    assert 'images   4 predicted' in capsys.readouterr().out


@pytest.mark.parametrize('flags', [['--save', 'labels,maps'], ['--window', '0'], ['--tta', 'no']])
def test_wrong_flags(run, folder, flags):
    with pytest.raises(SystemExit) as stop:
        run(folder, *flags)
    assert stop.value.code == 2


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


def test_interrupted_images_leave_nothing_under_their_name(run, folder, tmp_path, monkeypatch):
    original = SceneImage.crop
    calls = []

    def stop(self, *place, **options):
        calls.append(place)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return original(self, *place, **options)

    monkeypatch.setattr(SceneImage, 'crop', stop)
    assert run(folder) == 1
    monkeypatch.undo()
    done = sorted(os.listdir(tmp_path / 'out/labels'))
    assert done == ['0.png']
    assert run(folder) == 0


def test_help_teaches(predict, capsys):
    with pytest.raises(SystemExit):
        predict(['--help'])
    said = capsys.readouterr().out
    for word in ('examples:', 'exit codes:', '--source', '255 = no data', 'centre', 'average'):
        assert word in said


PEAK = """
import re, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from folders import load_tool
code = load_tool('predict').main(sys.argv[3:])
# not getrusage, which begins with the memory of the process that started this one
status = Path('/proc/self/status').read_text()
print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1e6)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('suffix', 'blend', 'limit'), [('.png', 'centre', 3.0), ('.tif', 'average', 2.0)]
)
def test_a_scene_of_144_megapixels_in_bounded_memory(trained, tmp_path, suffix, blend, limit):
    side = 12_000
    path = tmp_path / f'huge{suffix}'
    pattern = np.tile(scene(1000, 1000), (12, 12, 1))
    if suffix == '.tif':
        blocks = dict(tiled=True, blockxsize=512, blockysize=512, compress='deflate')
        write_tiff(path, pattern.transpose(2, 0, 1), **blocks, **PLACE)
    else:
        Image.fromarray(pattern).save(path, compress_level=1)
    del pattern
    argv = [trained / 'config.py', trained / 'weights.pth', path, '--out', tmp_path / 'out',
            '--window', 512, '--blend', blend,
            '--save', 'labels,probabilities,overlays']  # fmt: skip
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, '-c', PEAK, str(ROOT), str(ROOT / 'tests/support'), *map(str, argv)],
        capture_output=True, text=True, env={**os.environ, 'OMP_NUM_THREADS': '2'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    peak = float(done.stdout.split()[-1])
    print(f'{path.name} {blend}: {time.perf_counter() - begun:.0f} s, peak {peak:.2f} GB')
    assert peak < limit
    with rasterio.open(next((tmp_path / 'out/labels').iterdir())) as file:
        assert (file.height, file.width) == (side, side)
        corner = file.read(1, window=((0, 960), (0, 960)))
        far = file.read(1, window=((3000, 3960), (5000, 5960)))
    # the scene repeats after 1000 px, windows don't: seams would show
    differing = (corner[20:, 20:] != far[20:, 20:]).mean()
    assert differing < (1e-4 if blend == 'centre' else 0.02)
    assert max(Image.open(tmp_path / 'out/overlays/huge.jpg').size) == 2048


def test_a_replaced_image_is_predicted_anew_and_told(run, tmp_path, capsys):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for number in range(3):
        Image.fromarray(scene(*SIZE, seed=number)).save(pictures / f'{number}.png')
    assert run(pictures, '--save', 'labels,probabilities') == 0
    before = tree(tmp_path / 'out')
    os.utime(pictures / '0.png', (1, 1))
    Image.fromarray(scene(*SIZE, seed=7)).save(pictures / '1.png')
    capsys.readouterr()
    assert run(pictures, '--save', 'labels') == 0
    text = capsys.readouterr().out
    assert 'done anew: 1 image that was replaced, or has other files beside it: 1\n' in text
    assert '1 predicted, 2 were done before' in text
    after = tree(tmp_path / 'out')
    assert 'probabilities/1.tif' not in after
    assert {name for name in after if after[name] != before[name]} == {'labels/1.png'}
    assert run(pictures, '--save', 'labels', out='new') == 0
    assert after['labels/1.png'] == tree(tmp_path / 'new')['labels/1.png']
    assert run(pictures, '--save', 'labels') == 0
    assert 'anew:' not in capsys.readouterr().out


def test_without_notes_maps_older_than_their_image_are_predicted_anew(run, tmp_path, capsys):
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for number in range(2):
        Image.fromarray(scene(*SIZE, seed=number)).save(pictures / f'{number}.png')
    assert run(pictures) == 0
    (tmp_path / 'out' / NAME).unlink()
    os.utime(tmp_path / 'out/labels/1.png', (1, 1))
    capsys.readouterr()
    assert run(pictures) == 0
    text = capsys.readouterr().out
    assert 'done anew: 1 image that was replaced, or has other files beside it: 1\n' in text
    assert '2 predictions had no note of their image' in text


def test_predictions_of_images_that_are_gone_are_named_until_they_are_pruned(
    run, folder, tmp_path, capsys
):
    assert run(folder) == 0
    (folder / '1.png').unlink()
    capsys.readouterr()
    assert run(folder) == 1
    told = f'holds predictions of 1 image that is in {folder} no longer: 1; --prune deletes them'
    assert told in capsys.readouterr().err
    assert run(folder / '0.png') == 0, 'no folder is given, so nothing is known to be gone'
    assert run(folder, '--prune') == 0
    assert not (tmp_path / 'out/labels/1.png').exists()
    assert run(folder) == 0


def test_a_map_that_a_kill_left_is_not_taken_for_one_of_the_image_before(
    run, folder, tmp_path, monkeypatch
):
    assert run(folder) == 0
    path = folder / '1.png'
    whole, old, times = tree(tmp_path / 'out'), path.read_bytes(), path.stat()
    Image.fromarray(scene(*SIZE, seed=7)).save(path)
    original = os.replace

    def killed(source, target):
        original(source, target)
        if str(target).endswith('labels/1.png'):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', killed)
        assert run(folder) == 1
    path.write_bytes(old)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(folder) == 0
    assert tree(tmp_path / 'out')['labels/1.png'] == whole['labels/1.png']


def test_a_mask_and_a_place_that_come_later_are_taken(run, folder, tmp_path, capsys):
    assert run(folder) == 0
    valid = np.full((1, *SIZE), 255, np.uint8)
    valid[:, :, :40] = 0
    with rasterio.open(write_tiff(folder / '1.png.msk', valid), 'r+') as mask:
        mask.update_tags(INTERNAL_MASK_FLAGS_1='2')
    (folder / '2.pgw').write_text('0.5\n0\n0\n-0.5\n1000\n2000\n')
    assert run(folder) == 0
    out = capsys.readouterr().out
    assert 'done anew: 2 images that were replaced, or have other files beside them: 1, 2' in out
    np.testing.assert_array_equal(labels_of(tmp_path / 'out/labels/1.png') == 255, valid[0] == 0)
    assert not (tmp_path / 'out/labels/2.png').exists()
    with rasterio.open(tmp_path / 'out/labels/2.tif') as file:
        assert file.transform.a == 0.5
    assert run(folder) == 0
    assert 'images   0 predicted, 4 were done before' in capsys.readouterr().out


def test_an_image_that_is_replaced_while_it_is_predicted_is_predicted_anew(
    run, folder, tmp_path, monkeypatch
):
    from samrs_mm.predict import prediction

    def changing(*arguments):
        Image.fromarray(scene(*SIZE, seed=9)).save(folder / '3.png')
        return predict_scene(*arguments)

    predict_scene = prediction.predict_scene
    with monkeypatch.context() as patch:
        patch.setattr(prediction, 'predict_scene', changing)
        assert run(folder / '3.png') == 0
    before = labels_of(tmp_path / 'out/labels/3.png')
    assert run(folder / '3.png') == 0
    after = labels_of(tmp_path / 'out/labels/3.png')
    assert (before != after).any()


def test_images_are_shown_as_the_test_pipeline_says(run, trained, tmp_path, capsys):
    """The rule is that of training; a folder of another rule is refused."""
    pixels = scene(*SIZE)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    Image.fromarray(pixels[..., ::-1].copy()).save(tmp_path / 'turned.png')
    step = 'test_pipeline=[dict(type="LoadWindow",image=dict(bands=(3,2,1)))]'
    assert run(tmp_path / 'turned.png', out='plain') == 0
    config = trained / 'ruled.py'
    config.write_text((trained / 'config.py').read_text() + f'\n{step}\n')
    argv = [config, trained / 'weights.pth', tmp_path / 'a.png', '--out', tmp_path / 'ruled']
    main = load_tool('predict').main
    assert main([str(word) for word in argv]) == 0
    assert 'image.bands: b3, b2, b1 shown (a.png)' in capsys.readouterr().out
    labels = [tmp_path / f'{name}.png' for name in ('plain/labels/turned', 'ruled/labels/a')]
    np.testing.assert_array_equal(*(np.asarray(Image.open(path)) for path in labels))
    assert run(tmp_path / 'a.png', out='ruled') == 2
    assert 'image' in capsys.readouterr().err
