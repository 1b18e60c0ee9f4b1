import numpy as np
import pytest
from benchmark_folders import write_deepglobe

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.scenes import deepglobe
from samrs_mm.formats.scenes.deepglobe import colour_code, find_deepglobe_scenes


def side(name):
    return 'val' if name == '2334' else 'train'


def test_images_without_masks_are_left_out(tmp_path):
    written = write_deepglobe(tmp_path, ('119', '2334'), (32, 40))
    scenes = find_deepglobe_scenes(tmp_path, side, partial=True)
    assert [(scene.name, scene.split) for scene in scenes] == [('119', 'train'), ('2334', 'val')]
    for scene in scenes:
        assert scene.image.name == f'{scene.name}_sat.jpg'
        np.testing.assert_array_equal(colour_code().read(scene.label), written[scene.name])


def test_an_incomplete_download(tmp_path, monkeypatch):
    write_deepglobe(tmp_path, ('119', '2334', '6399'), (32, 40))
    with pytest.raises(RefusedError, match='3 masks are there, DeepGlobe has 803, in its folder'):
        find_deepglobe_scenes(tmp_path, side)
    monkeypatch.setattr(deepglobe, 'SCENES', 3)
    assert len(find_deepglobe_scenes(tmp_path, side)) == 3
    (tmp_path / 'train/119_sat.jpg').unlink()
    with pytest.raises(RefusedError, match=r'1 of 6 files is missing, such as 119_sat.jpg; unpack'):
        find_deepglobe_scenes(tmp_path, side)
    assert len(find_deepglobe_scenes(tmp_path, side, partial=True)) == 2


def test_nothing_there(tmp_path):
    with pytest.raises(RefusedError, match=r'no scene with both files, such as 119_sat\.jpg'):
        find_deepglobe_scenes(tmp_path, side)
