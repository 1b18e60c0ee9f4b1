import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from samrs_mm.drawn.dataset import scene_names
from samrs_mm.drawn.scenes import DOMAINS, draw_scene

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'make_demo_data.py'


def load_main():
    spec = importlib.util.spec_from_file_location('make_demo_data', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


main = load_main()


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'demo'
    assert main([str(folder), '--size', '256']) == 0
    return folder


def test_labels_and_annotations_tell_the_same(demo):
    coco = json.loads((demo / 'annotations.json').read_text())
    names = {category['id']: category['name'] for category in coco['categories']}
    assert list(names.values()) == sorted(names.values())
    expected = []
    for name, _ in scene_names(6):
        lines = (demo / 'labelTxt' / f'{name}.txt').read_text().splitlines()
        assert lines[:2] == ['imagesource:demo', 'gsd:0.3']
        for number, line in enumerate(lines[2:], 3):
            *numbers, category, difficult = line.split(' ')
            assert difficult in ('0', '1')
            expected.append(
                (f'labelTxt/{name}.txt:{number}', [float(n) for n in numbers], category)
            )
    found = [(a['box_id'], a['rbox'], names[a['category_id']]) for a in coco['annotations']]
    assert len(found) > 20
    assert found == expected
    assert len({a['id'] for a in coco['annotations']}) == len(found)


def test_rle_holds_the_known_masks(demo):
    coco = json.loads((demo / 'annotations.json').read_text())
    for index, image in enumerate(coco['images']):
        kind = scene_names(6)[index][1]
        scene = draw_scene(kind, 256, np.random.default_rng([0, 0, index]))
        picture = cv2.imread(str(demo / image['file_name']))[..., ::-1]
        np.testing.assert_array_equal(picture, scene.image)
        annotations = [a for a in coco['annotations'] if a['image_id'] == image['id']]
        assert len(annotations) == len(scene.objects)
        for annotation, item in zip(annotations, scene.objects, strict=True):
            mask = coco_mask.decode(annotation['segmentation']) > 0
            np.testing.assert_array_equal(mask, item.full_mask(256, 256))
            ys, xs = np.nonzero(mask)
            x, y, w, h = annotation['bbox']
            assert (x, y, x + w, y + h) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            assert annotation['area'] == mask.sum()


def test_the_same_options_give_the_same_bytes(demo, tmp_path):
    arguments = [sys.executable, str(TOOL), str(tmp_path / 'demo'), '--size', '256']
    output = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert '[6/6] stadium_000' in output
    assert f'dota_boxnet_rbox.py --data-root {tmp_path / "demo"}' in output
    assert hashes(tmp_path / 'demo') == hashes(demo)


def test_a_second_run_replaces_the_first(tmp_path, capsys):
    assert main([str(tmp_path), '--size', '64', '--scenes', '3']) == 0
    assert main([str(tmp_path), '--size', '64', '--scenes', '1', '--format', 'coco']) == 0
    assert sorted(hashes(tmp_path)) == ['annotations.json', 'images/harbour_000.png']
    assert 'coco_boxnet_hbox.py' in capsys.readouterr().out


def test_domain_b_has_its_own_classes(tmp_path):
    assert main([str(tmp_path), '--size', '128', '--domain', 'b', '--scenes', '7']) == 0
    coco = json.loads((tmp_path / 'annotations.json').read_text())
    names = {category['name'] for category in coco['categories']}
    assert {'vehicle', 'storagetank'} <= names <= set(DOMAINS['b'].categories.values())


@pytest.mark.parametrize('foreign', ['notes.txt', 'images/harbour_000.png', 'annotations.json'])
def test_a_folder_with_other_files_is_refused(tmp_path, capsys, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text('mine')
    assert main([str(tmp_path), '--size', '64']) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert f'{tmp_path} holds files that are not of this tool, such as {foreign}' in error
    assert hashes(tmp_path) == {foreign: hashlib.sha256(b'mine').hexdigest()}


@pytest.mark.parametrize('arguments', [['--scenes', '0'], ['--size', '20'], ['--seed', '-1']])
def test_bad_numbers_are_refused(tmp_path, capsys, arguments):
    assert main([str(tmp_path / 'new'), *arguments]) == 2
    assert 'must be at least' in capsys.readouterr().err
    assert not (tmp_path / 'new').exists()


def test_a_file_in_the_way_is_one_line(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main([str(tmp_path / 'file')]) != 0
    assert capsys.readouterr().err.count('\n') == 1


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ('annotations.json', 'box_id', 'visible', 'example'):
        assert word in text
