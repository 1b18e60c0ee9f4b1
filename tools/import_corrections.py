"""Bring masks that people corrected back into the annotated folder that they come from."""

import argparse
import sys
from pathlib import Path

from samrs_mm.annotate.correcting import enter_corrections
from samrs_mm.annotate.reopened import ReopenedFolder
from samrs_mm.annotate.taking_back import Taker, tell_taken, user
from samrs_mm.cli import ToolParser, progress, run_command
from samrs_mm.config_files import read_config
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import some
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.corrections.found import AUTO, FORMATS, found_files, other_files

EPILOG = """what is read, by what is in the files
  labelme   JSON of LabelMe or X-AnyLabeling, of images that export_dataset.py --to labelme wrote
  coco      COCO, of FiftyOne or CVAT, of what export_dataset.py --to coco wrote: boxes
            are known by `box_id`, else by their place; what only retraces a mask is no edit
  fiftyone  a dataset of FiftyOne by its name, or a FiftyOneDataset on disk, read by FiftyOne where
            it is installed: masks pixel by pixel
  cvat      "CVAT for images 1.1" (XML): masks, polygons, boxes
  decisions what the review report saved (also: sam_annotate.py --decisions FILE)
  own       a copy of OUT that somebody else corrected, or its corrections/
what becomes of it: OUT/corrections/STEM.json gets actions, which are only ever added
  shapes that nobody touched     none: their masks stay bit for bit, holes and all
  changed, of another class      mask, class: the box is corrected; the machine's mask stays beside
  deleted                        reject
  new                            add
  X-AnyLabeling's `checked`      accept, of all masks of the image that were not touched
then label maps, records and lists are written again. Of an image all is taken, or, where something
in its file can't be, nothing. Two people may decide on one box only if they come to the same.
Killed? The same command goes on; given again it changes nothing.
examples:
  tools/dataset_converters/export_dataset.py OUT --to labelme --out fix --worst 200
  # correct masks: open fix/images in X-AnyLabeling or LabelMe
  tools/import_corrections.py OUT fix
  tools/import_corrections.py OUT --undo labelTxt/P0001.txt:7
exit codes: 0 all is taken over; 1 some files are not (they are named), or the lists of OUT could
not be written; 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='OUT', help='the annotated folder')
    add(
        'edited',
        metavar='DIR',
        nargs='?',
        help='what people corrected: a folder, a file, or the name of a dataset of FiftyOne',
    )
    add('--from', dest='kind', choices=FORMATS, default=AUTO,
        help='the format (default %(default)s: by what is in the files)')  # fmt: skip
    add(
        '--config',
        metavar='CONFIG',
        help='the annotate config of OUT: only where its custom_imports make the dataset',
    )
    add('--data-root', metavar='DIR', help='where the data of OUT are now (default: as OUT says)')
    add(
        '--boxes',
        metavar='FILE[:LAYER]',
        help='of scenes on the map: where the boxes are (default: beside the scenes or OUT)',
    )
    add('--by', metavar='NAME', help='who made the corrections (default: your user name)')
    add('--undo', nargs='+', metavar='BOX_ID', default=(),
        help='take back the last correction of these boxes, as the ledger calls them')  # fmt: skip
    add('--undo-stale', action='store_true',
        help='take back corrections whose box or class the labels no longer have')  # fmt: skip
    add('--dry-run', action='store_true', help='say what would be taken over, write nothing')
    args = parser.parse_intermixed_args(argv)  # DIR may follow flags
    if args.edited is None and not args.undo_stale and not args.undo:
        parser.error('give DIR, what people corrected, or --undo or --undo-stale')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    out = AnnotatedFolder(args.folder)
    files = found_files(Path(args.edited), args.kind) if args.edited else {}
    if out.read() is None:
        raise RefusedError(f'{out.meta}: no annotated folder there')
    if args.config:
        read_config(args.config)
    opened = ReopenedFolder(out, progress('reading labels'), args.data_root, args.boxes)
    classes, policy = list(opened.dataset.classes), opened.settings['overlap_policy']
    if not args.dry_run:
        enter_corrections(out, classes, policy)
    left = other_files(Path(args.edited), files) if files else []
    if left:
        print(f'left     {counted(len(left), "file")} of no such format: {some(map(str, left))}')
    taker = Taker(out, classes, args.by or user(), args.dry_run)
    if args.undo_stale:
        taker.undo_stale()
    if args.undo:
        taker.undo(args.undo)
    for path, kind in progress('comparing')(files.items()):
        taker.take(path, kind)
    tell_taken(taker.taken)
    if args.dry_run:
        return 1 if taker.taken.problems else 0
    enter_corrections(out, classes, policy, progress=progress('entering corrections'))
    totals = opened.finalise(progress('writing annotations.json'))
    for line in totals.problems:
        print(f'does not reconcile: {line}', file=sys.stderr)
    print(f'written  {out.root}')
    return 1 if taker.taken.problems or totals.problems else 0


if __name__ == '__main__':
    sys.exit(main())
