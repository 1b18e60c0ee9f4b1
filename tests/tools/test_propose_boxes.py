"""Boxes on new images: of a detector, window by window, and of the regions in label maps."""

import json
import os
import sys

import numpy as np
import pytest
import torch
from folders import load_tool, tree
from mmengine.config import Config
from PIL import Image
from proposing import CLASSES, write_detector
from pycocotools import mask as coco_mask
from scene_cases import CLASSES as LABELS
from scene_cases import build, network, scene

from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.propose.detector import Detector

# x, y, width, height and grey value: over a seam of windows, at borders, and one that is too small
OBJECTS = [(10, 12, 20, 9, 200), (58, 40, 14, 12, 120), (96, 60, 4, 20, 240), (40, 2, 2, 2, 250)]
SIZE = 100, 80


@pytest.fixture(scope='module')
def propose():
    return load_tool('propose_boxes').main


def write_images(root, count=2):
    """Write images with the same objects on a dark ground."""
    folder = root / 'new'
    folder.mkdir()
    for number in range(count):
        pixels = np.full((*SIZE[::-1], 3), 20 + number, np.uint8)
        for x, y, w, h, grey in OBJECTS:
            pixels[y : y + h, x : x + w] = (grey, 0, 0)  # red: another order of channels shows
        Image.fromarray(pixels).save(folder / f'{number}.png')
    return folder


def run(propose, config, weights, folder, *flags):
    out = folder.parent / 'boxes.json'
    code = propose([*map(str, (config, weights, folder, '--out', out, *flags))])
    return code, json.loads(out.read_bytes()) if out.exists() else None


@pytest.mark.parametrize('window', ['0', '64', '1000'])
@pytest.mark.parametrize('form', ['hbox', 'rbox', 'mask'])
def test_boxes_of_a_detector_whatever_the_windows(propose, tmp_path, form, window):
    folder = write_images(tmp_path)
    config, weights = write_detector(tmp_path, form, scale=200)
    code, found = run(propose, config, weights, folder, '--window', window, '--overlap', '32',
                      '--device', 'cpu', '--score', '0.4')  # fmt: skip
    assert code == 0
    assert [image['file_name'] for image in found['images']] == ['0.png', '1.png']
    assert [(each['id'], each['name']) for each in found['categories']] == [*enumerate(CLASSES, 1)]
    wanted = sorted((each for each in OBJECTS if each[2] * each[3] >= 16), key=lambda o: -o[-1])
    for number in (1, 2):
        boxes = [each for each in found['annotations'] if each['image_id'] == number]
        assert len(boxes) == len(wanted)
        for box, (*rect, grey) in zip(boxes, wanted, strict=True):
            np.testing.assert_allclose(box['bbox'], rect, atol=1)
            assert box['score'] == pytest.approx(grey / 255, abs=0.05)
            assert CLASSES[box['category_id'] - 1] == ('bright' if grey > 150 else 'dim')
            assert ('rbox' in box, 'segmentation' in box) == (form == 'rbox', form == 'mask')
            if form == 'mask':
                mask = coco_mask.decode(box['segmentation'])
                x, y, w, h = rect
                assert mask.shape == SIZE[::-1]
                assert mask[y + 1 : y + h - 1, x + 1 : x + w - 1].all()
                assert mask.sum() <= (w + 2) * (h + 2)


def test_our_box_dataset_reads_them(propose, tmp_path):
    folder = write_images(tmp_path)
    config, weights = write_detector(tmp_path, 'rbox', scale=100)
    assert run(propose, config, weights, folder, '--device', 'cpu')[0] == 0
    data = COCOBoxDataset(str(folder), ann_file=str(tmp_path / 'boxes.json'))
    assert data.classes == CLASSES
    boxes = data.labels(0).boxes
    assert len(data.scenes) == 2
    assert len(boxes) == 3
    np.testing.assert_allclose(boxes[0].polygon.min(0), (96, 60), atol=0.5)


def test_what_is_wanted_of_them(propose, tmp_path):
    folder = write_images(tmp_path)
    config, weights = write_detector(tmp_path)
    common = config, weights, folder, '--device', 'cpu', '--overwrite'

    def count(*flags):
        code, found = run(propose, *common, *flags)
        assert code == 0
        return len(found['annotations']) / 2

    assert count('--score', '0.4') == 3
    assert count('--score', '0.6') == 2
    assert count('--score', '0.4', '--class', 'dim') == 1
    assert count('--score', '0.4', '--most', '2') == 2
    assert count('--score', '0.4', '--min-area', '100') == 2
    assert count('--score', '0.4', '--max-area', '100') == 1
    assert count('--score', '1') == 0


def test_an_image_that_cannot_be_read_is_named_and_left_out(propose, tmp_path, capsys):
    folder = write_images(tmp_path)
    (folder / '0.png').write_bytes((folder / '0.png').read_bytes()[:40])
    code, found = run(propose, *write_detector(tmp_path), folder, '--device', 'cpu')
    assert code == 1
    assert [image['file_name'] for image in found['images']] == ['1.png']
    assert 'failed: ' in (said := capsys.readouterr()).err
    assert '0.png' in said.err
    assert 'boxes    3 on 1 image' in said.out


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory):
    root = tmp_path_factory.mktemp('segmentor')
    slide = dict(crop_size=(48, 48), stride=(32, 32))
    config = dict(default_scope='mmseg', custom_imports=dict(imports=['scene_cases']),
                  model=network(slide=slide))  # fmt: skip
    Config(config).dump(root / 'config.py')
    meta = dict(dataset_meta=dict(classes=LABELS, palette=[[0, 0, 0]] * len(LABELS)))
    model = build(slide=slide).float()
    torch.save(dict(meta=meta, state_dict=model.state_dict()), root / 'weights.pth')
    return root / 'config.py', root / 'weights.pth'


def test_regions_of_label_maps(propose, segmentor, tmp_path):
    folder = tmp_path / 'new'
    folder.mkdir()
    Image.fromarray(scene(90, 70)).save(folder / 'a.png')
    code, found = run(propose, *segmentor, folder, '--device', 'cpu', '--score', '0',
                      '--min-area', '1')  # fmt: skip
    assert code == 0
    predict = load_tool('predict').main
    out = tmp_path / 'predicted'
    argv = [*map(str, segmentor), str(folder), '--out', str(out), '--save', 'labels,probabilities']
    assert predict([*argv, '--device', 'cpu']) == 0
    labels = np.array(Image.open(out / 'labels/a.png'))
    again = np.full(labels.shape, 255, np.uint8)
    for box in found['annotations']:
        mask = coco_mask.decode(box['segmentation']).astype(bool)
        assert (again[mask] == 255).all(), 'no pixel is of two regions'
        again[mask] = box['category_id'] - 1
        rows, columns = np.nonzero(mask)
        assert box['area'] == len(rows)
        polygon = np.array(box['rbox']).reshape(4, 2)
        assert polygon.min(0)[0] <= columns.min() + 1
        assert polygon.max(0)[0] >= columns.max()
    np.testing.assert_array_equal(again, labels)
    few = LABELS[labels[0, 0]]
    code, found = run(propose, *segmentor, folder, '--device', 'cpu', '--score', '0', '--class',
                      few, '--overwrite')  # fmt: skip
    assert code == 0
    assert {LABELS[box['category_id'] - 1] for box in found['annotations']} == {few}


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--class', 'yacht'], "--class 'yacht': classes are dim, bright"),
        (['--source', 'sota'], 'is a detector, of one head'),
        (['--score', '1.5'], '--score 1.5: from 0 to 1'),
        (['--window', '64', '--overlap', '64'], '--overlap 64: from 0 to 63'),
        (['--device', 'no'], 'device no: '),
    ],
)
def test_refusals(propose, tmp_path, capsys, flags, says):
    folder = write_images(tmp_path, 1)
    config, weights = write_detector(tmp_path)
    try:
        code, found = run(propose, config, weights, folder, *flags)
    except SystemExit as error:
        code, found = error.code, None
    assert (code, found) == (2, None)
    *_, line = capsys.readouterr().err.splitlines()  # mmdet's import may warn before
    assert says in line


@pytest.fixture
def looked(monkeypatch):
    """The images that a detector looks at; it is killed at those in ``looked.kill``."""

    class Looked(list):
        kill: tuple = ()

    seen, propose = Looked(), Detector.propose

    def watched(self, image, *rest):
        name = image._path.name
        if name in seen.kill:
            raise KeyboardInterrupt
        seen.append(name)
        return propose(self, image, *rest)

    monkeypatch.setattr(Detector, 'propose', watched)
    return seen


def test_the_same_command_again_is_up_to_date(propose, tmp_path, looked, capsys):
    folder = write_images(tmp_path, 2)
    common = *write_detector(tmp_path), folder, '--device', 'cpu'
    assert run(propose, *common)[0] == 0
    whole, boxes = tree(tmp_path), run(propose, *common)[1]
    capsys.readouterr()
    looked.clear()
    assert run(propose, *common) == (0, boxes)
    assert 'boxes.json is up to date: 6 boxes on 2 images' in capsys.readouterr().out
    assert (tree(tmp_path), looked) == (whole, [])
    looked.kill = ('1.png',)
    (tmp_path / 'boxes.json').unlink()
    assert run(propose, *common)[0] == 1
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    assert run(propose, *common)[0] == 0
    assert not (tmp_path / 'boxes.json.part').exists(), 'of a run that was killed at its very end'
    looked.clear()

    def refused(*flags):
        before = tree(tmp_path)
        assert run(propose, *common, *flags)[0] == 2
        assert (tree(tmp_path), looked) == (before, [])
        return capsys.readouterr().err.splitlines()[-1]

    assert 'is there already, made with other settings; another name, or --over' in refused(
        '--most', '1'
    )
    (folder / '1.png').rename(folder / '2.png')
    assert 'of other images: 2 differ, such as 1.png; another name' in refused()
    (folder / '2.png').rename(folder / '1.png')
    mask = folder / '0.png.msk'
    Image.new('L', SIZE, 255).save(mask, 'TIFF')
    assert 'of other images: 1 differs, such as 0.png; another name' in refused()
    looked.kill = ()
    assert run(propose, *common, '--overwrite')[0] == 0
    assert run(propose, *common)[0] == 0
    mask.unlink()
    looked.clear()
    assert 'of other images: 1 differs, such as 0.png; another name' in refused()
    Image.open(folder / '1.png').transpose(Image.Transpose.ROTATE_180).save(folder / '1.png')
    assert 'of other images: 2 differ, such as 0.png; another name' in refused()


@pytest.mark.parametrize('content', ['{}', '[]', 'no json', '{"info": 3, "images": [7]}'])
def test_a_file_of_somebody_else_is_not_written_over(propose, tmp_path, capsys, content):
    folder = write_images(tmp_path, 1)
    config, weights = write_detector(tmp_path)
    (tmp_path / 'boxes.json').write_text(content)
    argv = config, weights, folder, '--out', tmp_path / 'boxes.json', '--device', 'cpu'
    assert propose([*map(str, argv)]) == 2
    assert 'is there already; another name, or --overwrite' in capsys.readouterr().err
    assert (tmp_path / 'boxes.json').read_text() == content


def test_a_killed_run_goes_on(propose, tmp_path, looked, capsys):
    folder = write_images(tmp_path, 4)
    common = *write_detector(tmp_path, 'mask'), folder, '--device', 'cpu', '--score', '0.4'
    assert run(propose, *common)[0] == 0
    part, out = tmp_path / 'boxes.json.part', tmp_path / 'boxes.json'
    whole = out.read_bytes()
    assert not part.exists()
    out.unlink()
    looked.clear()
    looked.kill = ('2.png',)
    assert run(propose, *common) == (1, None)
    assert 'the same command goes on from here' in capsys.readouterr().err
    with open(part, 'ab') as file:
        file.write(b'{"path":"half a li')
    Image.open(folder / '1.png').transpose(Image.Transpose.ROTATE_180).save(folder / '1.png')
    assert run(propose, *common, '--score', '0.5') == (2, None)
    assert 'was begun with other settings (score: 0.4 -> 0.5); use the same' in (
        capsys.readouterr().err
    )
    looked.kill = ()
    assert run(propose, *common)[0] == 0
    assert looked == ['0.png', '1.png', '1.png', '2.png', '3.png'], 'the one that was replaced anew'
    assert '1 image was done by an earlier run' in capsys.readouterr().out
    assert not part.exists()
    assert out.read_bytes() != whole
    Image.open(folder / '1.png').transpose(Image.Transpose.ROTATE_180).save(folder / '1.png')
    assert run(propose, *common, '--overwrite')[0] == 0
    assert out.read_bytes() == whole


def test_only_images_that_failed_are_looked_at_again(propose, tmp_path, looked, capsys):
    folder = write_images(tmp_path, 3)
    common = *write_detector(tmp_path), folder, '--device', 'cpu'
    assert run(propose, *common)[0] == 0
    whole, good = (tmp_path / 'boxes.json').read_bytes(), (folder / '1.png').read_bytes()
    (folder / '1.png').write_bytes(good[:40])
    assert run(propose, *common, '--overwrite')[0] == 1
    assert 'boxes.json.part (with --overwrite only' in capsys.readouterr().out
    (folder / '1.png').write_bytes(good)
    looked.clear()
    assert run(propose, *common, '--overwrite')[0] == 0
    assert looked == ['1.png']
    assert (tmp_path / 'boxes.json').read_bytes() == whole


def test_with_overwrite_other_settings_begin_anew(propose, tmp_path, looked):
    folder = write_images(tmp_path, 2)
    common = *write_detector(tmp_path), folder, '--device', 'cpu', '--overwrite'
    looked.kill = ('1.png',)
    assert run(propose, *common) == (1, None)
    looked.kill = ()
    assert run(propose, *common, '--most', '1')[0] == 0
    assert looked == ['0.png', '0.png', '1.png']


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux alone')
def test_a_name_that_is_no_text_is_named(propose, tmp_path, capsys):
    folder = write_images(tmp_path, 2)
    os.rename(folder / '0.png', os.fsencode(folder) + b'/b\xe4r.png')
    code, found = run(propose, *write_detector(tmp_path), folder, '--device', 'cpu')
    assert code == 1
    assert [image['file_name'] for image in found['images']] == ['1.png']
    assert 'a name that no label file can hold; rename it' in capsys.readouterr().err
