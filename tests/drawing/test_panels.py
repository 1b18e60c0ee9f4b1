"""Panels: what is drawn in image pixels lands where it should on the reduced picture."""

import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import outline_colour
from samrs_mm.drawing.panels import open_panel, pixel_panel

RED, NAVY = (230, 60, 60), (0, 0, 127)


def grey(height=60, width=80, value=100):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_scenes_are_reduced_strip_by_strip_to_means(tmp_path, suffix):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (640, 1280, 3), np.uint8)
    path = tmp_path / f'scene.{suffix}'
    Image.fromarray(pixels).save(path)
    panel = open_panel(SceneImage(path, stream=True), 160)
    expected = pixels.reshape(80, 8, 160, 8, 3).mean((1, 3))
    assert panel.picture.shape == (80, 160, 3)
    assert panel.scale == 160 / 1280
    assert np.abs(panel.picture - expected).max() <= 1

    part = open_panel(SceneImage(path), 64, Window(100, 40, 64, 32))
    np.testing.assert_array_equal(part.picture, pixels[40:72, 100:164])
    np.testing.assert_array_equal(part.place([[101, 42]]), [[1, 2]])


def test_small_images_are_enlarged_at_most_four_times():
    assert pixel_panel(grey(20, 30), 800).picture.shape == (80, 120, 3)


@pytest.mark.parametrize('side', [20, 40, 80, 160, 320])
def test_masks_are_tinted_where_they_lie(side):
    panel = pixel_panel(grey(), side)
    mask = np.ones((24, 32), bool)
    panel.mask((16, 20, mask), RED)
    scale = side / 80
    inside = panel.picture[int(32 * scale), int(32 * scale)]
    np.testing.assert_array_equal(inside, (0.55 * 100 + 0.45 * np.array(RED)).astype(np.uint8))
    changed = (panel.picture != 100).any(2)
    assert changed.sum() == pytest.approx(24 * 32 * scale**2, rel=0.02)
    assert not changed[: int(20 * scale)].any()
    assert not changed[:, int(48 * scale) :].any()


def test_label_maps_take_the_palette_and_leave_255_clear():
    labels = np.full((60, 80), 255, np.uint8)
    labels[10:30, 10:40], labels[10:30, 40:70], labels[40:50, 40:50] = 0, 1, 7
    panel = pixel_panel(grey(), 80)
    panel.labels(labels, [RED, NAVY])
    np.testing.assert_array_equal(panel.picture[20, 20], (50 + np.array(RED) / 2).astype(np.uint8))
    np.testing.assert_array_equal(panel.picture[20, 55], [50, 50, 113])
    assert (panel.picture[labels == 255] == 100).all()
    assert (panel.picture[40:50, 40:50] == 100).all(), 'a value without a colour is no class'
    assert outline_colour(NAVY) == (255, 255, 255)
    assert (panel.picture[10, 45:65] == 255).all(), 'dark areas get a light outline'
    np.testing.assert_array_equal(panel.picture[10, 25], RED)


def test_polygons_and_crosses_lie_in_image_pixels():
    panel = pixel_panel(grey(), 160)
    panel.polygon(np.array([[10, 10], [40, 10], [40, 40], [10, 40]]), RED)
    panel.cross(np.array([60, 30]), NAVY)
    np.testing.assert_array_equal(panel.picture[20, 50], RED)
    np.testing.assert_array_equal(panel.picture[50, 80], RED)
    np.testing.assert_array_equal(panel.picture[50, 50], [100] * 3)
    np.testing.assert_array_equal(panel.picture[60, 120], NAVY)


def test_dashed_lines_have_gaps_and_hatching_shows_the_ground():
    square = np.array([[10, 10], [70, 10], [70, 50], [10, 50]])
    solid, dashed, hatched = (pixel_panel(grey(), 320) for _ in range(3))
    solid.polygon(square, RED)
    dashed.polygon(square, RED, dashed=True)
    hatched.hatch(square, RED)
    drawn = [(panel.picture == RED).all(2) for panel in (solid, dashed, hatched)]
    assert 0.3 * drawn[0].sum() < drawn[1].sum() < 0.8 * drawn[0].sum()
    inside = drawn[2][60:180, 60:260]
    assert 0.15 < inside.mean() < 0.4
    assert not (hatched.picture[60:180, 60:260] == 100).all(2).any()


@pytest.mark.parametrize('corner', [np.nan, np.inf, None, 1e12])
def test_boxes_without_a_place_do_no_harm(corner):
    panel = pixel_panel(grey(), 80)
    square = [[20, 20], [30, 20], [30, 30], [20, corner]]
    panel.polygon(square, RED)
    panel.hatch(square, RED)
    panel.tags([(square, 'name', RED)])
    panel.cross([corner, 3], RED)
    assert panel.picture.shape == (60, 80, 3)
    assert (panel.picture != 100).any() == (corner == 1e12)


def test_names_never_cover_each_other_and_each_name_is_there_once():
    panel = pixel_panel(grey(200, 200), 200)
    square = np.array([[80, 80], [120, 80], [120, 120], [80, 120]])
    colours = [(200, 30 * number, 10) for number in range(4)]
    panel.tags([(square + number, 'ship', colours[number]) for number in range(4)])
    shown = [(panel.picture == colour).all(2) for colour in colours]
    areas = [mask.sum() for mask in shown]
    assert areas[0] > 100
    columns, rows = (np.flatnonzero(shown[0].any(axis)) for axis in (0, 1))
    assert rows[-1] < 80, 'above the polygon'
    assert abs(columns.mean() - 80) < 25
    others = [(square, 'plane', (0, 255, 0)), (square, 'ship', (255, 0, 0))]
    panel = pixel_panel(grey(200, 200), 200)
    panel.tags(others)
    for _, _, colour in others:
        assert (panel.picture == colour).all(2).sum() > 100


def test_crowds_are_recognised():
    panel = pixel_panel(grey(400, 400), 400)
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    assert panel.crowded([square, square + 50])
    assert not panel.crowded([square * 5, square * 4, square])
    assert not panel.crowded([])
    assert not panel.crowded([square * np.nan])
