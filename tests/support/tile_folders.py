"""Tile folders as ``prepare_potsdam.py`` and ``prepare_isaid.py`` leave them, only smaller."""

import json

import numpy as np
from PIL import Image

from samrs_mm.core.tiling import TileSpec, tile_stem, windows
from samrs_mm.formats.scenes import isaid, potsdam

CLASSES = dict(potsdam=potsdam.CLASSES, isaid=isaid.CLASSES)
SPLITS = dict(potsdam=('train', 'test'), isaid=('train', 'val'))


def write_tiles(root, data, scenes, size=64, side=96, seed=0):
    """Write scenes of ``side`` px, cut with half a tile's overlap, to ``root``.

    Returns:
        Their labels ``(side, side)`` by name; the image tells the class by its brightness.
    """
    for folder in ('images', 'labels'):
        (root / folder).mkdir(parents=True)
    spec = TileSpec(size=size, overlap=size // 2)
    rng = np.random.default_rng(seed)
    labels = {}
    for scene in scenes:
        coarse = rng.integers(0, len(CLASSES[data]), (-(-side // 16), -(-side // 16)))
        label = np.kron(coarse, np.ones((16, 16), np.uint8))[:side, :side].astype(np.uint8)
        image = np.repeat(label[..., None] * 15 + 10, 3, -1) + rng.integers(0, 9, (side, side, 3))
        label[rng.random(label.shape) < 0.1] = 255
        labels[scene] = label
        for tile in windows(side, side, spec):
            name = f'{tile_stem(scene, tile)}.png'
            for folder, pixels in (('images', image.astype(np.uint8)), ('labels', label)):
                part = pixels[tile.y : tile.y + size, tile.x : tile.x + size]
                Image.fromarray(part).save(root / folder / name)
    settings = dict(tile=dict(size=size, overlap=size // 2, pad=[0, 0, 0]))
    sizes = {scene: [side, side] for scene in scenes}
    meta = dict(partial=False, settings=settings, counts={}, scenes=sizes)
    (root / 'tiles.json').write_text(json.dumps(meta))
    return labels
