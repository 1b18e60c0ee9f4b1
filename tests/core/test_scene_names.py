import re

import pytest

from samrs_mm.core.scene_names import by_pattern, grid_neighbours, scene_in_name, scenes_of


@pytest.mark.parametrize(('stem', 'scene'), [
    ('P0003__1024__824___0', 'P0003'), ('2_10__512__48___0', '2_10'),
    ('P0003__1__512___0', 'P0003'),
    ('P0003__0.5__512___1024', 'P0003'), ('P0003_0007', 'P0003'),
    ('valid_24775_0000', 'valid_24775'),
    ('2_10_0_0_512_512', '2_10'), ('P0003_0_896_512_1408', 'P0003'),
    ('area1_1024_0_1536_512', 'area1'), ('city-0-512-512-1024', 'city'), ('a_x512_y0', 'a'),
    ('a_y0512_x1024_w256_h256', 'a'), ('a_r3_c14', 'a'), ('x_aug1', 'x'), ('x_vflip', 'x'),
    ('x_rot270', 'x'), ('x_flip_lr', 'x'), ('x_png.rf.0123456789abcdef0123456789abcdef', 'x'),
    ('P0003_0_896_512_1408_hflip', 'P0003'), ('aug2_P0003__512__0___0', 'P0003'),
    ('P0003_aug__512__0___0', 'P0003'), ('M-33-20-D-c-4-2_118', 'M-33-20-D-c-4-2'),
    ('c_original_x.jpg_01234567-89ab-cdef-0123-456789abcdef', 'x'),
])  # fmt: skip
def test_names_that_tell_their_scene(stem, scene):
    assert scene_in_name(stem) == scene


@pytest.mark.parametrize('stem', [
    '00012', 'train_0012', 'img_2021_0714', 'S2A_20210714_0003', 'city_1_0001', 'top_2_10_0001',
    'P0003_7', 'xP0003_0007', 'img_2019_06_2020_07', '2021-07-14-0930', 'top_mosaic_09cm_area1',
    'S2A_MSIL2A_20210714T102021_N0301_R065_T32TQM', 'noise', 'flip', 'a_1_2_3_4', '2_10',
])  # fmt: skip
def test_other_names_do_not(stem):
    assert scene_in_name(stem) is None


@pytest.mark.parametrize('names', [
    [f'austin{n}_{x}_{y}' for n in range(3) for x in (0, 412, 900) for y in (0, 412)],
    [f'a{n}_{x:05}_{y:05}' for n in range(3) for x in (0, 512) for y in (0, 512)],
    [f'a{n}_{row}_{column}' for n in range(3) for row in range(3) for column in range(2)],
    [f'a{n}_{row}_{column:02}' for n in range(3) for row in (1, 2) for column in (1, 2, 3)],
    [f'a{n}_{x}_{y}_{x + 640}_{y + 512}' for n in range(3) for x in (0, 512) for y in (0, 400)],
])  # fmt: skip
def test_what_all_names_together_tell(names):
    assert scenes_of(names) == {name: re.split('_', name)[0] for name in names}


@pytest.mark.parametrize('names', [
    [f'img_{year}_{month:02}{day:02}' for year in (2020, 2021) for month in (6, 7)
     for day in (1, 9)],
    [f'top_potsdam_{row}_{column}' for row in range(2, 7) for column in range(7, 13)],
    [f'airport_{n}' for n in range(9)] + [f'beach_{n}' for n in range(9)],
    [f'{n:05}' for n in range(20)],
    [f'a_{row}_{column}' for row in range(4) for column in range(4)],
])  # fmt: skip
def test_what_they_do_not_tell(names):
    assert set(scenes_of(names).values()) == {None}


def test_a_picture_is_of_the_scene_of_its_copies():
    assert scenes_of(['x', 'x_hflip', 'y']) == {'x': 'x', 'x_hflip': 'x', 'y': None}


@pytest.mark.parametrize(('pattern', 'scene'), [
    (r'(.+)_\d+', 'a_b'), (r'\w_(?P<scene>\w)_', 'b'), (r'[a-z]', 'a'), (r'(\d)-', None),
])  # fmt: skip
def test_a_users_pattern(pattern, scene):
    assert by_pattern(re.compile(pattern), ['a_b_12']) == {'a_b_12': scene}


def test_neighbours_in_a_grid():
    assert grid_neighbours({'2_10', '2_11', '3_11'}) == [('2_10', '2_11'), ('2_11', '3_11')]
    assert grid_neighbours({'P0001', 'P0002'}) == []
    assert grid_neighbours({'2_10', '5_14', '7_2'}) == []
