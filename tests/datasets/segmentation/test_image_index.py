import pytest
from samrs_folders import write_released

from samrs_mm.datasets.segmentation.image_index import pair_files, read_entries, scene_of


@pytest.mark.parametrize(('stem', 'scene'), [
    ('P0003__1024__824___0', 'P0003'), ('valid_7__600__0___450', 'valid_7'),
    ('2_10__512__48___0', '2_10'), ('P0003_0007', 'P0003'), ('P11021_0012', 'P11021'),
    ('train_12_0003', 'train_12'), ('valid_24775_0000', 'valid_24775'),
])  # fmt: skip
def test_scene_of_tiles(stem, scene):
    assert scene_of(stem) == scene


@pytest.mark.parametrize('stem', [
    '00012', 'train_0012', 'img_2021_0714', 'S2A_20210714_0003', 'city_1_0001', 'top_2_10_0001',
    'P0003_7', 'P12_0007', 'xP0003_0007',
])  # fmt: skip
def test_other_names_that_end_in_numbers_are_their_own_scene(stem):
    assert scene_of(stem) == stem


def test_scenes_of_the_release(tmp_path):
    stems = ['P0003_0000', 'P0003_0001', 'img_2021_0714', 'img_2021_0715']
    entries = read_entries(write_released(tmp_path / 'x', stems))
    assert {entry.stem: entry.scene for entry in entries} == {
        'P0003_0000': 'P0003', 'P0003_0001': 'P0003',
        'img_2021_0714': 'img_2021_0714', 'img_2021_0715': 'img_2021_0715',
    }  # fmt: skip


def test_folders_of_images_and_labels_in_capitals(tmp_path):
    root = write_released(tmp_path / 'x', ['a', 'b'])
    for path in [path for path in root.iterdir() if path.is_dir()]:
        path.rename(root / path.name.capitalize())
    assert [entry.stem for entry in read_entries(root)] == ['a', 'b']


def test_stems_of_images_in_subfolders_have_forward_slashes(tmp_path):
    for name in ('images/north/a.png', 'labels/north/a.png'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b'')
    (entry,), bare = pair_files(tmp_path / 'images', tmp_path / 'labels')
    assert (entry.stem, bare) == ('north/a', [])


def test_our_own_outputs_among_images_are_passed_over(tmp_path):
    for name in 'images/a.png', 'labels/a.png', 'images/out/labels/a.png':
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'images/out/predictions.json').write_text('{"settings": {}, "classes": []}')
    entries, bare = pair_files(tmp_path / 'images', tmp_path / 'labels')
    assert [entry.stem for entry in entries] == ['a']
    assert bare == []
