"""Put what was trained and tested into the paper's tables 3, 4, 5, 6 and 9, beside its numbers."""

import argparse
import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.evaluation.paper.layout import Table, listed_configs, paper_layout
from samrs_mm.evaluation.paper.tables import misprints
from samrs_mm.evaluation.results import Result, best, collect

EPILOG = """\
where the numbers come from
  metrics.json           what tools/test.py --out wrote, anywhere below a WORK_DIR
  vis_data/scalars.json  the last validation of a training
Of several results of a config the table shows the test with flip (the paper's "single scale"),
else the plain test, else other augmentation, else the validation; the others are listed below the
tables, as are results of configs that have no row. The column "from" has checkpoint or iteration,
augmentation, changed options and file. A cell is empty where nothing was run. A training of fewer
than 80,000 iterations, the paper's number, is listed below the tables, not in them.

what is written
  OUT/results.md    all tables
  OUT/table_3.csv   and so on, a file for each table
without --out the Markdown goes to the screen
examples
  tools/analysis_tools/results_table.py work_dirs --out work_dirs/tables
exit codes: 0 done; 1 a file could not be used (named, skipped) or written; 2 refused"""

FORMATS = ('md', 'csv')
LENGTH = 80_000  # iterations of the paper's trainings


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folders', nargs='+', type=Path, metavar='WORK_DIR', help='work dirs, or folders of them')
    add('--out', type=Path, metavar='DIR', help='where the files go')
    add('--format', default='md,csv', metavar='md,csv', help='which files (default %(default)s)')
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
    """Collect, lay out and write."""
    results, problems = collect(args.folders)
    short = [result for result in results if is_short(result)]
    chosen, others = best(result for result in results if result not in short)
    tables = paper_layout(chosen)
    text = '\n'.join([*(table.markdown() for table in tables), *remarks(chosen, others, short)])
    if args.out is None:
        print(text)
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        if 'md' in args.format:
            atomic_write(args.out / 'results.md', text.encode())
        for table in tables if 'csv' in args.format else ():
            atomic_write(args.out / f'table_{table.number}.csv', as_csv(table).encode())
        known = len(chosen.keys() & listed_configs())
        print(f'{len(results)} results, {known} in the tables; written to {args.out}')
    for problem in problems:
        print(f'skipped: {problem}', file=sys.stderr)
    return 1 if problems else 0


def is_short(result: Result) -> bool:
    """Return whether it is of a training shorter than the row's that it would stand in."""
    listed = result.config in listed_configs()
    return listed and result.iteration is not None and result.iteration < LENGTH


def remarks(
    chosen: dict[str, Result], others: Iterable[Result], short: Iterable[Result]
) -> list[str]:
    """Return what stands below the tables."""
    outside = [result for config, result in chosen.items() if config not in listed_configs()]
    lines = ["Misprints in the paper's tables:", '']
    lines += [f'- {config}: {note}' for config, note in misprints().items()]
    for title, results in (
        ('Configs without a row:', outside),
        (f'Trainings of fewer than {LENGTH:,} iterations, not shown:', short),
        ('Results not shown, because another of the same config goes first:', others),
    ):
        if results:
            lines += ['', title, '', *(f'- {one_line(result)}' for result in results)]
    return [*lines, '']


def one_line(result: Result) -> str:
    """Return a result's means, those without a class or source in their names."""
    means = [f'{key} {value:.2f}' for key, value in result.scores.items() if '/' not in key]
    return f'{result.config}: {", ".join(means)} ({result.origin})'


def as_csv(table: Table) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([table.columns, *table.rows])
    return text.getvalue()


if __name__ == '__main__':
    sys.exit(main())
