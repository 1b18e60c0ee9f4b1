"""Write the review report of an annotated folder: an HTML page with pictures of its worst masks."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, positive, progress, run_command
from samrs_mm.core.wording import counted
from samrs_mm.formats.corrections.audit_sample import read_choice
from samrs_mm.review.report import PICTURES, ROWS, write_report

EPILOG = """\
ANNOTATED_DIR/report/index.html opens from disk, needs no server and loads nothing from elsewhere.
It can be written again at any time; the same folder gives the same bytes. sam_annotate.py --report
writes the same page.

example
  python tools/analysis_tools/review_report.py data/mine --data-root data/DOTA-v2
exit codes: 0 written; 1 written, but images or records could not be read; 2 not an annotated
folder"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('annotated_dir', type=Path, metavar='ANNOTATED_DIR', help='what sam_annotate.py wrote')
    add('--data-root', type=Path, metavar='DIR', help='the images, where they were moved')
    add('--pictures', type=positive, metavar='N', default=PICTURES,
        help='most masks shown in pictures, about 20 kB each (default %(default)s)')  # fmt: skip
    add('--rows', type=positive, metavar='N', default=ROWS,
        help='most boxes listed, worst first (default %(default)s)')  # fmt: skip
    add('--boxes', type=Path, metavar='FILE',
        help='only the boxes that a JSON file lists, all with a picture: the sample of '
        'tools/analysis_tools/audit.py, or '
        '{"boxes": [{"stem": ..., "box_id": ...}, ...]}')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run the same command again')


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    boxes = None if args.boxes is None else read_choice(args.boxes)
    result = write_report(
        args.annotated_dir, args.data_root, args.pictures, args.rows, progress, boxes
    )
    for line in result.problems:
        print(f'no picture: {line}', file=sys.stderr)
    size = result.path.stat().st_size / 1e6
    print(
        f'report   {result.path} ({counted(result.pictures, "picture")}, '
        f'{counted(result.rows, "row")}, {size:.1f} MB)'
    )
    return 1 if result.problems else 0


if __name__ == '__main__':
    sys.exit(main())
