import numpy as np
import pytest
import rasterio
from folders import write_dota
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samrs_mm.annotate.plan import Plan, Tile
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, Window
from samrs_mm.datasets.boxes.base import Scene
from samrs_mm.datasets.boxes.dota import DOTABoxDataset


@pytest.fixture
def dota(tmp_path):
    return write_dota(tmp_path / 'dota')


def planned(sizes: list[int]) -> Plan:
    """A plan with that many units in each scene, without files."""
    plan = Plan.__new__(Plan)
    plan.tiles, plan.by_scene = [], {}
    for scene, size in enumerate(sizes):
        first = len(plan.tiles)
        plan.by_scene[scene] = [Tile(first + k, f'{scene}_{k}', scene) for k in range(size)]
        plan.tiles += plan.by_scene[scene]
    return plan


def test_whole_images(dota):
    plan = Plan(DOTABoxDataset(str(dota)), None)
    assert [unit.stem for unit in plan.tiles] == ['P0000', 'P0001', 'P0002', 'P0003', 'P0004']
    assert [unit.index for unit in plan.tiles] == list(range(5))
    assert {unit.window for unit in plan.tiles} == {None}


def test_tiles_scene_by_scene(dota):
    plan = Plan(DOTABoxDataset(str(dota)), TileSpec(size=80, overlap=20))
    assert [unit.index for unit in plan.tiles] == list(range(len(plan.tiles)))
    first = plan.by_scene[0]
    assert [unit.window for unit in first] == [
        Window(0, 0, 80, 80), Window(48, 0, 80, 80), Window(0, 16, 80, 80), Window(48, 16, 80, 80)
    ]  # fmt: skip
    assert first[1].stem == 'P0000__80__48___0'
    assert [unit for units in plan.by_scene.values() for unit in units] == plan.tiles


def test_scenes_without_image_have_no_units(dota):
    (dota / 'images/P0001.png').unlink()
    plan = Plan(DOTABoxDataset(str(dota)), None)
    assert [unit.stem for unit in plan.tiles] == ['P0000', 'P0002', 'P0003', 'P0004']
    assert list(plan.by_scene) == [0, 2, 3, 4]


@pytest.mark.parametrize('drop_empty', [False, True])
def test_an_unreadable_header_leaves_a_unit_to_fail_on(dota, drop_empty):
    (dota / 'images/P0001.png').write_bytes(b'')
    tile = TileSpec(size=80, overlap=20, drop_empty=drop_empty)
    plan = Plan(DOTABoxDataset(str(dota)), tile)
    (unit,) = plan.by_scene[1]
    assert (unit.stem, unit.window) == ('P0001', None)


def test_empty_tiles_are_dropped_where_asked(dota):
    (dota / 'labelTxt/P0000.txt').write_text('2 2 12 2 12 12 2 12 ship 0\n')
    tile = TileSpec(size=40, overlap=0, drop_empty=True)
    plan = Plan(DOTABoxDataset(str(dota)), tile)
    assert [unit.stem for unit in plan.by_scene[0]] == ['P0000__40__0___0']
    assert plan.by_scene[4] == []
    assert plan.shard(0, 1)[-1][0].scene < 4


def test_tiles_of_two_scenes_never_share_a_name(tmp_path):
    root = write_dota(tmp_path / 'dota', scenes=1)
    name = 'P0000__80__48___0'
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(root / f'images/{name}.png')
    dataset = DOTABoxDataset(str(root))
    assert len(Plan(dataset, TileSpec(size=80, overlap=20)).tiles) == 5
    dataset.scenes = [*dataset.scenes, Scene('P0000', 'images/P0000.png', None)]
    with pytest.raises(RefusedError, match=r"would both be called 'P0000__80__0___0'; rename"):
        Plan(dataset, TileSpec(size=80, overlap=20))


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 6),
    st.none() | st.integers(1, 40),
)  # fmt: skip
def test_shards_are_a_partition(sizes, count, limit):
    plan = planned(sizes)
    shards = [plan.shard(number, count, limit) for number in range(count)]
    units = [unit.index for groups in shards for group in groups for unit in group]
    wanted = len(plan.tiles) if limit is None else min(limit, len(plan.tiles))
    assert sorted(units) == list(range(wanted))
    for groups in shards:
        assert [group[0].index for group in groups] == sorted(group[0].index for group in groups)
        for group in groups:
            assert len({unit.scene for unit in group}) == 1
    owners = [group[0].scene for groups in shards for group in groups]
    assert len(owners) == len(set(owners)), 'a scene is never split'
    loads = [sum(map(len, groups)) for groups in shards]
    assert max(loads) - min(loads) <= max([*sizes, 0])


def test_shards_of_equal_scenes_are_strided():
    plan = planned([1] * 10)
    for number in range(3):
        scenes = [group[0].scene for group in plan.shard(number, 3)]
        assert scenes == list(range(10))[number::3]


def test_more_shards_than_scenes():
    plan = planned([2, 3])
    assert [len(plan.shard(number, 4)) for number in range(4)] == [1, 1, 0, 0]


def test_a_large_tiff_of_small_blocks_is_handed_out_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr('samrs_mm.annotate.plan.PIECE', 4)
    data = write_dota(tmp_path / 'data', scenes=2)
    image = data / 'images/P0000.png'
    pixels = np.asarray(Image.open(image))
    with rasterio.open(image.with_suffix('.tif'), 'w', 'GTiff', width=128, height=96, count=3,
                       dtype='uint8', photometric='RGB') as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    image.unlink()
    plan = Plan(DOTABoxDataset(str(data)), TileSpec(size=32, overlap=0))
    groups = [[(t.scene, t.index) for t in group] for group in plan.shard(0, 1)]
    assert [len(group) for group in groups] == [4, 4, 4, 12]
    assert [each for group in groups for each in group] == [
        (tile.scene, tile.index) for tile in plan.tiles
    ]
    assert [len(group) for group in plan.shard(0, 2)] == [12]
    assert [len(group) for group in plan.shard(1, 2)] == [4, 4, 4]
    assert [len(group) for group in plan.shard(0, 1, 6)] == [4, 2]
