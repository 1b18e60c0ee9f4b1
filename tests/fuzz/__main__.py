"""Spoil files for some minutes and tell which reader fell over: ``python -m fuzz --minutes 60``.

Each target gets the same time, in rounds. The shortest input of each fault and its traceback are
written to ``--out``. Exit code 1 if there is a fault.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fuzz.harness import Bench, Findings, keep, search
from fuzz.targets import TARGETS


def main() -> int:
    """Run the search and print a table."""
    parser = argparse.ArgumentParser(prog='fuzz', description=__doc__)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--target', nargs='+', choices=TARGETS, default=list(TARGETS))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=Path('out/fuzz'))
    args = parser.parse_args()
    found = {name: Findings() for name in args.target}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.target:
            until = time.monotonic() + args.minutes * 60 / len(args.target)
            bench = Bench(TARGETS[name], Path(folder, name.replace(' ', '-')))
            seed = args.seed
            while time.monotonic() < until:
                search(bench, 50, seed, found[name])
                seed += 1
            keep(found[name], name, args.out)
            print(
                f'{name:18} {found[name].inputs:8} inputs, {len(found[name].faults)} faults',
                flush=True,
            )
            for place, count in found[name].faults.most_common():
                print(f'    {count:6} x {place}', flush=True)
    total = sum(each.inputs for each in found.values())
    faults = sum(len(each.faults) for each in found.values())
    print(f'{"all":18} {total:8} inputs, {faults} faults')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
