"""Small downloads of ISPRS Potsdam and iSAID: the real layouts, file names and known defects."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

POTSDAM_COLOURS = np.array(
    [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0),
     (0, 0, 0)], np.uint8)  # fmt: skip
"""Impervious surface, building, low vegetation, tree, car, clutter, eroded boundary."""
POTSDAM_VALUES = np.array([0, 1, 2, 3, 4, 255, 255], np.uint8)
CARS_OF_6_7 = (252, 255, 0)

ISAID_NUMBERS = (
    0, 4128768, 4144896, 16128, 8339200, 12533504, 16727808, 4161280, 8355584, 8323072, 12517376,
    16711680, 8371968, 12549888, 16744192, 10183680,
)  # fmt: skip
"""Background and 15 classes as the devkit numbers them: R + 256 G + 65536 B."""


def blobs(seed: int, size: tuple[int, int], classes: int) -> np.ndarray:
    """Return ``(H, W)`` class indices in blocks, so that PNGs stay small and all classes occur."""
    rng = np.random.default_rng(seed)
    coarse = rng.permuted(np.resize(np.arange(classes), (-(-size[0] // 16), -(-size[1] // 16))))
    return np.kron(coarse, np.ones((16, 16), int))[: size[0], : size[1]]


def picture(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Return an image ``(H, W, 3)`` that tells its pixels' places."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([y % 251, x % 241, np.full_like(x, seed * 7 % 256)], -1).astype(np.uint8)


def write_potsdam(
    root: Path,
    names: Iterable[str],
    size: tuple[int, int] = (640, 560),
    kind: str = '_noBoundary',
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write scenes; return image and label ``(H, W)`` by scene. 4_12 and 6_7 have their defects."""
    images, labels = root / '2_Ortho_RGB', root / f'5_Labels_all{kind}'
    for path in (images, labels):
        path.mkdir(parents=True, exist_ok=True)
    written = {}
    for seed, name in enumerate(names):
        image, kinds = picture(seed, size), blobs(seed, size, 7)
        colours = POTSDAM_COLOURS[kinds]
        if name == '4_12':
            noise = np.random.default_rng(seed).integers(0, 87, colours.shape).astype(np.uint8)
            colours = np.where(colours > 0, colours - noise, noise)
        if name == '6_7':
            colours[kinds == 4] = CARS_OF_6_7
        Image.fromarray(image).save(images / f'top_potsdam_{name}_RGB.tif')
        Image.fromarray(colours).save(labels / f'top_potsdam_{name}_label{kind}.tif')
        written[name] = image, POTSDAM_VALUES[kinds]
    return written


def write_isaid(
    root: Path,
    sizes: dict[str, tuple[int, int]],
    images: str = 'images/images',
    masks: str = 'Semantic_masks/images/images',
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write scenes of ``{'train/P0003': (height, width)}``; return image and label by key."""
    numbers = np.array(ISAID_NUMBERS)
    colours = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], -1).astype(np.uint8)
    written = {}
    for seed, (key, size) in enumerate(sizes.items()):
        split, name = key.split('/')
        for folder in (images, masks):
            (root / split / folder).mkdir(parents=True, exist_ok=True)
        image, label = picture(seed, size), blobs(seed, size, 16)
        Image.fromarray(image).save(root / split / images / f'{name}.png')
        mask = root / split / masks / f'{name}_instance_color_RGB.png'
        Image.fromarray(colours[label]).save(mask)
        Image.fromarray(colours[label]).save(mask.with_name(f'{name}_instance_id_RGB.png'))
        written[key] = image, label
    return written


def put_together(root: Path, name: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a scene's image and label from its tiles, places read from their names."""
    image, label = np.zeros((*size, 3), np.uint8), np.full(size, 254, np.uint8)
    for path in sorted((root / 'images').glob(f'{name}__*.png')):
        side, x, y = (
            int(part) for part in path.stem.split('__', 1)[1].replace('___', '__').split('__')
        )
        tile = np.asarray(Image.open(path))
        values = np.asarray(Image.open(root / 'labels' / path.name))
        assert tile.shape == (side, side, 3)
        assert values.shape == (side, side)
        assert values.dtype == np.uint8
        part = (slice(y, min(y + side, size[0])), slice(x, min(x + side, size[1])))
        seen = label[part] != 254
        assert (label[part][seen] == values[: seen.shape[0], : seen.shape[1]][seen]).all()
        image[part] = tile[: seen.shape[0], : seen.shape[1]]
        label[part] = values[: seen.shape[0], : seen.shape[1]]
    return image, label
