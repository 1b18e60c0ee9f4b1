"""Statistics of a segmentation dataset, as the paper gives them for SAMRS: numbers and figures."""

import argparse
import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from samrs_mm.cli import ToolParser, run_command, whole_number
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.classes import NAMED_CLASSES
from samrs_mm.core.parallel import reading_processes
from samrs_mm.statistics.dataset_stats import DatasetStats
from samrs_mm.statistics.figures import write_figures
from samrs_mm.statistics.readers import read_stats
from samrs_mm.statistics.tables import class_rows, report, summary

EPILOG = """\
what can be read
  an annotated folder   its records; without them annotations.json and the label maps
  a released subset     ins/*.pkl, gray/*.png, or one of the two; a pickle's code is never run
  a COCO file           RLE or polygons, read piece by piece
what is counted
  boxes       one for each image or tile that holds the box
  instances   those with a valid mask: kept and not empty, as in the paper
  pixels      of the label maps; where there are none, of the masks
what is written
  OUT/classes.csv             the numbers of each class
  OUT/statistics.json         those of the dataset, histograms, rows of Table 2, what was skipped
  OUT/per_class.*             pixels and instances of each class (figure 5)
  OUT/mask_sizes.*            mask sizes (figure 6), and by class: OUT/mask_sizes_by_class.*
  OUT/per_image.*             instances per image, and mask size / box size
without --out the short table goes to the screen and nothing is written
examples
  tools/analysis_tools/dataset_stats.py data/samrs/sota --out work_dirs/statistics/sota
  tools/analysis_tools/dataset_stats.py download/SAMRS --subset fast --workers 16 --format csv,json
exit codes: 0 done; 1 something could not be read (named, skipped) or written; 2 refused"""

FORMATS = ('csv', 'json', 'png', 'pdf')
MOST_PROBLEMS = 20


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('dataset', type=Path, metavar='ANNOTATED_DIR',
        help='an annotated folder, a released subset, or a COCO file')  # fmt: skip
    add('--out', type=Path, metavar='DIR', help='where the files go')
    add('--format', default=','.join(FORMATS), metavar='csv,json,png,pdf',
        help='which files (default all)')  # fmt: skip
    add('--subset', choices=NAMED_CLASSES,
        help='which subset of the release it is (default: as export.json there or the name of the '
        'folder says)')  # fmt: skip
    add('--name', help='what to call it in tables and figures (default: its file name)')
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes (default %(default)s); 0 works in this one')  # fmt: skip
    args = parser.parse_args(argv)
    args.format = args.format.split(',')
    unknown = set(args.format) - set(FORMATS)
    if unknown:
        parser.error(f'--format {",".join(args.format)}: allowed are {", ".join(FORMATS)}')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run it again')


def run(args: argparse.Namespace) -> int:
    """Count, print and write."""
    stats = read_stats(args.dataset, args.subset, args.workers, progress)
    stats.name = args.name or stats.name
    if args.out is not None:
        write(stats, args.out, args.format)
    print(report(stats))
    if args.out is not None:
        print(f'\nwritten     {args.out}')
    problems = stats.counts.problems
    for line in problems[:MOST_PROBLEMS]:
        print(f'skipped: {line}', file=sys.stderr)
    if len(problems) > MOST_PROBLEMS:
        print(f'skipped: {len(problems) - MOST_PROBLEMS} more, see statistics.json with --out',
              file=sys.stderr)  # fmt: skip
    return 1 if problems else 0


def progress(unit: str, total: int) -> Callable[[int], object]:
    """Return what moves a progress bar on; it goes away when full."""
    bar = tqdm(desc='reading', total=total, unit=unit, unit_scale=unit == 'B', mininterval=0.5,
               leave=False, disable=not total)  # fmt: skip

    def step(done: int) -> None:
        bar.update(done)
        if bar.n >= total:
            bar.close()

    return step


def write(stats: DatasetStats, out: Path, formats: list[str]) -> None:
    """Write the chosen files."""
    out.mkdir(parents=True, exist_ok=True)
    if 'csv' in formats:
        text, rows = io.StringIO(), class_rows(stats)
        table = csv.DictWriter(text, rows[0] if rows else (), lineterminator='\n')
        table.writeheader()
        table.writerows(rows)
        atomic_write(out / 'classes.csv', text.getvalue().encode())
    if 'json' in formats:
        atomic_write(out / 'statistics.json', dump(summary(stats)))
    write_figures(stats, out, [form for form in ('png', 'pdf') if form in formats])


if __name__ == '__main__':
    sys.exit(main())
