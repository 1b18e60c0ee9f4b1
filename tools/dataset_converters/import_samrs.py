"""Turn a subset of the SAMRS release into an annotated folder."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from samrs_mm.annotate.exporter import RECORD
from samrs_mm.annotate.finalise import Finaliser
from samrs_mm.annotate.importer import ReleasedImporter
from samrs_mm.annotate.totals import Totals
from samrs_mm.cli import ToolParser, progress, run_command, whole_number
from samrs_mm.core.atomic import load
from samrs_mm.core.classes import NAMED_CLASSES
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.input_notes import some
from samrs_mm.core.masks import check_policy
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.boxes.released import SAMRSBoxDataset
from samrs_mm.formats.annotated.folder import AnnotatedFolder

EPILOG = """what is read, in the folders of the release that were seen (or --images and so on)
  images/STEM.*    such as images/, trainval_images/ and test_images/
  ins/STEM.pkl     such as hbox_segs_init/ins/; read without running what a pickle may hold
  gray/STEM.png    such as semlabels/gray/; may be missing: then it is made from the masks
what is written
  OUT/instances, OUT/semantic, annotations.json, ledger.csv, images.csv, meta.json; label maps are
  the release's own. Images stay where they are.
defects of the release are counted, and noted in the image's record: categories that contradict the
label, sizes that aren't the mask's, label maps that differ from the masks.
Empty masks have the status empty. Killed? The same command goes on where it stopped; images whose
files changed since are imported anew (OUT/inputs.tsv has their times and hashes).
examples:
  tools/dataset_converters/import_samrs.py download/SAMRS/sota --out data/samrs/sota
  tools/dataset_converters/import_samrs.py download/SOTA-RBB --subset sota --out data/sota_rbb
exit codes: 0 done; 1 something could not be read (named in ledger.csv) or written, or images are
gone from the release (only --prune deletes what was made of them); 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='one subset, unpacked')
    add('--out', metavar='OUT', required=True, help='the annotated folder')
    add('--subset', choices=NAMED_CLASSES,
        help='whose classes the labels are (default: those of an export.json there, else as the '
        "folder's name says)")  # fmt: skip
    for name, what in (('images', 'image'), ('instances', 'instance'), ('labels', 'label map')):
        add(f'--{name}', metavar='DIR', help=f'{what} folder, inside FOLDER')
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes (default %(default)s); 0 works in this one')  # fmt: skip
    add('--prune', action='store_true',
        help='delete what was made of images that the release has no longer')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    classes, policy = known(args)
    folders = dict(images=args.images, instances=args.instances, labels=args.labels)
    dataset = SAMRSBoxDataset(args.folder, classes, **folders)
    out = AnnotatedFolder(args.out)
    if isinstance(classes, str):
        how = '' if args.subset else ' (so the name of its folder; --subset says it)'
        print(f'classes  the {len(dataset.classes)} of {classes}{how}')
    importer = ReleasedImporter(dataset, out, policy)
    settings = importer.settings()
    out.open(settings)
    changes = importer.changes()
    importer.make_ready(changes)
    for line in changes.lines():
        print(line)
    if args.prune:
        removed = sum(map(out.remove, changes.gone))
        print(f'prune: removed {counted(removed, "file")} of {counted(len(changes.gone), "image")}')
        changes.gone.clear()
    bar = partial(progress('importing'), unit='img')
    failed = 0
    for error in importer.run(args.workers, bar):
        if error:
            failed += 1
            tqdm.write(f'failed: {error}', file=sys.stderr)
    for name in dataset.stray_maps():
        failed += 1
        tqdm.write(f'failed: {name}: there is no image of this label map', file=sys.stderr)
    bar = progress('writing annotations.json')
    finaliser = Finaliser(importer.plan, out, settings, 'import_samrs', bar)
    totals = finaliser.write()
    print_totals(importer, totals, out)
    if changes.gone:
        print(
            f'gone: {counted(len(changes.gone), "image")} of {out.root} '
            f'{plural(len(changes.gone), "is", "are")} not in {args.folder} any more: '
            f'{some(changes.gone)}; no list names them; --prune deletes their files',
            file=sys.stderr,
        )
    return 1 if failed or changes.gone or totals.problems or totals.unread else 0


def known(args: argparse.Namespace) -> tuple[tuple[str, ...] | str, str]:
    """Return the classes, or the name of their list, and the overlap policy of the label maps.

    Raises:
        RefusedError: Neither a flag, nor the folder, nor its name gives the classes.
    """
    path = Path(args.folder, RECORD)
    if args.subset or not path.exists():
        return args.subset or by_name(args.folder), 'file_order'
    try:
        about = load(path.read_bytes())
        return tuple(about['classes']), check_policy(about['overlap_policy'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f'{path}: not of export_dataset.py ({error}); give --subset') from error


def by_name(folder: str) -> str:
    """Return the subset that a folder's name, or else its parents', begins with.

    Raises:
        RefusedError: None does.
    """
    for part in reversed(Path(os.path.abspath(folder)).parts):
        for name in NAMED_CLASSES:
            if part.lower().startswith(name):
                return name
    raise RefusedError(
        f'{folder}: its name does not say the subset; give --subset {", ".join(NAMED_CLASSES)}'
    )


def print_totals(importer: ReleasedImporter, totals: Totals, out: AnnotatedFolder) -> None:
    """Print the closing table."""
    for line in totals.problems:
        print(f'does not reconcile: {line}', file=sys.stderr)
    images = ', '.join(f'{count} {state}' for state, count in totals.images.items() if count)
    print(f'images   {len(importer.plan.tiles)} ({images})')
    print(f'boxes    {totals.boxes} in the release, {counted(totals.rows.total(), "ledger row")}')
    for status, count in sorted(totals.rows.items()):
        print(f'  {status:10} {count}')
    for what, count in sorted(importer.defects().items()):
        print(f'defect   {count} {what}')
    print(f'written  {out.root}')


if __name__ == '__main__':
    sys.exit(main())
