"""What it costs to begin: CPU seconds and memory until the data of a training is there.

A source of many tiles, in the layout of this package and in that of the release, the first time
(labels are looked at once) and again, and the memory of a reading process of its own:

    python benchmarks/bench_start.py --tiles 105000
"""

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = ('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')
KINDS = 50
"""Files that differ; the others are hard links of them."""


def write_sources(root: Path, tiles: int, side: int) -> None:
    """Write both layouts; every 25th label is empty."""
    rng = np.random.default_rng(0)
    seeds = root / 'seeds'
    seeds.mkdir()
    for number in range(KINDS):
        label = np.full((side, side), 255, np.uint8)
        for value in range(8 * (number % 25 > 0)):
            y, x = rng.integers(0, side - side // 8, 2)
            label[y : y + side // 8, x : x + side // 8] = value
        image = rng.integers(0, 256, (side // 8, side // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(image).save(seeds / f'image{number}.png')
        Image.fromarray(label).save(seeds / f'label{number}.png')
    for images, labels in (('own/images', 'own/semantic'), ('released/images', 'released/gray')):
        for name, kind in ((images, 'image'), (labels, 'label')):
            (root / name).mkdir(parents=True)
            for number in range(tiles):
                os.link(
                    seeds / f'{kind}{number % KINDS}.png', root / name / f'{stem_of(number)}.png'
                )
    with open(root / 'own/images.csv', 'w', newline='', encoding='utf-8') as file:
        rows = csv.writer(file, lineterminator='\n')
        rows.writerow(COLUMNS)
        for number in range(tiles):
            stem = stem_of(number)
            scene, labelled = stem.partition('__')[0], int(number % 25 > 0)
            rows.writerow((stem, f'images/{stem}.png', scene, '', side, side, 3, labelled))
    classes = [f'class{number}' for number in range(8)]
    meta = dict(partial=False, settings=dict(tile=dict(size=side)), classes=classes,
                palette=[[number] * 3 for number in range(8)], data_root='.')  # fmt: skip
    (root / 'own/meta.json').write_bytes(json.dumps(meta).encode())


def stem_of(number: int) -> str:
    """Return the name of a tile: 20 of a scene."""
    return f'P{number // 20:05}__1024__{number % 20 * 824}___0'


def begin(folder: str) -> dict[str, float]:
    """Build the dataset of a folder; return CPU seconds and MiB."""
    from mmseg.registry import DATASETS

    from samrs_mm.registry import register_all

    register_all()
    crop = dict(type='CenterCropPad', crop_size=32)
    entry = dict(type='SAMRSDataset', source='a', data_root=folder, pipeline=[
        dict(type='LoadWindow', crop=crop), dict(type='PackSegInputs', meta_keys=())])  # fmt: skip
    if folder.endswith('released'):
        names = tuple(f'class{number}' for number in range(8))
        entry['metainfo'] = dict(classes=names, palette=[[number] * 3 for number in range(8)])
    before, begun, wall = memory(), time.process_time(), time.monotonic()
    dataset = DATASETS.build(entry | dict(_scope_='mmseg'))
    dataset.full_init()
    found = dict(images=len(dataset), cpu=time.process_time() - begun,
                 wall=time.monotonic() - wall, mib=memory() - before)  # fmt: skip
    ours, theirs = multiprocessing.get_context('fork').Pipe()
    process = multiprocessing.get_context('fork').Process(target=read, args=(dataset, theirs))
    process.start()
    found['worker'] = ours.recv()
    process.join()
    return found


def read(dataset, pipe) -> None:
    """Read 300 samples as a reading process does, and send its own memory in MiB."""
    for index in np.random.default_rng(1).integers(0, len(dataset), 300):
        dataset[int(index)]
    pipe.send(memory('Private_Dirty'))


def memory(what: str = 'Rss') -> float:
    """Return the memory of this process in MiB, as Linux tells it."""
    text = Path('/proc/self/smaps_rollup').read_text(encoding='utf-8')
    line = next(line for line in text.splitlines() if line.startswith(f'{what}:'))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Write the sources and print a row for each start."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--tiles', type=int, default=105_000, help='default %(default)s')
    parser.add_argument('--side', type=int, default=64, help='of a tile in px, default %(default)s')
    parser.add_argument('--begin', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.begin:
        print(json.dumps(begin(args.begin)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_sources(Path(folder), args.tiles, args.side)
        print(f'{args.tiles} tiles of {args.side} px')
        for title, name in (('own layout', 'own'), ('released, first', 'released'),
                            ('released, again', 'released')):  # fmt: skip
            command = [sys.executable, __file__, '--begin', f'{folder}/{name}']
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            row = json.loads(done.stdout.splitlines()[-1])
            print(
                f'{title:<16}{row["images"]:>8} images{row["cpu"]:>8.1f} CPU s'
                f'{row["wall"]:>8.1f} s{row["mib"]:>7.0f} MiB, a reading process '
                f'{row["worker"]:.0f} MiB',
                flush=True,
            )


if __name__ == '__main__':
    main()
