"""Collect YOLO or Pascal VOC boxes in one COCO file, which configs/annotate/coco_*.py read."""

import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path

from samrs_mm.cli import ToolParser, add_fit_flags, progress, run_command, tell_failures
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import slip_notes
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import spoken
from samrs_mm.core.label_fit import CHECK, CURES, FitRule
from samrs_mm.core.wording import FewOfEach, counted
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.boxes.box_folders import (
    Collected,
    Parser,
    collect,
    voc_parser,
    yolo_layout,
    yolo_parser,
)
from samrs_mm.formats.boxes.found_format import AUTO, found_format
from samrs_mm.formats.boxes.label_lists import ImageParts, image_parts
from samrs_mm.formats.boxes.label_pairs import LabelPairs, find_pairs
from samrs_mm.formats.boxes.label_places import LABELS
from samrs_mm.formats.boxes.label_source import source_head, source_info
from samrs_mm.formats.boxes.yolo_layout import TASKS
from samrs_mm.formats.boxes.yolo_names import YoloNames, class_names

EPILOG = """what is read, at any depth below FOLDER
  yolo  images/**/NAME.jpg and labels/**/NAME.txt with the same folders between (or side by side).
        All lines are of one kind, which is found out and told:
          detect   class cx cy w h         H-Box, fractions of width and height
          obb      class x1 y1 ... x4 y4   R-Box
          segment  class x1 y1 x2 y2 ...   the upright box around the polygon
          pose     class cx cy w h and key points (kpt_shape of data.yaml), which are dropped
        detect, obb and pose may have a confidence at the end, which is dropped
        names: --names FILE, else data.yaml, dataset.yaml, classes.txt or obj.names in FOLDER; taken
        as written
  voc   JPEGImages/NAME.jpg (or images/) and Annotations/NAME.xml (or side by side); <bndbox>, and
        <robndbox> as in DIOR-R and roLabelImg; classes are those met, sorted
  Lists say which part an image is of: ImageSets/Main/train.txt, val.txt, test.txt of VOC, the same
  in FOLDER of YOLO (also valid.txt, autosplit_train.txt).
  Folders that tools of this package wrote are passed over.
what is written
  FOLDER/annotations.json  images (file names from FOLDER on, those without boxes, too; split of
                           those in a list), categories,
                           annotations with bbox, rbox for R-Boxes, and box_id, LABELFILE:LINE
  --out FILE writes it elsewhere, and nothing into FOLDER
then:
  tools/sam_annotate.py configs/annotate/coco_sam-vit-h_hbox.py --data-root FOLDER --out OUT
examples:
  tools/dataset_converters/boxes_to_coco.py data/my_yolo --from yolo
  tools/dataset_converters/boxes_to_coco.py /readonly/yolo --from yolo --out data/my_yolo.json
  tools/dataset_converters/boxes_to_coco.py data/VOC2007 --from voc --one-based
exit codes: 0 done; 1 some labels or images are left out (they are named, the rest is written, and
the file says what it lacks, so that annotating it names them again); 2 refused, or no box could be
taken: nothing is written"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='the dataset')
    add('--from', dest='source', choices=(AUTO, *LABELS), required=True,
        help='the format of its labels; auto finds it out and says by which files')  # fmt: skip
    add('--names', metavar='FILE', help='yolo: class names, one a line, or a .yaml with names:')
    add('--task', choices=TASKS, help='yolo: what the lines are (default: found out, and told)')
    add('--one-based', action='store_true',
        help='voc: pixels count from 1 and xmax, ymax are inside, as in the VOC challenges '
        '(default: numbers are taken as they are)')  # fmt: skip
    add_fit_flags(add)
    add('--out', metavar='FILE', help='the file to write (default FOLDER/annotations.json)')
    add('--overwrite', action='store_true', help='replace the file if this tool wrote it')
    args = parser.parse_args(argv)
    for flag in ('names', 'task'):
        if getattr(args, flag) and args.source not in ('yolo', AUTO):
            parser.error(f'--{flag} goes with --from yolo')
    if args.one_based and args.source not in ('voc', AUTO):
        parser.error('--one-based goes with --from voc')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing is written')


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    root = Path(args.folder)
    target = Path(args.out) if args.out else root / folder.ANNOTATIONS
    if not root.is_dir():
        raise RefusedError(f'{root}: no such folder')
    if args.source == AUTO:
        args.source = find_source(root)
    if target.is_dir():
        raise RefusedError(f'--out {target}: is a folder; name the file to write')
    if target.exists() and source_info(target) is None:
        words = shlex.join(command_words(root, target))
        raise RefusedError(
            f'{target} is not of this tool; annotate it as it is: {spoken(words)}; or --out FILE '
            'writes elsewhere'
        )
    if target.exists() and not args.overwrite:
        raise RefusedError(f'{target} is there already; use --overwrite to replace it')
    pairs = find_pairs(root, args.source)
    for place, what in sorted(pairs.passed_over.items()):
        print(f'passed over: {place}, which is {what} of this package')
    renamed: list[str] = []
    parse, names = reader(args, root, pairs, renamed)
    rule = FitRule(args.label_size or CHECK, args.exif or CHECK)
    parts = image_parts(root, args.source, pairs.images)
    bar, known = progress('reading labels'), names and names.names
    found = collect(root, pairs, parse, known, bar, rule, parts.of)
    for what, lines in pairs.orphans.items():
        for line in lines:
            found.leave_out(what, line)
    found.coco |= source_head(root, pairs, args.source, options(args), names, args.names, parts)
    for note, places in found.notes.items():
        print(f'note: {len(places)}, such as {places[0]}: {note}', file=sys.stderr)
    refuse_without_boxes(root, pairs, found)
    tell_failures(found.left_out)
    write(target, found.coco)
    report(pairs, found, renamed)
    report_parts(parts)
    print(f'written  {target}')
    if found.problems:
        print(f'Next: mend what is named above, then\n  {spoken(again(args, found))}')
        return 1
    print(f'Next:\n  {spoken(next_command(root, target, found.coco))}')
    return 0


def find_source(root: Path) -> str:
    """Return the format of a folder's labels, and say by which files it is known.

    Raises:
        RefusedError: None or several are found, or one that needs no conversion.
    """
    found = found_format(root)
    if found.name not in LABELS:
        command = (
            f'python tools/sam_annotate.py configs/annotate/any_boxnet_hbox.py --data-root {root}'
        )
        raise RefusedError(f'{root}: found {found}, which is annotated as it is: {spoken(command)}')
    print(f'found    {found}')
    return found.name


def refuse_without_boxes(root: Path, pairs: LabelPairs, found: Collected) -> None:
    """Refuse labels of which no box can be taken.

    Raises:
        RefusedError: With the first reason; others are printed before.
    """
    lines = found.left_out
    if found.coco['annotations'] or not lines:
        return
    files = counted(len(pairs.labels), 'label file')
    if len({FewOfEach.kind(line) for line in lines}) > 1:
        tell_failures(lines)
    raise RefusedError(f'{root}: no box of its {files} can be taken, such as {lines[0]}')


def again(args: argparse.Namespace, found: Collected) -> str:
    """Return the command that makes the file anew, with the flags with which all labels fit."""
    words = ['python', 'tools/dataset_converters/boxes_to_coco.py', args.folder]
    words += shlex.split(options(args))
    for cure in CURES:
        if any(cure in line for line in found.left_out) and cure.split()[0] not in words:
            words += cure.split()
    for flag in ('names', 'out'):
        words += [f'--{flag}', getattr(args, flag)] if getattr(args, flag) else []
    return shlex.join([*words, '--overwrite'])


def options(args: argparse.Namespace) -> str:
    """Return the flags that say how labels are read, as they are typed; but for ``--names``."""
    words = ['--from', args.source]
    for flag in ('task', 'label_size', 'exif'):
        if value := getattr(args, flag):
            words += [f'--{flag.replace("_", "-")}', value]
    return shlex.join(words + ['--one-based'] * args.one_based)


def reader(
    args: argparse.Namespace, root: Path, pairs: LabelPairs, renamed: list[str]
) -> tuple[Parser, YoloNames | None]:
    """Return what reads the label files, and the class names of YOLO; say what they are read as."""
    if args.source == 'voc':
        return voc_parser(args.one_based, pairs.images, renamed), None
    names = class_names(root, args.names)
    layout = yolo_layout(root, pairs, names, args.task, progress('looking at labels'))
    print(f'read as  {layout}')
    print(f'names    {names.file}: {len(names.names)}')
    return yolo_parser(names.names, layout), names


def write(target: Path, coco: dict) -> None:
    """Write the file.

    Raises:
        RefusedError: The place can't be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, dump(coco))
    except PermissionError as error:
        raise RefusedError(
            f'{target}: cannot write it: {error.strerror}; --out FILE writes it elsewhere'
        ) from error


def report(pairs: LabelPairs, found: Collected, renamed: list[str]) -> None:
    """Print the closing table."""

    def such_as(names: list[str]) -> str:
        return f', such as {names[0]}' if names else ''

    coco, bare = found.coco, pairs.bare
    print(f'images   {len(coco["images"])}, {len(bare)} without a label file{such_as(bare)}')
    files = counted(len(pairs.labels), 'file')
    print(f'labels   {files}, {len(found.empty)} empty{such_as(found.empty)}')
    print(f'boxes    {len(coco["annotations"])}')
    if found.problems:
        texts = [counted(len(lines), what) for what, lines in found.problems.items()]
        print(f'left out {", ".join(texts)} (named above)')
    elif not coco['annotations']:
        print('note: no label file holds a box: is the dataset whole?', file=sys.stderr)
    if found.repeated:
        print(f'repeated {counted(len(found.repeated), "box is", "boxes are")} there twice'
              f'{such_as(found.repeated)}; all are kept')  # fmt: skip
    if renamed:
        files = counted(len(renamed), 'label file has', 'label files have')
        print(f'renamed  {files} a <filename> that is no image of the dataset{such_as(renamed)}; '
              'taken by their own names')  # fmt: skip
    report_classes(found.classes)


def report_parts(parts: ImageParts) -> None:
    """Print which part the images are of that lists name."""
    if parts.lists:
        counts = Counter(parts.of.values())
        held = ', '.join(f'{name} {count}' for name, count in counts.items())
        print(f'parts    {held} (by {", ".join(parts.lists)})')
    if parts.twice:
        count = counted(len(parts.twice), 'image is', 'images are')
        print(f'note: {count} in the lists of two parts, such as {parts.twice[0]}; the first part '
              'counts', file=sys.stderr)  # fmt: skip


def report_classes(counts: dict[str, int]) -> None:
    """Print the boxes of each class, and names that may be slips of the pen."""
    held = ', '.join(f'{name} {count}' for name, count in counts.items() if count)
    print(f'classes  {len(counts)}: {held}')
    if bare := [name for name, count in counts.items() if not count]:
        print(f'  without a box: {", ".join(bare)}')
    for line in slip_notes(counts):
        print(f'  {line}')


def next_command(root: Path, target: Path, coco: dict) -> str:
    """Return the command that makes masks of the boxes."""
    kind = 'rbox' if any('rbox' in entry for entry in coco['annotations']) else 'hbox'
    return shlex.join(command_words(root, target, kind))


def command_words(root: Path, target: Path, kind: str = 'hbox') -> list[str]:
    """Return the words of a command that annotates a COCO file."""
    words = ['python', 'tools/sam_annotate.py', f'configs/annotate/coco_boxnet_{kind}.py',
             '--data-root', str(root), '--out', f'data/{root.resolve().name}-masks']  # fmt: skip
    if target.resolve() != root.resolve() / folder.ANNOTATIONS:
        words += ['--cfg-options', f'dataset.ann_file={target.resolve()}']
    return words


if __name__ == '__main__':
    sys.exit(main())
