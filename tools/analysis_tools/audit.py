"""Draw a random sample of masks for people to judge, and tell how good they say the masks are."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, positive, progress, run_command, tell_failures, whole_number
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.image_index import read_meta
from samrs_mm.evaluation.audit.drawing import draw
from samrs_mm.evaluation.audit.judging import OPEN, RIGHT, Judgement, judge
from samrs_mm.evaluation.audit.numbers import Audit, audit
from samrs_mm.evaluation.audit.table import table
from samrs_mm.formats.annotated.entries import FILTERED, KEPT
from samrs_mm.formats.corrections.audit_sample import AuditSample

EPILOG = """\
how
  1 draw: --draw N writes N masks to SAMPLE, equally many of each class (small classes have fewer)
  2 judge each: by key in the report, what needs work in LabelMe or X-AnyLabeling
      review_report.py OUT --boxes SAMPLE              import_corrections.py OUT decisions.json
      export_dataset.py OUT --to labelme --out fix --boxes SAMPLE   import_corrections.py OUT fix
  3 tell: the same command without --draw
what is told
  the share of masks whose IoU with what people made of them is above 0.9 and above 0.75 (SAM's
  paper: 94 % and 97 %), with 95 % intervals (Wilson), by class, size and doubt; the mean IoU, and
  seconds a mask. A mask that was accepted has an IoU of 1, one that was rejected 0
  how far score and 1 - doubt are the true IoU, in fifths of the masks
  masks weigh as many masks of the folder as they stand for: all rows are about the folder
a mask on which nobody did anything is open, and left out; --untouched right counts it as accepted.
A larger sample of the same seed holds the smaller one.
examples
  python tools/analysis_tools/audit.py data/mine audit.json --draw 200
  python tools/analysis_tools/audit.py data/mine audit.json --json audit_numbers.json
exit codes: 0 done; 1 boxes of the sample are no longer in the folder; 2 refused"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', type=Path, metavar='OUT', help='what sam_annotate.py wrote')
    add('sample', type=Path, metavar='SAMPLE', help='JSON file of the sample')
    add('--draw', type=positive, metavar='N', help='draw so many masks into SAMPLE')
    add('--seed', type=whole_number, default=0, help='of the draw (default %(default)s)')
    add('--class', nargs='+', metavar='NAME', dest='categories',
        help='draw from these classes only')  # fmt: skip
    add('--status', nargs='+', choices=(KEPT, FILTERED), default=[KEPT],
        help=f'draw masks that the machine left {KEPT} (default) or {FILTERED}')  # fmt: skip
    add('--overwrite', action='store_true', help='draw into a file that is there already')
    add('--untouched', choices=(OPEN, RIGHT), default=OPEN,
        help='what a mask is on which nobody did anything: not judged yet (%(default)s, the '
        'default), or looked at and right')  # fmt: skip
    add('--json', type=Path, metavar='FILE', help='write the numbers there, too')
    args = parser.parse_args(argv)
    drawn = args.categories or args.seed or args.status != [KEPT] or args.overwrite
    if args.draw is None and drawn:
        parser.error('--seed, --class, --status and --overwrite go with --draw N')
    if args.draw is not None and (args.json or args.untouched != OPEN):
        parser.error('--json and --untouched go without --draw, once masks are judged')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run the same command again')


def run(args: argparse.Namespace) -> int:
    """Draw, or tell."""
    meta = read_meta(args.folder) if args.folder.is_dir() else None
    if meta is None:
        raise RefusedError(f'{args.folder}: no annotated folder (no meta.json)')
    return run_draw(args, meta) if args.draw is not None else run_tell(args, meta)


def run_draw(args: argparse.Namespace, meta: dict) -> int:
    """Write the sample."""
    if args.sample.exists() and not args.overwrite:
        raise RefusedError(f'{args.sample}: is there already; another name, or --overwrite')
    for name in args.categories or ():
        if name not in meta['classes']:
            raise RefusedError(f'--class {name!r}: classes are {", ".join(meta["classes"])}')
    sample = draw(
        args.folder, meta, args.draw, args.seed, args.status, args.categories,
        progress('reading the ledger'),
    )  # fmt: skip
    sample.write(args.sample)
    images = len({box.stem for box in sample.boxes})
    total = sum(sample.population.values())
    print(f'drawn    {counted(len(sample.boxes), "mask")} of {total:,} in '
          f'{counted(images, "image")} (seed {args.seed})')  # fmt: skip
    for name, size in sample.population.items():
        drawn = sum(box.category == name for box in sample.boxes)
        print(f'  {name:<20} {drawn:>5} of {size:,}')
    print(f'written  {args.sample}')
    return 0


def run_tell(args: argparse.Namespace, meta: dict) -> int:
    """Print the numbers of the sample."""
    sample = AuditSample.read(args.sample)
    found = judge(args.folder, sample, args.untouched)
    tell_failures(found.gone)
    if not found.judged:
        raise RefusedError(
            f'{args.sample}: nobody has decided on any of its {counted(len(sample.boxes), "mask")} '
            'in this folder; judge them (--help says how)'
        )
    numbers = audit(found.judged)
    tell(args.folder, sample, found, meta, numbers)
    if args.json is not None:
        about = dict(seed=sample.seed, untouched=args.untouched, drawn=len(sample.boxes),
                     open=len(found.open), gone=len(found.gone))  # fmt: skip
        atomic_write(args.json, dump(about | numbers.as_dict()))
        print(f'written  {args.json}')
    return 1 if found.gone else 0


def tell(folder: Path, sample: AuditSample, found: Judgement, meta: dict, numbers: Audit) -> None:
    """Print how much is judged, and the tables."""
    left = [f'{counted(len(found.judged), "mask")} judged']
    left += [f'{len(found.open)} open'] if found.open else []
    left += [f'{len(found.gone)} gone'] if found.gone else []
    total = sum(sample.population.values())
    print(f'audit    {folder}: {len(sample.boxes)} of {total:,} drawn (seed {sample.seed}), '
          f'{", ".join(left)}')  # fmt: skip
    lacking = sorted(sample.population.keys() - numbers.by_class.keys())
    if lacking:
        print(f'         no mask judged of {", ".join(lacking)}: the rows are not about them')
    if str(meta.get('signature')) != sample.signature:
        print('         the folder was annotated anew since; this is about the masks drawn')
    print()
    print(table(numbers))


if __name__ == '__main__':
    sys.exit(main())
