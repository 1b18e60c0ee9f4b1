import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samrs_mm.core import tiling
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.tiling import TileSpec, Window

specs = st.integers(1, 60).flatmap(
    lambda size: st.builds(TileSpec, size=st.just(size), overlap=st.integers(0, size - 1))
)
sides = st.integers(1, 200)
finite = st.floats(-50, 250)
quads = st.lists(st.tuples(*[finite] * 8), max_size=6).map(
    lambda boxes: np.array(boxes, float).reshape(-1, 4, 2)
)


def slanted(x, y, width, height, angle):
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2]
    return half @ axes + [x, y]


@given(sides, sides, specs)
def test_tiles_cover_every_pixel_and_stay_inside_where_they_fit(width, height, spec):
    seen = np.zeros((height, width), bool)
    tiles = tiling.windows(width, height, spec)
    for tile in tiles:
        assert (tile.width, tile.height) == (spec.size, spec.size)
        seen[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = True
        for start, side in ((tile.x, width), (tile.y, height)):
            assert start + spec.size <= side if side >= spec.size else start == 0
    assert seen.all()
    assert len(set(tiles)) == len(tiles)
    assert [(t.y, t.x) for t in tiles] == sorted((t.y, t.x) for t in tiles)


def test_clips_of_samrs_are_as_many_as_the_paper_counts():
    """4, 3 and 2 clips a side, the last of them shifted back to the border."""
    spec = TileSpec(size=384, overlap=384 - 300)
    for side, starts in ((1024, [0, 300, 600, 640]), (800, [0, 300, 416]), (600, [0, 216])):
        assert sorted({clip.x for clip in tiling.windows(side, side, spec)}) == starts
    images = {(1024, 1024): 16_606, (800, 800): 11_139, (600, 600): 60_940}
    assert sum(images.values()) == 88_685
    assert tiling.count_tiles(images, spec) == 609_707
    assert tiling.count_tiles({}, spec) == 0
    assert tiling.count_tiles({(1024, 600): 3}, spec) == 3 * 4 * 2


@given(sides, specs)
def test_neighbours_overlap_at_least_as_asked(side, spec):
    starts = sorted({tile.x for tile in tiling.windows(side, 1, spec)})
    gaps = np.diff(starts)
    assert (gaps <= spec.size - spec.overlap).all()
    assert (gaps[:-1] == spec.size - spec.overlap).all()
    assert len(starts) == max(1, -(-(side - spec.overlap) // (spec.size - spec.overlap)))


def test_doctest_sizes_of_dota():
    tiles = tiling.windows(2000, 1024, TileSpec())
    assert tiles == [
        Window(0, 0, 1024, 1024),
        Window(824, 0, 1024, 1024),
        Window(976, 0, 1024, 1024),
    ]
    assert tiling.windows(500, 300, TileSpec()) == [Window(0, 0, 1024, 1024)]


@given(
    st.integers(60, 200), st.integers(60, 200), st.floats(1, 14), st.floats(1, 14),
    st.floats(0, 3.2), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_what_fits_into_the_overlap_is_taken_whole(width, height, w, h, angle, u, v):
    spec = TileSpec(size=50, overlap=20, iof=1.0)
    reach = np.hypot(w, h) / 2
    box = slanted(reach + u * (width - 2 * reach), reach + v * (height - 2 * reach), w, h, angle)
    box = np.clip(box, 0, [width, height])
    tiles = tiling.windows(width, height, spec)
    whole = [
        (box >= (tile.x, tile.y)).all() and (box <= (tile.x + 50, tile.y + 50)).all()
        for tile in tiles
    ]
    assigned = tiling.assign(box[None], tiles, spec.iof)
    assert any(whole)
    assert [len(chosen) == 1 for chosen in assigned] >= whole
    assert all(len(chosen) for chosen, inside in zip(assigned, whole, strict=True) if inside)


def slow_share(box, tile, step=0.05):
    """Share of a convex box inside a tile, by sampling its own bounds densely."""
    low, high = box.min(axis=0), box.max(axis=0)
    xs, ys = (np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    edges = np.roll(box, -1, axis=0) - box
    offsets = points[:, None] - box
    crosses = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    inside = points[(crosses >= 0).all(axis=1)]
    x, y = inside.T
    return (
        (x >= tile.x) & (x < tile.x + tile.width) & (y >= tile.y) & (y < tile.y + tile.height)
    ).mean()


@settings(max_examples=60)
@given(
    st.floats(-5, 55), st.floats(-5, 55), st.floats(2, 18), st.floats(2, 18), st.floats(0, 3.2),
    st.sampled_from([0.2, 0.5, 0.7, 0.95]),
)  # fmt: skip
def test_share_against_counted_points(x, y, width, height, angle, iof):
    box, tile = slanted(x, y, width, height, angle), Window(10, 5, 30, 30)
    share = slow_share(box, tile)
    (chosen,) = tiling.assign(box[None], [tile], iof)
    if abs(share - iof) > 0.02:
        assert len(chosen) == (share >= iof)


@given(quads, st.integers(0, 5))
def test_each_box_is_judged_by_itself(boxes, extra):
    tiles = tiling.windows(120, 90, TileSpec(size=40, overlap=10))
    together = tiling.assign(boxes, tiles, 0.5)
    assert len(together) == len(tiles)
    for tile, chosen in zip(tiles, together, strict=True):
        assert chosen.tolist() == sorted(chosen.tolist())
        alone = [i for i in range(len(boxes)) if len(tiling.assign(boxes[[i]], [tile], 0.5)[0])]
        assert chosen.tolist() == alone


def test_boxes_without_area_go_by_their_centre_and_nan_goes_nowhere():
    tiles = [Window(0, 0, 50, 50), Window(50, 0, 50, 50)]
    point, line = (
        np.tile([50.0, 20.0], (4, 1)),
        np.array([[10, 10], [70, 10], [70, 10], [10, 10.0]]),
    )
    nan = np.full((4, 2), np.nan)
    half = np.array([[10, 10], [np.inf, 10], [20, 20], [10, 20]])
    assigned = tiling.assign(np.stack([point, line, nan, half]), tiles, 0.7)
    assert [chosen.tolist() for chosen in assigned] == [[1], [0]]
    assert [len(chosen) for chosen in tiling.assign(np.empty((0, 4, 2)), tiles, 0.7)] == [0, 0]


def test_a_box_that_crosses_itself_has_the_area_of_its_two_halves():
    bowtie = np.array([[0, 0], [10, 10], [10, 0], [0, 10.0]])
    left, none = tiling.assign(bowtie[None], [Window(0, 0, 5, 10), Window(6, 0, 50, 10)], 0.5)
    assert (len(left), len(none)) == (1, 0)


def test_names_carry_scene_and_offset():
    window = Window(824, 0, 1024, 1024)
    assert tiling.tile_stem('P0001', window) == 'P0001__1024__824___0'


def test_padding_is_the_mean_of_imagenet_as_rgb():
    """BboxToolkit and mmrotate write 104, 116, 124 into images that OpenCV read, so as BGR."""
    assert TileSpec().pad == tuple(np.round(np.array([0.485, 0.456, 0.406]) * 255).astype(int))


def test_from_config():
    assert TileSpec.from_config(None) is None
    assert TileSpec.from_config({}) == TileSpec()
    spec = TileSpec.from_config(dict(size=600, overlap=150, iof=0.5, pad=[0, 1, 2]))
    assert spec == TileSpec(600, 150, 0.5, (0, 1, 2))
    assert spec.as_dict() == dict(size=600, overlap=150, iof=0.5, pad=[0, 1, 2], drop_empty=False)
    assert TileSpec.from_config(spec.as_dict()) == spec


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (600, 'tile: 600 is not None or dict(size=1024'),
        (dict(sise=600), "tile: unknown key 'sise'; allowed: size, overlap"),
        (dict(size=0), 'tile: size 0 must be a whole number of at least 1'),
        (dict(size=600.5), 'tile: size 600.5 must be'),
        (dict(size='big'), "tile: size 'big' must be"),
        (dict(size=100), 'tile: overlap 200 must be in 0..99 (less than size)'),
        (dict(overlap=-1), 'tile: overlap -1 must be in 0..1023'),
        (dict(iof=0), 'tile: iof 0 must be in (0, 1]'),
        (dict(iof=1.1), 'tile: iof 1.1'),
        (dict(iof=float('nan')), 'tile: iof nan'),
        (dict(iof='half'), "tile: iof 'half'"),
        (dict(pad=0), 'tile: pad 0 must be three values in 0..255 (RGB)'),
        (dict(pad=[0, 0]), 'tile: pad [0, 0]'),
        (dict(pad=(0, 0, 256)), 'tile: pad (0, 0, 256)'),
        (dict(drop_empty='no'), "tile: drop_empty 'no' must be True or False"),
    ],
)
def test_impossible_settings_are_refused(config, message):
    with pytest.raises(RefusedError, match=re.escape(message)):
        TileSpec.from_config(config)


@pytest.mark.parametrize('scene', ['P0003', '2_10', 'a__5__b', 'train_12__896__0___3'])
def test_a_tiles_name_tells_scene_and_place(scene):
    window = tiling.Window(320, 5488, 512, 512)
    assert tiling.parse_tile_stem(tiling.tile_stem(scene, window)) == (scene, window)


@pytest.mark.parametrize('stem', ['P0003', 'P0003_0007', 'P0003__512__0__0', '__512__0___0'])
def test_other_names_are_no_tiles(stem):
    with pytest.raises(ValueError, match='not a tile name SCENE__SIZE__X___Y'):
        tiling.parse_tile_stem(stem)
