"""Write demo scenes as a detection dataset with known masks, in DOTA's and in COCO's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from samrs_mm.drawn.board import DemoObject, DemoScene
from samrs_mm.drawn.scenes import DOMAINS, draw_scene

DESCRIPTION = 'samrs_mm demo data'
COCO_START = f'{{"info": {{"description": "{DESCRIPTION}"'
HEADER = ('imagesource:demo', 'gsd:0.3')


def scene_names(scenes: int, domain: str = 'a') -> list[tuple[str, str]]:
    """Return ``(name, kind)`` of a domain's first scenes: ``harbour_000``, ``airport_000`` ..."""
    kinds = DOMAINS[domain].kinds
    return [
        (f'{kinds[k % len(kinds)]}_{k // len(kinds):03d}', kinds[k % len(kinds)])
        for k in range(scenes)
    ]


def label_lines(scene: DemoScene) -> list[str]:
    """Return the lines of a DOTA label file: two header lines, then one per object.

    Coordinates have one decimal and may lie outside the picture, where its border cuts an object;
    such objects are marked difficult.
    """
    lines = list(HEADER)
    for item in scene.objects:
        numbers = ' '.join(f'{value:.1f}' for value in item.polygon.reshape(-1))
        lines.append(f'{numbers} {item.category} {int(item.truncated)}')
    return lines


def coco_annotation(item: DemoObject, height: int, width: int) -> dict:
    """Return an object's COCO annotation, without ids.

    Returns:
        ``bbox`` [x, y, w, h] of the visible mask (not of the oriented box), ``area`` in pixels,
        ``rbox`` (the eight numbers of the label line) and ``segmentation``, compressed RLE of the
        visible mask.
    """
    encoded = coco_mask.encode(np.asfortranarray(item.full_mask(height, width), np.uint8))
    return {
        'bbox': coco_mask.toBbox(encoded).tolist(),
        'area': int(item.mask.sum()),
        'iscrowd': 0,
        'rbox': [round(value, 1) for value in item.polygon.reshape(-1).tolist()],
        'segmentation': {'size': [height, width], 'counts': encoded['counts'].decode('ascii')},
    }


def find_foreign_file(folder: Path) -> Path | None:
    """Return a file below a folder that :func:`write_demo_dataset` cannot have written."""
    paths = (path for path in folder.rglob('*') if not path.is_dir())
    return next((path for path in paths if not _is_ours(path, folder)), None)


def _is_ours(path: Path, folder: Path) -> bool:
    name = path.relative_to(folder).as_posix()
    if name == 'annotations.json':
        return _begins_with(path, COCO_START)
    kinds = '|'.join(sorted({kind for domain in DOMAINS.values() for kind in domain.kinds}))
    stem = re.fullmatch(rf'(?:images/|labelTxt/)((?:{kinds})_\d{{3,}})\.(?:png|txt)', name)
    if stem is None:
        return False
    label = folder / 'labelTxt' / f'{stem[1]}.txt'
    if label.exists():
        return _begins_with(label, HEADER[0])
    return _begins_with(folder / 'annotations.json', COCO_START)


def _begins_with(path: Path, start: str) -> bool:
    if not path.is_file():
        return False
    with path.open('rb') as stream:
        return stream.read(len(start)) == start.encode()


def _clear(out: Path) -> None:
    """Remove the files of an earlier call; refuse where others are among them."""
    if not out.exists():
        return
    foreign = find_foreign_file(out)
    if foreign:
        raise FileExistsError(
            f'{out} holds other files ({foreign.relative_to(out)}); name a new or empty folder'
        )
    # Sorted: label files go last, since they mark the pictures as ours.
    for path in sorted(out.rglob('*')):
        if path.is_file():
            path.unlink()


def write_demo_dataset(
    out: Path,
    scenes: int = 6,
    size: int = 512,
    seed: int = 0,
    domain: str = 'a',
    formats: tuple[str, ...] = ('dota', 'coco'),
) -> Iterator[tuple[str, int]]:
    """Draw scenes and write them; the same arguments give the same bytes.

    Files of an earlier call in the same folder are replaced, and removed where this call has none
    of that name. COCO category ids follow the sorted class names that occur in the labels.

    Args:
        out: Folder, made if needed.
        scenes: How many; the kinds take turns.
        size: Side of the pictures in pixels.
        seed: Of the whole set. A scene's bytes do not depend on how many others are drawn.
        domain: Key of ``DOMAINS``.
        formats: ``dota`` writes ``labelTxt/NAME.txt``, ``coco`` writes ``annotations.json``.

    Yields:
        Name and number of objects of each scene, once it is on disk.

    Raises:
        FileExistsError: If the folder holds files that did not come from here.
    """
    _clear(out)
    for folder in ('images', *(['labelTxt'] if 'dota' in formats else [])):
        (out / folder).mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index, (name, kind) in enumerate(scene_names(scenes, domain)):
        rng = np.random.default_rng([seed, list(DOMAINS).index(domain), index])
        scene = draw_scene(kind, size, rng, domain)
        height, width = scene.image.shape[:2]
        # Labels first: they mark the picture as ours, should this run be cut off in between.
        if 'dota' in formats:
            (out / 'labelTxt' / f'{name}.txt').write_text('\n'.join(label_lines(scene)) + '\n')
        (out / 'images' / f'{name}.png').write_bytes(
            cv2.imencode('.png', scene.image[..., ::-1])[1].tobytes()
        )
        images.append(
            {'id': index + 1, 'file_name': f'images/{name}.png', 'width': width, 'height': height}
        )
        for number, item in enumerate(scene.objects, len(HEADER) + 1):
            ids = {'id': len(annotations) + 1, 'image_id': index + 1, 'category': item.category}
            ids['box_id'] = f'labelTxt/{name}.txt:{number}'
            annotations.append({**ids, **coco_annotation(item, height, width)})
        yield name, len(scene.objects)
    if 'coco' in formats:
        (out / 'annotations.json').write_text(_coco_json(images, annotations, seed, domain))


def _coco_json(images: list[dict], annotations: list[dict], seed: int, domain: str) -> str:
    names = sorted({annotation['category'] for annotation in annotations})
    for annotation in annotations:
        annotation['category_id'] = names.index(annotation.pop('category')) + 1
    return json.dumps(
        {
            'info': {'description': DESCRIPTION, 'seed': seed, 'domain': domain},
            'images': images,
            'annotations': annotations,
            'categories': [{'id': k, 'name': name} for k, name in enumerate(names, 1)],
        }
    )
