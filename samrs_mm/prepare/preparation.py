"""Run a ``LabelledTileCutter``: progress, failures as they come, and counts that were checked."""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import closing

from tqdm import tqdm

from samrs_mm.cli import whole_number
from samrs_mm.core.errors import SamrsError
from samrs_mm.prepare.labelled_tile_cutter import LabelledTileCutter
from samrs_mm.prepare.tile_cutter import SceneTiles, cut_scenes

EXIT_CODES = """exit codes: 0 all tiles are there; 1 a scene could not be read or a file not
written (it is named, the rest is done); 2 refused before work began"""


def preparation_parser(description: str, epilog: str, out: str) -> argparse.ArgumentParser:
    """Return the parser that preparing tools share.

    Args:
        description: First lines of the help.
        epilog: Its last lines.
        out: Default of ``--out``.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('root', metavar='DIR', help='folder in which the download was unpacked')
    add('--out', metavar='OUT', default=out, help='where the tiles go (default %(default)s)')
    add('--workers', type=whole_number, metavar='N', default=min(4, os.cpu_count() or 1),
        help='processes (default %(default)s); each holds one scene, some 5 bytes a pixel; '
        '0 works in this one')  # fmt: skip
    add(
        '--partial',
        action='store_true',
        help='take the scenes whose files are there; else an incomplete download is refused',
    )
    return parser


def prepare(cutter: LabelledTileCutter, workers: int, paper: Mapping[str, int]) -> int:
    """Cut all scenes and return the tool's exit code.

    Args:
        cutter: What to cut.
        workers: Processes; 0 works in this one.
        paper: Tiles that the paper tells of, by split.

    Raises:
        RefusedError: The output folder holds something else.
        SamrsError: The disk is full, or a process died.
    """
    cutter.begin()
    sizes = {index: _count(cutter, index) for index in range(len(cutter.scenes))}
    results = _cut(cutter, sizes, min(workers, len(sizes)))
    try:
        problems = cutter.finish(results)
    except OSError as error:
        raise SamrsError(f'{error.filename}: {error.strerror}') from error
    for split in cutter.splits:
        for line in problems[split]:
            print(f'failed: {line}', file=sys.stderr)
        mine = [result for result in results if cutter.scenes[result.scene].split == split]
        print(f'{split:8} {_told(mine, paper.get(split))}')
    print(f'written  {cutter.out}')
    return int(any(result.error for result in results) or any(problems.values()))


def _count(cutter: LabelledTileCutter, index: int) -> int:
    try:
        return len(cutter.windows(cutter.scenes[index]))
    except SamrsError:
        return 0  # met again, and told, when the scene is cut


def _cut(cutter: LabelledTileCutter, sizes: Mapping[int, int], workers: int) -> list[SceneTiles]:
    order = sorted(sizes, key=lambda index: -sizes[index])  # begun last, it would be waited for
    results = []
    with (
        closing(cut_scenes(cutter, order, workers)) as stream,
        tqdm(total=sum(sizes.values()), unit='tile', mininterval=0.5, leave=False) as bar,
    ):
        for result in stream:
            results.append(result)
            if result.error:
                bar.write(f'failed: {result.error}', file=sys.stderr)
            if result.full:
                raise SamrsError(
                    f'{cutter.out}: no space left on the device; free some and run the same '
                    'command to go on'
                )
            bar.update(sizes[result.scene])
    return results


def _told(results: list[SceneTiles], paper: int | None) -> str:
    done = [result for result in results if not result.error]
    tiles, written = (sum(getattr(r, key) for r in done) for key in ('tiles', 'written'))
    each = {result.tiles for result in done}
    scenes = f'{len(done)} scenes x {each.pop()}' if len(each) == 1 else f'of {len(done)} scenes'
    text = f'{tiles:,} tiles {"= " if "x" in scenes else ""}{scenes}'
    text += f', {tiles - written:,} were there before' * (written < tiles)
    text += f'; {len(results) - len(done)} scenes failed' * (len(done) < len(results))
    if paper is not None and paper != tiles:
        text += f' (the paper has {paper:,})'
    return text
