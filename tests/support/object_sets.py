"""Pictures of bright ellipses with their masks, as COCO truth and as an annotated folder."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.classes import palette_for
from samrs_mm.formats.annotated.entries import BoxEntry, ImageEntry
from samrs_mm.formats.annotated.record import Record

HEIGHT, WIDTH = 96, 128


def ellipse(rng):
    """Return a mask ``(HEIGHT, WIDTH)`` bool."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre, half = rng.integers((25, 25), (WIDTH - 25, HEIGHT - 25)), rng.integers(6, 20, 2)
    cv2.ellipse(mask, centre.tolist(), half.tolist(), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return mask.astype(bool)


def drawn(counts):
    """Yield the picture and the masks of each image, of so many objects."""
    rng = np.random.default_rng(0)
    for count in counts:
        image = rng.integers(0, 80, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        found = [ellipse(rng) for _ in range(count)]
        for mask in found:
            image[mask] = rng.integers(150, 250, 3)
        yield image, found


def write_coco(root: Path, counts=(4, 3, 5), change=None) -> Path:
    """Write pictures and ``annotations.json``; ``change`` may alter its content."""
    (root / 'images').mkdir(parents=True)
    content = dict(images=[], annotations=[], categories=[dict(id=1, name='tank')])
    for number, (image, found) in enumerate(drawn(counts)):
        Image.fromarray(image).save(root / f'images/P{number}.png')
        content['images'].append(
            dict(id=number, file_name=f'P{number}.png', width=WIDTH, height=HEIGHT)
        )
        for mask in found:
            coded = masks.encode(mask)
            content['annotations'].append(
                dict(id=len(content['annotations']) + 1, image_id=number, category_id=1, iscrowd=0,
                     bbox=list(map(float, masks.bbox(coded))), segmentation=coded)
            )  # fmt: skip
    if change:
        change(content)
    (root / 'annotations.json').write_text(json.dumps(content))
    return root


def write_records(root: Path, counts=(4, 3)) -> Path:
    """Write what ``sam_annotate.py`` leaves of such pictures, as far as masks are read."""
    (root / 'instances').mkdir(parents=True)
    (root / 'raw').mkdir()
    about = dict(partial=False, settings=dict(tile=None), palette=palette_for(1))
    (root / 'meta.json').write_text(json.dumps(about | dict(classes=['tank'], data_root='raw')))
    rows = [('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')]
    for number, (image, found) in enumerate(drawn(counts)):
        stem = f'P{number}'
        Image.fromarray(image).save(root / f'raw/{stem}.png')
        boxes = []
        for place, mask in enumerate(found, 1):
            x, y, width, height = masks.bbox(coded := masks.encode(mask))
            corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
            box = BoxEntry.new(
                place, f'a.txt:{place}', 0, 'tank', 'hbox', corners, corners, None, 'kept'
            )
            box.segmentation = coded
            boxes.append(box)
        entry = ImageEntry(f'{stem}.png', stem, None, [0, 0], WIDTH, HEIGHT, None, [])
        Record(entry, '', boxes).write(root / f'instances/{stem}.json')
        rows.append((stem, f'{stem}.png', stem, '', WIDTH, HEIGHT, len(found), 1))
    with open(root / 'images.csv', 'w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(rows)
    return root
