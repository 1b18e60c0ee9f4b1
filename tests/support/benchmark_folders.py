"""Small downloads of benchmarks: the real layouts, file names and known defects."""

import io
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image

POTSDAM_COLOURS = np.array(
    [(255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0),
     (0, 0, 0)], np.uint8)  # fmt: skip
"""Impervious surface, building, low vegetation, tree, car, clutter, eroded boundary."""
POTSDAM_VALUES = np.array([0, 1, 2, 3, 4, 255, 255], np.uint8)
CARS_OF_6_7 = (252, 255, 0)

DEEPGLOBE_COLOURS = np.array(
    [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255),
     (0, 0, 0)], np.uint8)  # fmt: skip
"""Urban, agriculture, range, forest, water, barren, unknown."""
VAIHINGEN_COLOURS = np.array(
    [(0, 0, 0), (255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0),
     (255, 0, 0)], np.uint8)  # fmt: skip
"""Eroded boundary, then the classes of mmsegmentation's ``ISPRSDataset`` in their order."""

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


def write_deepglobe(
    root: Path, names: Iterable[str], size: tuple[int, int] = (640, 620)
) -> dict[str, np.ndarray]:
    """Write scenes with masks that aren't pure, and an image without; return labels ``(H, W)``."""
    (root / 'train').mkdir(parents=True)
    (root / 'valid').mkdir()
    Image.fromarray(picture(99, size)).save(root / 'valid/992507_sat.jpg')
    written = {}
    for seed, name in enumerate(names):
        kinds = blobs(seed, size, 7)
        noise = np.random.default_rng(seed).integers(0, 100, (*size, 3)).astype(np.uint8)
        colours = DEEPGLOBE_COLOURS[kinds]
        colours = np.where(colours > 0, colours - noise, noise)
        Image.fromarray(picture(seed, size)).save(root / f'train/{name}_sat.jpg')
        Image.fromarray(colours).save(root / f'train/{name}_mask.png')
        written[name] = np.where(kinds == 6, 255, kinds).astype(np.uint8)
    return written


def write_loveda(root: Path, size: tuple[int, int] = (96, 80)) -> dict[str, np.ndarray]:
    """Write the three archives of LoveDA; return label values ``(H, W)`` by stem."""
    written: dict[str, np.ndarray] = {}
    root.mkdir(parents=True)
    for part in ('Train', 'Val', 'Test'):
        with ZipFile(root / f'{part}.zip', 'w') as archive:
            for place in ('Rural', 'Urban'):
                for _ in range(2):
                    name = str(len(written))
                    written[name] = blobs(len(written), size, 8).astype(np.uint8)
                    parts = dict(images_png=picture(len(written), size), masks_png=written[name])
                    for kind, pixels in parts.items():
                        if (part, kind) != ('Test', 'masks_png'):
                            archive.writestr(f'{part}/{place}/{kind}/{name}.png', encoded(pixels))
    return written


def write_vaihingen(
    root: Path, areas: Iterable[int], size: tuple[int, int] = (560, 530)
) -> dict[str, np.ndarray]:
    """Write ISPRS' two archives; return values of mmsegmentation's labels by area."""
    root.mkdir(parents=True)
    name = 'ISPRS_semantic_labeling_Vaihingen'
    written = {}
    with (
        ZipFile(root / f'{name}.zip', 'w') as images,
        ZipFile(root / f'{name}_ground_truth_eroded_COMPLETE.zip', 'w') as labels,
    ):
        for area in areas:
            kinds = blobs(area, size, 7)
            stem = f'top_mosaic_09cm_area{area}'
            images.writestr(f'top/{stem}.tif', encoded(picture(area, size), 'TIFF'))
            labels.writestr(f'{stem}_noBoundary.tif', encoded(VAIHINGEN_COLOURS[kinds], 'TIFF'))
            written[f'area{area}'] = kinds.astype(np.uint8)
    return written


def encoded(pixels: np.ndarray, kind: str = 'PNG') -> bytes:
    """Return an image file's bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()
