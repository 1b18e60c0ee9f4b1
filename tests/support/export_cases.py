"""An annotated folder whose masks have what formats stumble over: holes, parts, a single pixel."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from folders import load_tool
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.classes import palette_for
from samrs_mm.formats.annotated.entries import KEPT, BoxEntry, ImageEntry
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

CLASSES = ('plane', 'storage tank', 'ship')
SIZE = 48, 64
STEMS = 'P0000__64__0___0', 'P0000__64__40___0', 'P0001__64__0___0'
COLUMNS = ('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')


def shapes() -> dict[str, np.ndarray]:
    """Return masks ``(48, 64)`` by what is special about them."""
    names = ('box', 'ring', 'parts', 'diagonal', 'pixel', 'border', 'whole', 'blob')
    masks = {name: np.zeros(SIZE, bool) for name in names}
    masks['box'][5:15, 8:30] = True
    masks['ring'][20:40, 20:44] = True
    masks['ring'][25:30, 25:35] = masks['ring'][33, 40] = False
    for top, left in ((2, 2), (30, 50), (40, 4)):
        masks['parts'][top : top + 6, left : left + 5] = True
    masks['diagonal'][np.arange(10, 20), np.arange(10, 20)] = True
    masks['pixel'][47, 63] = True
    masks['border'][0:4, 0:64] = True
    masks['whole'][:] = True
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    masks['blob'] = (((x - 40) * 0.8 + (y - 30) * 0.6) / 15) ** 2 + (
        ((y - 30) * 0.8 - (x - 40) * 0.6) / 6
    ) ** 2 < 1
    return masks


def write_folder(root: Path, prompt: str = 'hbox', policy: str = 'file_order') -> AnnotatedFolder:
    """Write three images: all shapes, two of them with boxes that have no mask, and none."""
    out = AnnotatedFolder(root)
    for name in ('images', 'semantic', 'instances'):
        (root / name).mkdir(parents=True)
    drawn = shapes()
    chosen = list(drawn), ['ring', 'box'], []
    rng = np.random.default_rng(0)
    with open(root / 'images.csv', 'w', newline='') as file:
        index = csv.writer(file, lineterminator='\n')
        index.writerow(COLUMNS)
        for stem, names in zip(STEMS, chosen, strict=True):
            image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
            Image.fromarray(image).save(out.path('images', stem))
            boxes = [_box(i, name, drawn[name], prompt) for i, name in enumerate(names)]
            if len(names) == 2:
                boxes += [_lost(3, 'empty'), _lost(4, 'filtered')]
            semantic, _ = masks.compose([b for b in boxes if b.segmentation], *SIZE, policy)
            Image.fromarray(semantic).save(out.path('semantic', stem))
            scene = stem.split('__')[0]
            about = dict(path=f'images/{scene}.png', scene=scene, split=None, offset=[0, 0])
            entry = ImageEntry(**about, width=SIZE[1], height=SIZE[0], sha256=None, notes=[])
            Record(entry, 's', boxes).write(out.path('instances', stem))
            labelled = np.count_nonzero(semantic != 255)
            row = stem, f'images/{stem}.png', scene, '', SIZE[1], SIZE[0], len(names), labelled
            index.writerow(row)
    meta = dict(
        partial=False,
        settings=dict(tile=dict(size=64), overlap_policy=policy),
        signature='s',
        classes=list(CLASSES),
        palette=palette_for(len(CLASSES)),
        data_root='../raw',
    )
    (root / 'meta.json').write_text(json.dumps(meta))
    return out


def _box(number: int, name: str, mask: np.ndarray, prompt: str) -> BoxEntry:
    segmentation = masks.encode(mask)
    x, y, w, h = masks.bbox(segmentation)
    polygon = np.array([[x + 0.5, y - 1], [x + w, y], [x + w - 0.25, y + h], [x - 1.125, y + h]])
    label = number % len(CLASSES)
    box = BoxEntry.new(
        number=number + 1,
        box_id=f'{name}.txt:{number + 1}',
        label=label,
        category=CLASSES[label],
        prompt=prompt,
        polygon=polygon,
        scene_polygon=polygon,
        prompt_box=None,
        status=KEPT,
    )
    area = int(mask.sum())
    return replace(box, area=area, bbox=[x, y, w, h], segmentation=segmentation, score=0.5)


def _lost(number: int, status: str) -> BoxEntry:
    box = _box(number, status, shapes()['box'], 'hbox')
    return replace(box, status=status, segmentation=None, bbox=None, area=0)


def kept(out: AnnotatedFolder, stem: str) -> list[BoxEntry]:
    """Return the kept boxes of an image."""
    return Record.load(out.path('instances', stem)).kept


def tool(*argv: object) -> int:
    """Run ``export_dataset`` in this process and return its exit code."""
    main = load_tool('dataset_converters/export_dataset').main
    return main([*map(str, argv), '--workers', '0'])
