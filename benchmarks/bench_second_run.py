"""What running `sam_annotate.py` again costs: over unchanged data, and after a few changes.

The images are hard links of a few small ones with a box or two each, and boxes are filled, so that
what is measured is the comparing and not the segmenting. Each run is a process of its own; prints
the table of docs/benchmark.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CONFIG = 'configs/annotate/dota_grabcut_rbox.py'
FILL = ('--cfg-options', 'model.type=BoxFillSegmentor')
KINDS, SIDE = 10, 64


@dataclass(frozen=True)
class Run:
    """A run's exit code, wall seconds, peak memory in MB, and what it printed."""

    code: int
    seconds: float
    megabytes: float
    text: str


def write_data(root: Path, count: int) -> None:
    """Write images and labels in DOTA's layout: a few of each, and hard links of these."""
    rng = np.random.default_rng(0)
    for name in ('images', 'labelTxt', 'drawn'):
        (root / name).mkdir(parents=True)
    for kind in range(KINDS):
        pixels = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f'drawn/{kind}.png')
        boxes = [box(*rng.integers(2, 30, 2), name) for name in ('ship', 'plane')[: 1 + kind % 2]]
        (root / f'drawn/{kind}.txt').write_text('\n'.join(boxes) + '\n')
    for number in range(count):
        kind = number % KINDS
        os.link(root / f'drawn/{kind}.png', root / f'images/S{number:06}.png')
        os.link(root / f'drawn/{kind}.txt', root / f'labelTxt/S{number:06}.txt')


def box(x: int, y: int, name: str, side: int = 24) -> str:
    """Return a line of a label file."""
    corners = (x, y), (x + side, y), (x + side, y + side), (x, y + side)
    return ' '.join(f'{a} {b}' for a, b in corners) + f' {name} 0'


def change(root: Path, count: int) -> list[str]:
    """Move a box, replace an image, change a class; return the stems, in this order."""
    stems = [f'S{count * part // 4 // KINDS * KINDS + 1:06}' for part in (1, 2, 3)]
    moved, image, renamed = stems
    replace(root / f'labelTxt/{moved}.txt', (box(5, 5, 'ship') + '\n').encode())
    replace(root / f'images/{image}.png', (root / 'drawn/2.png').read_bytes())
    path = root / f'labelTxt/{renamed}.txt'
    replace(path, path.read_bytes().replace(b'ship', b'plane'))
    return stems


def replace(path: Path, data: bytes) -> None:
    """Write a file in place of a link."""
    path.unlink()
    path.write_bytes(data)


def annotate(data: Path, out: Path) -> Run:
    """Run the tool in a process of its own."""
    tool = [sys.executable, str(ROOT / 'tools/sam_annotate.py'), CONFIG, '--workers', '0']
    command = [*tool, '--data-root', str(data), '--out', str(out), *FILL]
    start = time.perf_counter()
    with tempfile.TemporaryFile('w+') as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        log.seek(0)
        return Run(process.returncode, seconds, usage.ru_maxrss / 1024, log.read())


def written_since(out: Path, moment: float) -> list[str]:
    """Return the images of which a file was written, by stem."""
    kinds = 'instances', 'semantic'
    entries = (entry for kind in kinds for entry in os.scandir(out / kind))
    return sorted({entry.name.split('.')[0] for entry in entries if entry.stat().st_mtime > moment})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=2000, help='how many (default %(default)s)')
    parser.add_argument('--folder', type=Path, help='an empty folder (default: a temporary one)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        data, out = root / 'data', root / 'out'
        write_data(data, args.images)
        first = annotate(data, out)
        runs = {'first': first}
        for name in ('again, unchanged', 'one box, one image, one class changed', 'again'):
            named = change(data, args.images) if 'changed' in name[6:] and 'one' in name else []
            moment = time.time()
            runs[name] = annotate(data, out)
            written = written_since(out, moment)
            assert written == sorted(named), (name, written, named)
        print(f'{args.images:,} images')
        print(f'{"run":40}{"exit":>5}{"seconds":>10}{"of first":>10}{"MB":>8}')
        for name, run in runs.items():
            part = run.seconds / first.seconds
            print(f'{name:40}{run.code:5}{run.seconds:10.1f}{part:10.1%}{run.megabytes:8.0f}')
        for name, run in runs.items():
            lines = [line for line in run.text.splitlines() if '|' not in line]
            print(f'\n{name}:\n  ' + '\n  '.join(lines))


if __name__ == '__main__':
    main()
