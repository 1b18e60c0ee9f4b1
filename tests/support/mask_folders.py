"""An annotated folder with known masks, the same as released, and a slow count of both."""

import json
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from samrs_mm.core import masks
from samrs_mm.core.classes import palette_for
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.record import Record

CLASSES = ('plane', 'ship', 'small-vehicle')


def write_masks(root: Path) -> Path:
    """Write five images of two sizes: masks that overlap, boxes without mask; the last has none."""
    for name in ('instances', 'semantic'):
        (root / name).mkdir(parents=True)
    about = dict(partial=False, settings=dict(tile=None), palette=palette_for(3), data_root='.')
    (root / 'meta.json').write_text(json.dumps(about | dict(classes=CLASSES)))
    rng = np.random.default_rng(0)
    coco = dict(images=[], categories=[dict(id=i + 1, name=n) for i, n in enumerate(CLASSES)])
    coco['annotations'] = []
    for number, count in enumerate((3, 4, 5, 6, 0)):
        stem, height, width = f'P{number:04}', 96, 128 + number // 4
        boxes = [drawn_box(rng, place + 1, height, width) for place in range(count)]
        if number == 1:
            boxes += [no_mask(5, 'outside'), no_mask(6, 'degenerate')]
        if number == 2:
            boxes[4].status = 'filtered'
        image = ImageEntry(f'{stem}.png', stem, None, [0, 0], width, height, None, [])
        record = Record(image, '', boxes)
        Image.fromarray(record.paint('file_order')).save(root / f'semantic/{stem}.png')
        record.write(root / f'instances/{stem}.json')
        coco['images'].append(dict(id=number, width=width, height=height))
        coco['annotations'] += [
            dict(image_id=number, category_id=box.category_id, segmentation=box.segmentation,
                 bbox=box.bbox, rbox=np.ravel(box.polygon).tolist())
            for box in record.kept
        ]  # fmt: skip
    (root / 'annotations.json').write_text(json.dumps(coco))
    return root


def drawn_box(rng: np.random.Generator, number: int, height: int, width: int) -> BoxEntry:
    """Return the entry of a slanted box that may leave the image, and of the ellipse in it."""
    label, angle = (number - 1) % 3, rng.uniform(0, np.pi)
    centre, half = rng.uniform((10, 10), (width - 10, height - 10)), rng.uniform(2, 30, 2)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    polygon = centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) + 0.5
    mask = (((pixels - centre) @ axes.T / half) ** 2).sum(-1) <= 1
    box = BoxEntry.new(
        number, f'a.txt:{number}', label, CLASSES[label], 'hbox', polygon, polygon, None, 'kept'
    )
    box.segmentation, box.area = masks.encode(mask), int(mask.sum())
    box.bbox = masks.bbox(box.segmentation)
    return box


def no_mask(number: int, status: str) -> BoxEntry:
    polygon = np.array([[900, 900], [940, 900], [940, np.nan], [900, 940]])
    return BoxEntry.new(
        number, f'a.txt:{number}', 0, CLASSES[0], 'hbox', polygon, polygon, None, status, 'far'
    )


def write_as_released(annotated: Path, root: Path) -> Path:
    """Write the same as the authors would have stored it: names of FAIR1M, an empty mask."""
    for name in ('ins', 'gray'):
        (root / name).mkdir(parents=True)
    (root / 'export.json').write_text(json.dumps(dict(classes=CLASSES)))
    for path in sorted((annotated / 'instances').iterdir()):
        instances = []
        record = json.loads(path.read_text())
        size = [record['image']['height'], record['image']['width']]
        for box in record['boxes']:
            if box['status'] in ('kept', 'outside'):
                polygon = np.array(box['polygon'], float)
                around = np.concatenate([polygon.min(0), polygon.max(0)])
                nothing = masks.encode(np.zeros(size, bool))
                mask, area = box['segmentation'] or nothing, np.int64(box['area'])
                numbers = dict(size=area, label=box['category_id'] - 1, category='A220')
                instances.append(dict(numbers, mask=mask, rbox=polygon, rhbox=around))
        (root / 'ins' / f'{path.stem}.pkl').write_bytes(pickle.dumps(instances))
    for path in (annotated / 'semantic').iterdir():
        (root / 'gray' / path.name).write_bytes(path.read_bytes())
    return root


def slow_count(root: Path) -> dict[str, dict]:
    """Count with loops over decoded masks and label pixels."""
    meta = json.loads((root / 'meta.json').read_text())
    found = {name: defaultdict(list) for name in meta['classes']}
    for path in sorted((root / 'instances').iterdir()):
        record = json.loads(path.read_text())
        labels = np.array(Image.open(root / 'semantic' / f'{path.stem}.png'))
        for value, name in enumerate(meta['classes']):
            found[name]['pixels'].append(sum(int(p == value) for p in labels.ravel()))
        limit = record['image']['width'], record['image']['height']
        for box in record['boxes']:
            numbers = found[box['category']]
            numbers['boxes'].append(1)
            if box['status'] != 'kept':
                continue
            area = int(coco_mask.decode(box['segmentation']).sum())
            corners = [[min(max(c, 0), limit[i]) for i, c in enumerate(p)] for p in box['polygon']]
            xs, ys = zip(*corners, strict=True)
            x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
            numbers['areas'].append(area)
            numbers['shares'].append(area / ((x1 - x0) * (y1 - y0)))
            numbers['stems'].append(path.stem)
    return found
