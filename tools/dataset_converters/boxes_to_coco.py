"""Collect YOLO or Pascal VOC boxes in one COCO file, which configs/annotate/coco_*.py read."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import yaml

from samrs_mm.annotation import folder
from samrs_mm.annotation.boxes import hull
from samrs_mm.annotation.errors import ImageReadError, LabelReadError, RefusedError
from samrs_mm.annotation.images import IMAGE_SUFFIXES, image_size
from samrs_mm.annotation.labels import BoxLabel, ParsedLabels
from samrs_mm.annotation.parsers.dior import parse_dior
from samrs_mm.annotation.parsers.yolo import parse_yolo
from samrs_mm.annotation.records import dump
from samrs_mm.engine.command import progress, run_command

EPILOG = """what is read, at any depth below FOLDER
  yolo  images/**/NAME.jpg and labels/**/NAME.txt with the same folders between (or side by side):
          class cx cy w h         H-Box, shares of width and height
          class x1 y1 ... x4 y4   R-Box (OBB); of other polygons the box around them is taken
        names: --names FILE, else data.yaml, classes.txt or obj.names in FOLDER
  voc   JPEGImages/NAME.jpg (or images/) and Annotations/NAME.xml (or side by side); <bndbox>, and
        <robndbox> as in DIOR-R; classes are those met, sorted
what is written
  FOLDER/annotations.json  images (file names from FOLDER on, those without boxes, too), categories,
                           annotations with bbox, rbox for R-Boxes, and box_id, LABELFILE:LINE
then:
  tools/sam_annotate.py configs/annotate/coco_sam-vit-h_hbox.py --data-root FOLDER --out OUT
examples:
  tools/dataset_converters/boxes_to_coco.py data/my_yolo --from yolo
  tools/dataset_converters/boxes_to_coco.py data/VOC2007 --from voc --one-based
exit codes: 0 done; 1 some labels or images could not be read (they are named, the rest is written);
2 refused, nothing is written"""

LABELS = {'yolo': ('labels', '.txt'), 'voc': ('Annotations', '.xml')}
IMAGE_FOLDERS = ('images', 'JPEGImages')
NAME_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'classes.txt', 'obj.names')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='the dataset')
    add('--from', dest='source', choices=LABELS, required=True, help='the format of its labels')
    add('--names', metavar='FILE', help='yolo: class names, one a line, or a .yaml with names:')
    add('--one-based', action='store_true',
        help='voc: pixels count from 1 and xmax, ymax are inside, as in the VOC challenges '
        '(default: numbers are taken as they are)')  # fmt: skip
    add('--overwrite', action='store_true', help='replace FOLDER/annotations.json')
    args = parser.parse_args(argv)
    if args.names and args.source != 'yolo':
        parser.error('--names goes with --from yolo')
    if args.one_based and args.source != 'voc':
        parser.error('--one-based goes with --from voc')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing is written')


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    root = Path(args.folder)
    target = root / folder.ANNOTATIONS
    if not root.is_dir():
        raise RefusedError(f'{root}: no such folder')
    if target.exists() and not args.overwrite:
        raise RefusedError(f'{target} is there already; use --overwrite to replace it')
    images, labels = find(root, args.source)
    names = class_names(root, args.names) if args.source == 'yolo' else None
    parse = parser_of(args.source, names, args.one_based)
    coco, problems = collect(root, images, labels, parse, names)
    for line in problems:
        print(f'failed: {line}', file=sys.stderr)
    folder.atomic_write(target, dump(coco))
    bare = sum(image not in labels for image in images)
    print(f'images   {len(coco["images"])}, {bare} without a label file')
    print(f'boxes    {len(coco["annotations"])}, {len(problems)} places could not be read')
    print(f'classes  {len(coco["categories"])}')
    print(f'written  {target}')
    return 1 if problems else 0


def find(root: Path, source: str) -> tuple[list[str], dict[str, str]]:
    """Return all images, sorted, and the label file of each that has one.

    Raises:
        RefusedError: There are no images, or none of them has a label file.
    """
    files = set()
    for base, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        place = Path(base).relative_to(root)
        files |= {(place / name).as_posix() for name in names if not name.startswith('.')}
    images = sorted(name for name in files if name.lower().endswith(IMAGE_SUFFIXES))
    if not images:
        raise RefusedError(f'{root}: no images ({", ".join(IMAGE_SUFFIXES)}) in it')
    labels = {}
    for image in images:
        label = next((name for name in candidates(image, *LABELS[source]) if name in files), None)
        if label:
            labels[image] = label
    if not labels:
        tried = ' or '.join(candidates(images[0], *LABELS[source]))
        raise RefusedError(f'{root}: no image has a label; for {images[0]} looked for {tried}')
    return images, labels


def candidates(image: str, label_folder: str, suffix: str) -> list[str]:
    """Return where the label file of an image may be, the likeliest first."""
    path = PurePosixPath(image).with_suffix(suffix)
    parts = list(path.parts)
    found = []
    for at in reversed(range(len(parts) - 1)):
        if parts[at] in IMAGE_FOLDERS:
            found.append('/'.join([*parts[:at], label_folder, *parts[at + 1 :]]))
    return [*found, path.as_posix(), f'{label_folder}/{path.name}']


def class_names(root: Path, given: str | None) -> list[str]:
    """Return the class names of a YOLO dataset, by index.

    Raises:
        RefusedError: There is no such file, or it does not list names.
    """
    paths = [Path(given)] if given else [root / name for name in NAME_FILES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise RefusedError(
            f'{given or root}: no class names there; give --names FILE (looked for '
            f'{", ".join(NAME_FILES)})'
        )
    try:
        text = path.read_text(encoding='utf-8')
        if path.suffix not in ('.yaml', '.yml'):
            return [line.strip() for line in text.splitlines() if line.strip()]
        names = yaml.safe_load(text)['names']
        if isinstance(names, dict):
            names = [names[index] for index in range(len(names))]
        return [str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        text = ' '.join(str(error).split())
        raise RefusedError(f'{path}: does not list names by class index ({text})') from error


def parser_of(
    source: str, names: list[str] | None, one_based: bool
) -> Callable[[Path, str, tuple[int, int]], ParsedLabels]:
    """Return the reader of a label file: of its path, its name in box ids, and the image's size."""

    def yolo(path: Path, name: str, size: tuple[int, int]) -> ParsedLabels:
        return parse_yolo(path.read_text(encoding='utf-8', errors='replace'), name, names, *size)

    def voc(path: Path, name: str, size: tuple[int, int]) -> ParsedLabels:
        labels = parse_dior(path.read_bytes(), name)
        for box in labels.boxes if one_based else ():
            if box.hbox is not None:
                box.hbox[:2] -= 1
        return labels

    return yolo if source == 'yolo' else voc


def collect(
    root: Path,
    images: list[str],
    labels: dict[str, str],
    parse: Callable[[Path, str, tuple[int, int]], ParsedLabels],
    names: list[str] | None,
) -> tuple[dict, list[str]]:
    """Return the COCO file, and what could not be read, one line each."""
    coco, problems, boxes = dict(images=[], annotations=[], categories=[]), [], []
    for image in progress('reading labels')(images):
        try:
            width, height = image_size(root / image)
            number = len(coco['images']) + 1
            coco['images'].append(dict(id=number, file_name=image, width=width, height=height))
            if image in labels:
                parsed = parse(root / labels[image], labels[image], (width, height))
                boxes += [(number, box) for box in parsed.boxes]
                problems += [f'{problem.box_id}: {problem.message}' for problem in parsed.problems]
        except (ImageReadError, LabelReadError) as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f'{error.filename}: {error.strerror}')
    names = sorted({box.category for _, box in boxes}) if names is None else names
    coco['categories'] = [dict(id=i, name=name) for i, name in enumerate(names, 1)]
    ids = {name: i for i, name in enumerate(names, 1)}
    coco['annotations'] = [
        annotation(number, image, ids[box.category], box)
        for number, (image, box) in enumerate(boxes, 1)
    ]
    return coco, problems


def annotation(number: int, image: int, category: int, box: BoxLabel) -> dict:
    """Return a box as an annotation of COCO's format."""
    hbox = hull(box.polygon[None])[0] if box.hbox is None else box.hbox
    x0, y0, x1, y1 = (round(value, 4) for value in hbox.tolist())
    width, height = round(x1 - x0, 4), round(y1 - y0, 4)
    entry = dict(
        id=number,
        image_id=image,
        category_id=category,
        bbox=[x0, y0, width, height],
        area=round(width * height, 4),
        iscrowd=0,
        box_id=box.box_id,
    )
    if box.polygon is not None:
        entry['rbox'] = [round(value, 4) for value in box.polygon.ravel().tolist()]
    return entry


if __name__ == '__main__':
    sys.exit(main())
