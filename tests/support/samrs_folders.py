"""Small segmentation datasets: annotated folders, and the released SAMRS layout."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = ('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')
STEMS = ('P0000__64__0___0', 'P0000__64__40___0', 'P0001__64__0___0', 'P0002__64__0___0')


def pixels(
    seed: int, size: tuple[int, int] = (64, 72), num_classes: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image ``(H, W, 3)`` and a label ``(H, W)`` with all classes and 255."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    label = np.full(size, 255, np.uint8)
    for value in range(num_classes):
        y, x = rng.integers(0, size[0] - 8), rng.integers(0, size[1] - 8)
        label[y : y + 8, x : x + 8] = value
    return image, label


def write_annotated(
    root: Path,
    stems: Sequence[str] = STEMS,
    classes: Sequence[str] = ('plane', 'ship', 'tank'),
    splits: dict[str, str] | None = None,
    empty: Sequence[str] = (),
    tiled: bool = True,
) -> Path:
    """Write what ``sam_annotate.py`` leaves behind, as far as training reads it."""
    images = root / 'images' if tiled else root.parent / 'raw'
    for path in (images, root / 'semantic'):
        path.mkdir(parents=True, exist_ok=True)
    with open(root / 'images.csv', 'w', newline='') as file:
        rows = csv.writer(file, lineterminator='\n')
        rows.writerow(COLUMNS)
        for seed, stem in enumerate(stems):
            image, label = pixels(seed, num_classes=min(3, len(classes)))
            if stem in empty:
                label[:] = 255
            Image.fromarray(image).save(images / f'{stem}.png')
            Image.fromarray(label).save(root / 'semantic' / f'{stem}.png')
            name = f'images/{stem}.png' if tiled else f'{stem}.png'
            scene, split = stem.split('__')[0], (splits or {}).get(stem, '')
            labelled = np.count_nonzero(label != 255)
            rows.writerow((stem, name, scene, split, 72, 64, 3, labelled))
    palette = [[i, 2 * i % 256, 255 - i] for i in range(len(classes))]
    meta = dict(
        partial=False,
        settings=dict(tile=dict(size=64) if tiled else None),
        classes=list(classes),
        palette=palette,
        data_root='../raw',
    )
    (root / 'meta.json').write_text(json.dumps(meta))
    return root


def write_released(
    root: Path,
    stems: Sequence[str],
    images: str = 'images',
    labels: str = 'semlabels/gray',
    suffix: str = '.png',
    empty: Sequence[str] = (),
) -> Path:
    """Write one subset in the layout of the release."""
    for name in (images, labels):
        (root / name).mkdir(parents=True)
    for seed, stem in enumerate(stems):
        image, label = pixels(seed)
        if stem in empty:
            label[:] = 255
        Image.fromarray(image).save(root / images / f'{stem}{suffix}')
        Image.fromarray(label).save(root / labels / f'{stem}.png')
    return root
