"""Small folders in the layouts of RefSegRS, RISBench and RRSIS-D, with what their files stumble on.

Layouts and keys are those that published loaders read: github.com/zhu-xlab/rrsis,
KyanChen/RSRefSeg2, Lsan2401/RMSIN (``refer/refer.py``).
"""

import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

SIDE = 64


def picture(seed: int) -> np.ndarray:
    """Return an image ``(64, 64, 3)`` of its own."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def mask(*rectangles: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask of rectangles x, y, width, height."""
    drawn = np.zeros((SIDE, SIDE), bool)
    for x, y, width, height in rectangles:
        drawn[y : y + height, x : x + width] = True
    return drawn


CARS = (5, 5, 6, 4), (30, 10, 4, 8)
ROAD = (0, 40, 64, 10)
REFSEGRS = {
    # id: split, seed of the picture, phrase, rectangles, value of the mask
    '4213': ('train', 1, 'car', CARS, 1),
    '7': ('train', 1, 'van driving on the road', CARS[:1], 255),
    '945': ('val', 2, 'impervious surface', (ROAD,), 1),
    '12': ('train', 1, 'road', (ROAD,), 255),
}
"""Three phrases of one scene, one of another; masks of 0 and 1, and of 0 and 255."""


def write_refsegrs(root: Path) -> Path:
    """Write RefSegRS: the image is there once for each phrase."""
    for name in ('images', 'masks'):
        (root / name).mkdir(parents=True)
    lines: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
    for number, (split, seed, phrase, rectangles, value) in REFSEGRS.items():
        Image.fromarray(picture(seed)).save(root / 'images' / f'{number}.tif')
        pixels = mask(*rectangles).astype(np.uint8) * value
        Image.fromarray(pixels).save(root / 'masks' / f'{number}.tif')
        lines[split].append(f'{number} {phrase} \n')  # the blank is in the files, too
    for split, texts in lines.items():
        (root / f'output_phrase_{split}.txt').write_text(''.join(texts) + '\n')
    return root


def write_risbench(root: Path) -> Path:
    """Write RISBench: other folders, and names with suffixes."""
    for name in ('img_rgb', 'mask'):
        (root / name).mkdir(parents=True)
    lines: dict[str, str] = {}
    for k, (split, rectangles) in enumerate([('train', CARS), ('test', CARS[1:])], 1):
        Image.fromarray(picture(k)).save(root / 'img_rgb' / f'0000{k}.jpg')
        pixels = mask(*rectangles).astype(np.uint8) * 255
        Image.fromarray(np.stack([pixels] * 3, 2)).save(root / 'mask' / f'0000{k}.png')
        lines[split] = f'0000{k}.jpg The vehicle on the  upper left.\n'
    for split, text in lines.items():
        (root / f'output_phrase_{split}.txt').write_text(text)
    return root


def rle_list(*rectangles: tuple[int, int, int, int]) -> list[dict]:
    """Return a mask as RRSIS-D has it: one RLE with text counts, in a list."""
    rle = coco_mask.encode(np.asfortranarray(mask(*rectangles), np.uint8))
    return [dict(size=rle['size'], counts=rle['counts'].decode())]


def rrsisd_files() -> tuple[dict, list[dict]]:
    """Return the contents of ``instances.json`` and of ``refs(unc).p``."""
    categories = [dict(id=0, name='airplane', supercategory=''), dict(id=1, name='ship')]
    images = [dict(id=k, file_name=f'0000{k}.jpg', width=SIDE, height=SIDE) for k in (1, 2)]
    shapes = {10: (1, 1, (CARS[0],)), 11: (1, 0, CARS), 12: (2, 1, (ROAD,))}
    annotations = []
    for ann_id, (image_id, category, rectangles) in shapes.items():
        x, y, width, height = rectangles[0]
        annotations.append(dict(
            id=ann_id, image_id=image_id, categories_id=category, iscrowd=0,
            area=-1.5, bbox=[x, y, x + width, y + height], segmentation=rle_list(*rectangles),
        ))  # fmt: skip
    refs = []
    for ann_id, split, texts in (
        (10, 'train', ['A ship on the left.']),
        (11, 'train', ['Two airplanes', 'The airplanes']),
        (10, 'train', ['the small ship']),
        (12, 'test', ['a ship at the bottom']),
    ):
        image_id, category, _ = shapes[ann_id]
        sentences = [
            dict(raw=text, sent=text.lower().rstrip('.'), tokens=text.lower().split(), sent_id=k)
            for k, text in enumerate(texts)
        ]
        refs.append(dict(
            ref_id=len(refs), ann_id=ann_id, image_id=image_id, category_id=category,
            split=split, file_name=f'0000{image_id}.jpg', sentences=sentences,
            sent_ids=[each['sent_id'] for each in sentences],
        ))  # fmt: skip
    return dict(images=images, annotations=annotations, categories=categories), refs


def write_rrsisd(root: Path, instances: dict | None = None, refs: list | None = None) -> Path:
    """Write RRSIS-D, with other contents if given."""
    first, second = rrsisd_files()
    folder = root / 'images/rrsisd/JPEGImages'
    folder.mkdir(parents=True)
    (root / 'rrsisd').mkdir()
    for k in (1, 2):
        Image.fromarray(picture(k)).save(folder / f'0000{k}.jpg')
    text = json.dumps(first if instances is None else instances)
    (root / 'rrsisd/instances.json').write_text(text)
    data = pickle.dumps(second if refs is None else refs, protocol=2)
    (root / 'rrsisd/refs(unc).p').write_bytes(data)
    return root
