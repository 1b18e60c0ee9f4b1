"""Annotated folders with images, for detectors: masks that can be seen, crowds, boxes without."""

import csv
import json
from pathlib import Path

import numpy as np
from mask_folders import CLASSES, no_mask, write_masks
from PIL import Image
from samrs_folders import COLUMNS

from samrs_mm.core import masks
from samrs_mm.core.classes import palette_for
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.record import Record

COLOURS = np.array([(230, 60, 50), (60, 220, 70), (70, 80, 240)], np.uint8)


def write_instances(root: Path, classes=CLASSES) -> Path:
    """Write four images with masks and one without; of the third a box is filtered.

    The first image has a crowd and a box without mask besides, at x, y = 0..20 and 100..120,
    70..90. ``train.txt`` has the first three, ``val.txt`` the others.
    """
    write_masks(root)
    meta = json.loads((root / 'meta.json').read_text())
    named = dict(classes=classes, palette=palette_for(len(classes)))
    (root / 'meta.json').write_text(json.dumps(meta | named))
    rng, rows = np.random.default_rng(1), []
    for path in sorted((root / 'instances').iterdir()):
        record = Record.load(path)
        if path.stem == 'P0000':
            record.boxes += [crowd(4, record), empty(5)]
            record.write(path)
        height, width = record.image.height, record.image.width
        label = np.array(Image.open(root / f'semantic/{path.stem}.png'))
        image = rng.integers(20, 70, (height, width, 3)).astype(np.uint8)
        image[label != 255] = COLOURS[label[label != 255]]
        Image.fromarray(image).save(root / f'{path.stem}.png')
        rows.append((path.stem, f'{path.stem}.png', path.stem, '', width, height,
                     len(record.kept), np.count_nonzero(label != 255)))  # fmt: skip
    with open(root / 'images.csv', 'w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerows([COLUMNS, *rows])
    stems = [row[0] for row in rows]
    (root / 'train.txt').write_text('\n'.join(stems[:3]))
    (root / 'val.txt').write_text('\n'.join(stems[3:]))
    return root


def crowd(number: int, record: Record) -> BoxEntry:
    """Return a crowd that covers 20 x 20 px at the top left."""
    polygon = np.array([[0, 0], [20, 0], [20, 20], [0, 20]], float)
    entry = BoxEntry.new(
        number, f'a.txt:{number}', 1, CLASSES[1], 'hbox', polygon, polygon, None, 'crowd'
    )
    mask = np.zeros((record.image.height, record.image.width), bool)
    mask[:20, :20] = True
    entry.enter_region(masks.encode(mask))
    return entry


def empty(number: int) -> BoxEntry:
    """Return a box of 20 x 20 px for which no mask was found."""
    entry = no_mask(number, 'empty')
    entry.polygon = [[100, 70], [120, 70], [120, 90], [100, 90]]
    return entry
