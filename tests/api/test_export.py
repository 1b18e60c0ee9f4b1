"""Tiles on which a file is compared with the network that it was made of."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from samrs_mm.api import export
from samrs_mm.core.errors import RefusedError, SamrsError

PIXELS = np.random.default_rng(3).integers(0, 256, (70, 100, 3), np.uint8)


def shown(window):
    model = SimpleNamespace(divisor=1)
    return SimpleNamespace(predictor=SimpleNamespace(window=window, model=model), rule=None)


def test_no_more_images_are_read_than_needed(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / 'a.png')
    (tmp_path / 'b.png').write_text('no image')
    size = (32, 48)
    tiles = export._cut(shown(size), [size] * 4, [str(tmp_path)])
    wanted = [PIXELS[:32, :48], PIXELS[:32, 48:96], PIXELS[32:64, :48], PIXELS[32:64, 48:96]]
    np.testing.assert_array_equal(tiles, wanted)
    with pytest.raises(SamrsError, match=r'b\.png'):
        export._cut(shown(size), [size] * 5, [str(tmp_path)])
    with pytest.raises(RefusedError, match='no image holds a window of 71 x 9 px'):
        export._cut(shown((71, 9)), [(71, 9)], [str(tmp_path / 'a.png')])


def test_drawn_tiles_fit_the_network():
    for tile in export._drawn(export._sizes(32, 10, None)):
        assert tile.dtype == np.uint8
        assert [side % 32 for side in tile.shape[:2]] == [0, 0]
    assert {tile.shape for tile in export._drawn(export._sizes(32, 3, 64))} == {(64, 64, 3)}
    assert len({tile.shape for tile in export._drawn(export._sizes(14, 10, None))}) == 10


def test_windows_are_cut_to_sizes_that_the_network_takes(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / 'a.png')
    network = shown((40, 50))
    network.predictor.model.divisor = 16
    tiles = export._cut(network, [(16, 64), (64, 16)], [str(tmp_path)])
    assert [tile.shape for tile in tiles] == [(16, 48, 3), (32, 16, 3)]
