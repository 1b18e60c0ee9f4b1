"""What the tools that prepare a labelled dataset share: flags, and counts to print."""

import argparse
from collections.abc import Callable, Mapping

from samrs_mm.cli import ToolParser, whole_number
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.wording import counted, plural
from samrs_mm.prepare.map_tiles import MapTileCutter
from samrs_mm.prepare.tile_cutter import SceneTiles, anew_line

EXIT_CODES = """exit codes: 0 all tiles are there; 1 a scene could not be read or a file not
written (it is named, the rest is done); 2 refused before work began"""


def preparation_parser(description: str, epilog: str, out: str) -> argparse.ArgumentParser:
    """Return the parser that preparing tools share; ``out`` is the default of ``--out``."""
    parser = ToolParser(description, epilog)
    add = parser.add_argument
    add('root', metavar='DIR', help='folder in which the download was unpacked')
    add('--out', metavar='OUT', default=out, help='where the tiles go (default %(default)s)')
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes (default %(default)s); each holds one scene, some 5 bytes a pixel; '
        '0 works in this one')  # fmt: skip
    add('--partial', action='store_true',
        help='take the scenes whose files are there; else an incomplete download is refused'
    )  # fmt: skip
    return parser


def prepare(
    cutter: MapTileCutter,
    workers: int,
    paper: Mapping[str, int],
    log: Callable[[str], object],
    warn: Callable[[str], object],
) -> int:
    """Cut all scenes; return the exit code of a tool.

    ``log`` is called with lines of counts (the paper's beside them), ``warn`` with problems.

    Raises:
        RefusedError: See ``MapTileCutter.start``.
        SamrsError: The disk is full, a file can't be written, or a process died.
    """
    cutter.start()
    results = cutter.run(workers)
    try:
        problems = cutter.finish(results)
    except OSError as error:
        raise SamrsError(f'{error.filename}: {error.strerror}') from error
    for split in cutter.splits:
        for line in problems[split]:
            warn(f'failed: {line}')
        own = [result for result in results if cutter.scenes[result.scene].split == split]
        if line := anew_line(cutter.scenes[result.scene].name for result in own if result.anew):
            log(f'anew     {line}')
        log(f'{split:8} {_summary(own, paper.get(split))}')
    log(f'written  {cutter.out}')
    return int(any(result.error for result in results) or any(problems.values()))


def _summary(results: list[SceneTiles], paper: int | None) -> str:
    done = [result for result in results if not result.error]
    tiles, written = (sum(getattr(r, key) for r in done) for key in ('tiles', 'written'))
    each = {result.tiles for result in done}
    scenes = (
        f'{counted(len(done), "scene")} x {each.pop()}'
        if len(each) == 1
        else f'of {counted(len(done), "scene")}'
    )
    text = f'{tiles:,} {plural(tiles, "tile")} {"= " if "x" in scenes else ""}{scenes}'
    text += f', {tiles - written:,} were there before' * (written < tiles)
    text += f'; {counted(len(results) - len(done), "scene")} failed' * (len(done) < len(results))
    if paper is not None and paper != tiles:
        text += f' (the paper has {paper:,})'
    return text
