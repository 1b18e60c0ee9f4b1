"""Pieces of pictures: at full zoom the pixels themselves, beyond it their means."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import SceneImage
from samrs_mm.review.server import scene_views
from samrs_mm.review.server.scene_views import SIDE, SceneView


@pytest.fixture(scope='module')
def pixels():
    return np.random.default_rng(0).integers(0, 256, (SIDE + 37, 2 * SIDE + 61, 3), np.uint8)


@pytest.mark.parametrize('whole', [4096, 300])
def test_pieces_at_full_zoom_are_the_pixels(pixels, monkeypatch, whole):
    """Also of a picture of which only a smaller copy is held."""
    monkeypatch.setattr(scene_views, '_WHOLE', whole)
    view = SceneView(SceneImage.of_array(pixels))
    assert (view.level > 0) == (whole == 300)
    rows = [
        np.concatenate([view.piece(0, column, row) for column in range(3)], axis=1)
        for row in range(2)
    ]
    np.testing.assert_array_equal(np.concatenate(rows), pixels)
    assert view.piece(0, 3, 0) is None
    assert view.piece(0, 0, 2) is None
    np.testing.assert_array_equal(view.pixels(), pixels)


@pytest.mark.parametrize('whole', [4096, 600, 300])
def test_coarse_pieces_are_the_whole_picture_smaller(pixels, monkeypatch, whole):
    monkeypatch.setattr(scene_views, '_WHOLE', whole)
    smooth = cv2.GaussianBlur(pixels, (0, 0), 9)
    view = SceneView(SceneImage.of_array(smooth))
    found = view.piece(3, 0, 0)
    assert found.shape == (69, 136, 3)
    expected = cv2.resize(smooth, (136, 69), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected).max() <= 4


def test_a_piece_as_jpeg_is_near_the_pixels(pixels):
    smooth = cv2.GaussianBlur(pixels, (0, 0), 3)
    view = SceneView(SceneImage.of_array(smooth))
    found = cv2.imdecode(np.frombuffer(view.jpeg(0, 0, 0), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(found.astype(int) - smooth[:SIDE, :SIDE]).max() < 12
    assert view.jpeg(0, 9, 0) is None


def test_few_pictures_are_held(session, monkeypatch):
    monkeypatch.setattr(scene_views, '_HELD', 1)
    first = session.view('P0000')
    assert session.view('P0000') is first
    session.view('P0001')
    assert session.view('P0000') is not first


def test_a_picture_that_was_replaced_while_the_server_runs_is_named(session, place):
    session.view('P0000')
    path = place / 'dota/images/P0000.png'
    Image.new('RGB', (128, 96), 'red').save(path)
    with pytest.raises(ImageReadError, match='was replaced since it was annotated'):
        session.view('P0000')
    os.remove(path)
    with pytest.raises(ImageReadError, match=r'P0000\.png: no such image'):
        session.view('P0000')
