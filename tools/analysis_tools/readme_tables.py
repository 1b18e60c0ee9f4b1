"""Write the tables of configs/*/README.md anew, from the metafiles and the paper's numbers."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.evaluation.paper.readme import read_models, with_tables

EPILOG = """\
Run it after a new entry in a metafile. A table stands between <!-- paper table N --> and
<!-- end -->; N is its number in the paper. The paper's numbers are in
samrs_mm/evaluation/paper/paper.yml; a model without a row there gets dashes, one without Results in
its metafile "not run".
examples
  tools/analysis_tools/readme_tables.py configs/sep configs/potsdam configs/isaid
exit codes: 0 done; 1 a file could not be read or written; 2 refused"""


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folders', nargs='+', type=Path, metavar='DIR',
                        help='folders of configs with README.md and metafile.yml')  # fmt: skip
    args = parser.parse_args(argv)
    return run_command(lambda: run(args.folders), 'run it again')


def run(folders: list[Path]) -> None:
    """Rewrite the READMEs whose tables are out of date."""
    for folder in folders:
        path = folder / 'README.md'
        text = path.read_text(encoding='utf-8')
        current = with_tables(text, read_models(folder / 'metafile.yml'))
        if current != text:
            atomic_write(path, current.encode())
        print(f'{path}: {"up to date" if current == text else "written"}')


if __name__ == '__main__':
    sys.exit(main())
