"""What a GPU gives: parity of the SAM family, tiles a second, SEP training steps, two ranks.

Takes under eight minutes on an H100. The machine needs CUDA, Python 3.12, torch and transformers;
`gpu_wheels.sh` collects the rest beforehand, which is installed into a temporary folder here. Each
part runs in a process of its own with a limit and may fail alone. `--small` is a rehearsal on a
CPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMITS = dict(parity=70, tiles=230, sep=110, ranks=50)
"""Parts, and how many seconds each may take on a GPU."""
MINUTES_ON_CPU = 10


def run_part(part: str, out: Path, small: bool, environment: dict[str, str]) -> dict:
    """Run a part in a process of its own; return its rows, and why it has not all of them."""
    file = out.with_name(f'{out.stem}_{part}.json')
    file.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / 'benchmarks/gpu_parts.py'), part, str(file)]
    limit = 60 * MINUTES_ON_CPU if small else LIMITS[part]
    start, problem = time.perf_counter(), None
    try:
        done = subprocess.run(
            command + ['--small'] * small, timeout=limit, cwd=ROOT, env=environment,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            problem = (done.stderr.strip().splitlines() or [f'exit code {done.returncode}'])[-1]
            print(done.stderr, file=sys.stderr)
    except subprocess.TimeoutExpired:
        problem = f'ended after {limit} s'
    rows = json.loads(file.read_bytes()) if file.exists() else {}
    file.unlink(missing_ok=True)
    if problem:
        rows['problem'] = problem[:300]
    return dict(seconds=round(time.perf_counter() - start, 1), rows=rows)


def machine(environment: dict[str, str]) -> dict:
    """Return the GPUs, versions and commit that figures belong to."""
    code = (
        'import json, os, platform, torch; from samrs_mm.core.parallel import usable_cores; '
        'print(json.dumps(dict(gpus=[torch.cuda.get_device_name(i) for i in '
        'range(torch.cuda.device_count())], torch=torch.__version__, cuda=torch.version.cuda, '
        'python=platform.python_version(), cores=usable_cores())))'
    )
    told = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if told.returncode:
        raise SystemExit(f'gpu_check: {told.stderr.strip().splitlines()[-1]}')
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'], cwd=ROOT, capture_output=True, text=True
    )
    return json.loads(told.stdout) | dict(commit=commit.stdout.strip() or None)


def print_part(name: str, result: dict) -> None:
    """Print the rows of a part."""
    print(f'\n{name} ({result["seconds"]:.0f} s)')
    for row, value in result['rows'].items():
        if isinstance(value, dict):
            value = ', '.join(f'{key} {cell}' for key, cell in value.items())
        print(f'  {row:<34} {value}', flush=True)


def install(wheels: Path, site: str) -> None:
    """Install the wheels that are there into a folder, without a registry."""
    files = sorted(map(str, wheels.glob('*.whl')))
    if files:
        flags = '--quiet', '--no-index', '--no-deps', '--no-compile', '--target', site
        subprocess.run([sys.executable, '-m', 'pip', 'install', *flags, *files], check=True)


def main(argv: list[str] | None = None) -> int:
    """Run the parts; return 0 where each gave all its rows, else 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--out', type=Path, default=Path('gpu_check.json'), help='default: %(default)s')
    add('--parts', default=','.join(LIMITS), help='some of %(default)s')
    add('--small', action='store_true', help='small networks on a CPU: does it run?')
    add('--wheels', type=Path, default=ROOT / 'gpu_wheels', help='default: %(default)s')
    args = parser.parse_args(argv)
    parts = args.parts.split(',')
    if unknown := [part for part in parts if part not in LIMITS]:
        parser.error(f'--parts {unknown[0]!r} is none of {", ".join(LIMITS)}')
    args.out = args.out.absolute()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as site:
        install(args.wheels, site)
        paths = [site, str(ROOT), os.environ.get('PYTHONPATH', '')]
        environment = os.environ | dict(PYTHONPATH=os.pathsep.join(filter(None, paths)))
        table = machine(environment)
        if not table['gpus'] and not args.small:
            parser.error('torch finds no GPU here; --small is a rehearsal on a CPU')
        print(', '.join(f'{key} {value}' for key, value in table.items()))
        for part in parts:
            table[part] = run_part(part, args.out, args.small, environment)
            print_part(part, table[part])
            args.out.write_bytes(json.dumps(table, indent=1).encode())
    print(f'\n{args.out}')
    return int(any('problem' in table[part]['rows'] for part in parts))


if __name__ == '__main__':
    sys.exit(main())
