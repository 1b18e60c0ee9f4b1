"""Collect YOLO or Pascal VOC boxes in one COCO file, which configs/annotate/coco_*.py read."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, progress, run_command
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.boxes.box_folders import LABELS, class_names, collect, find, parser_of

EPILOG = """what is read, at any depth below FOLDER
  yolo  images/**/NAME.jpg and labels/**/NAME.txt with the same folders between (or side by side):
          class cx cy w h         H-Box, fractions of width and height
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


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
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
    images, labels, orphans = find(root, args.source)
    names = class_names(root, args.names) if args.source == 'yolo' else None
    parse = parser_of(args.source, names or (), args.one_based)
    bar = progress('reading labels')
    coco, problems = collect(root, images, labels, parse, names, bar)
    problems += [f'{name}: there is no image of this label file' for name in orphans]
    for line in problems:
        print(f'failed: {line}', file=sys.stderr)
    atomic_write(target, dump(coco))
    bare = sum(image not in labels for image in images)
    print(f'images   {len(coco["images"])}, {bare} without a label file')
    print(f'boxes    {len(coco["annotations"])}, {len(problems)} places could not be read')
    print(f'classes  {len(coco["categories"])}')
    print(f'written  {target}')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
