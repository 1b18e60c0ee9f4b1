"""Drawn scenes as a detection dataset with known masks, in DOTA's and in COCO's layout."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.resumable import ResumableFolder
from samrs_mm.drawn.board import DrawnObject
from samrs_mm.drawn.scenes import DOMAINS, draw_scene

ANNOTATIONS, DESCRIPTION = 'annotations.json', 'samrs_mm demo data'
HEADER = ('imagesource:demo', 'gsd:0.3')
_MARKS = (f'{{"info": {{"description": "{DESCRIPTION}"'.encode(), HEADER[0].encode())
_KINDS = {kind for domain in DOMAINS.values() for kind in domain.kinds}
_PICTURE = re.compile(rf'images/((?:{"|".join(sorted(_KINDS))})_\d{{3,}})\.png')


class DrawnFolder(ResumableFolder):
    """The folder of a drawn dataset. Files with labels are known as ours by how they start."""

    def foreign(self) -> list[str]:
        """Return the files that were not drawn: neither marked labels nor their pictures."""
        names = self.files()
        labels = {name for name in names if self._marked(name)}
        pictures = [match for match in map(_PICTURE.fullmatch, names) if match]
        ours = {m[0] for m in pictures if labels & {ANNOTATIONS, f'labelTxt/{m[1]}.txt'}}
        return sorted(names - labels - ours)

    def _marked(self, name: str) -> bool:
        with open(self.root / name, 'rb') as file:
            return file.read(100).startswith(_MARKS)

    def clear(self) -> None:
        """Make the folder, and delete what an earlier run drew.

        Raises:
            RefusedError: It holds other files, or can't be written to.
        """
        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            self.refuse_foreign()
            self.delete(self.files())


def scene_names(scenes: int, domain: str = 'a') -> list[tuple[str, str]]:
    """Return ``(name, kind)`` of a domain's first scenes: ``harbour_000``, ``airport_000`` ..."""
    kinds = DOMAINS[domain].kinds
    turns = ((k // len(kinds), kinds[k % len(kinds)]) for k in range(scenes))
    return [(f'{kind}_{turn:03d}', kind) for turn, kind in turns]


def _label_line(item: DrawnObject) -> str:
    numbers = ' '.join(f'{value:.1f}' for value in item.polygon.reshape(-1))
    return f'{numbers} {item.category} {int(item.truncated)}'


def _annotation(item: DrawnObject, size: int) -> dict[str, Any]:
    """Return an object as an annotation of COCO's format, its class by name, without other ids."""
    segmentation = masks.encode(item.full_mask(size, size))
    return dict(
        bbox=[float(value) for value in masks.bbox(segmentation)],  # of what is visible
        area=int(item.mask.sum()),
        iscrowd=0,
        rbox=[round(value, 1) for value in item.polygon.reshape(-1).tolist()],
        segmentation=segmentation,
        category_id=item.category,
    )


def write_demo_dataset(
    out: Path,
    scenes: int = 6,
    size: int = 512,
    seed: int = 0,
    domain: str = 'a',
    formats: Collection[str] = ('dota', 'coco'),
) -> Iterator[tuple[str, int]]:
    """Draw scenes and write them; the same arguments give the same bytes.

    Files of an earlier call are deleted. Labels have one decimal and may lie outside the picture,
    where its border cuts an object; such objects are marked difficult. COCO category ids follow the
    sorted class names that occur.

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
        RefusedError: The folder holds files that did not come from here.
    """
    DrawnFolder(out, ANNOTATIONS).clear()
    for folder in ('images', *(['labelTxt'] if 'dota' in formats else [])):
        (out / folder).mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, (name, kind) in enumerate(scene_names(scenes, domain)):
        rng = np.random.default_rng([seed, list(DOMAINS).index(domain), index])
        scene = draw_scene(kind, size, rng, domain)
        # Labels first: they mark the picture as ours, should this run be cut off in between.
        if 'dota' in formats:
            lines = [*HEADER, *map(_label_line, scene.objects), '']
            (out / 'labelTxt' / f'{name}.txt').write_bytes('\n'.join(lines).encode())
        pixels = cv2.imencode('.png', scene.image[..., ::-1])[1]
        (out / 'images' / f'{name}.png').write_bytes(pixels.tobytes())
        images.append(dict(id=index + 1, file_name=f'images/{name}.png', width=size, height=size))
        for line, item in enumerate(scene.objects, len(HEADER) + 1):
            ids = dict(id=len(annotations) + 1, image_id=index + 1)
            box_id = f'labelTxt/{name}.txt:{line}'
            annotations.append(dict(ids, box_id=box_id, **_annotation(item, size)))
        yield name, len(scene.objects)
    if 'coco' in formats:
        names = sorted({annotation['category_id'] for annotation in annotations})
        for annotation in annotations:
            annotation['category_id'] = names.index(annotation['category_id']) + 1
        info = dict(description=DESCRIPTION, seed=seed, domain=domain)
        categories = [dict(id=number, name=name) for number, name in enumerate(names, 1)]
        content = dict(info=info, licenses=[], categories=categories)
        content |= dict(images=images, annotations=annotations)
        (out / ANNOTATIONS).write_bytes(json.dumps(content).encode())
