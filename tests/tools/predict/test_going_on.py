"""What is there already: skipped, done anew where the image is another one, pruned, resumed."""

import json
import os

import numpy as np
import rasterio
from folders import tree
from image_cases import save_tiff
from PIL import Image
from predicting import SIZE, labels_of
from scene_cases import CLASSES, scene

from samrs_mm.core.images import SceneImage
from samrs_mm.core.input_notes import NAME


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


def test_the_same_image_twice_is_one(run, folder, capsys):
    assert run([folder, folder / '0.png']) == 0
    assert 'images   4 predicted' in capsys.readouterr().out


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
    with rasterio.open(save_tiff(folder / '1.png.msk', valid), 'r+') as mask:
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
