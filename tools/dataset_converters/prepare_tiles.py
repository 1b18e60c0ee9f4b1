"""Cut a detection dataset, or a folder of images, into tiles in DOTA's format."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from samrs_mm.annotate.plan import Plan
from samrs_mm.cli import ToolParser, add_fit_flags, fit_flags, progress, run_command
from samrs_mm.config_files import OptionsAction, load_config
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.found_files import tell_untaken
from samrs_mm.core.input_notes import some
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.tiling import TileSpec, count_tiles
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.boxes.base import build_dataset
from samrs_mm.prepare.box_tiles import BoxTileCutter, ImageFolder
from samrs_mm.prepare.tile_cutter import SceneTiles, anew_line

if TYPE_CHECKING:
    from mmengine.config import Config

EPILOG = """what is written
  OUT/images/STEM.png     the tiles; STEM is SCENE__SIZE__X___Y, X and Y the tile's top left corner
  OUT/labelTxt/STEM.txt   their boxes in tile pixels, not clipped; blanks in names become -
  OUT/tiles.json          settings, counts, and the boxes that no tile takes
a box is in every tile that covers at least IOF of its area. Killed? The same command goes on
where it stopped, and ends with the same bytes. Scenes whose image was replaced are cut anew
(OUT/inputs.tsv has times and hashes of the images), labels are written again where they changed;
both are told, and tiles of scenes that are gone are named.
examples:
  # DOTA: 1024 px tiles, 200 px overlap
  tools/dataset_converters/prepare_tiles.py configs/annotate/sota_sam-vit-h_hbox.py \\
      --data-root data/DOTA-v2 --out data/DOTA-v2-tiles
  # FAIR1M: 600 px, overlap 150, IoF 0.5, as its config says
  tools/dataset_converters/prepare_tiles.py configs/annotate/fast_sam-vit-h_rhbox.py \\
      --out data/FAIR1M-tiles
  # clips of 384 px every 300 px of the training images; no labels
  tools/dataset_converters/prepare_tiles.py --images data/samrs/sota/images \\
      --list data/samrs/sota/train.txt --out data/samrs-mae/sota --size 384 --overlap 84
  # how many that will be, and how much disk they take, before there are any images
  tools/dataset_converters/prepare_tiles.py --count 1024x1024:16606 800x800:11139 600x600:60940 \\
      --size 384 --overlap 84
exit codes: 0 done; 1 something could not be read or written (the rest is done), or tiles are there
of scenes that are gone (only --prune deletes them); 2 refused before work began"""

RELABELLED = 'label files of tiles that were there before'
DROPPED = 'tiles deleted, their scenes have them no longer'
_COMPRESSED = 0.7  # PNG bytes of overhead imagery by uncompressed byte


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', nargs='?', help='annotate config: its dataset, data_root and tile are used')
    add('--images', metavar='DIR', help="cut a plain folder of images instead of the config's data")
    add('--list', metavar='FILE',
        help='with --images: cut only these; stems, one a line, such as train.txt')  # fmt: skip
    add('--count', nargs='+', type=image_count, metavar='WxH:N',
        help='only print how many tiles N images of W x H pixels give; needs no data')  # fmt: skip
    add('--data-root', metavar='DIR', help='the detection dataset, as downloaded')
    add('--out', metavar='DIR', help='where the tiles go')
    add('--size', type=int, metavar='N', help='side of a tile in pixels')
    add('--overlap', type=int, metavar='N', help='overlap of neighbouring tiles in pixels')
    add(
        '--iof', type=float, metavar='F', help='least fraction of a box inside a tile that takes it'
    )
    add('--workers', type=int, metavar='N', default=reading_processes(),
        help='processes (default %(default)s); each holds one scene, 4 bytes a pixel')  # fmt: skip
    add_fit_flags(add)
    add(
        '--prune',
        action='store_true',
        help='delete the tiles of scenes that the data has no longer',
    )
    add('--dry-run', action='store_true', help='count tiles and boxes, write nothing')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys, such as tile.pad=[0,0,0] tile.drop_empty=True')  # fmt: skip
    args = parser.parse_args(argv)
    if not (args.config or args.images or args.count):
        parser.error('give a CONFIG, or --images DIR')
    if not (args.out or args.count):
        parser.error('the following arguments are required: --out')
    if args.list and not args.images:
        parser.error('--list needs --images')
    if args.images and args.data_root:
        parser.error('--images and --data-root exclude each other')
    if args.cfg_options and not args.config:
        parser.error('--cfg-options needs a CONFIG')
    if args.workers < 0:
        parser.error(f'--workers {args.workers} is not a whole number of at least 0')
    return args


def image_count(text: str) -> tuple[tuple[int, int], int]:
    """Parse ``1024x1024:16606`` to ``((1024, 1024), 16606)``."""
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*):(\d+)', text)
    if not match:
        raise argparse.ArgumentTypeError(f'{text!r} is not WIDTHxHEIGHT:IMAGES')
    width, height, images = map(int, match.groups())
    return (width, height), images


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    config, tile = read_config(args)
    if args.count:
        print_tile_count(args.count, tile)
        return 0
    dataset = ImageFolder(args.images, args.list) if args.images else build_dataset(config)
    if args.images and (line := tell_untaken(args.images)):
        print(f'passed over: {line}', file=sys.stderr)
    plan = Plan(dataset, tile, progress('reading image headers'))
    cutter = BoxTileCutter(plan, args.out, dry=args.dry_run)
    if not args.dry_run:
        cutter.start()
        if args.prune:
            scenes = len(cutter.gone)
            print(f'prune: deleted {counted(cutter.prune(), "tile")} of {counted(scenes, "scene")}')
    results = cutter.run(args.workers)
    if not args.dry_run:
        try:
            cutter.finish(results)
        except OSError as error:
            raise SamrsError(f'{error.filename}: {error.strerror}') from error
    print_counts(cutter, results)
    if cutter.gone:
        print(
            f'gone: {counted(len(cutter.gone), "scene")} with tiles in {cutter.out} '
            f'{plural(len(cutter.gone), "is", "are")} not in '
            f'{dataset.root} any more: {some(cutter.gone)}; --prune deletes their tiles',
            file=sys.stderr,
        )
    return int(any(r.error or r.malformed for r in results) or bool(cutter.gone))


def read_config(args: argparse.Namespace) -> tuple['Config | None', TileSpec]:
    """Return the config, if there is one, and the tiling that it and the flags ask for."""
    config, tile = None, {}
    if args.config:
        flags = {'data_root': args.data_root, **fit_flags(args)}
        config = load_config(args.config, args.cfg_options, flags)
        tile = dict(config.tile or {})
    for key in ('size', 'overlap', 'iof'):
        if getattr(args, key) is not None:
            tile[key] = getattr(args, key)
    if args.images:
        tile.pop('drop_empty', None)
    return config, TileSpec.from_config(tile)


def print_tile_count(images: list[tuple[tuple[int, int], int]], tile: TileSpec) -> None:
    """Print how many tiles images of these sizes give."""
    total = 0
    for (width, height), number in images:
        each, tiles = (count_tiles({(width, height): n}, tile) for n in (1, number))
        print(
            f'{width}x{height}: {number:,} {plural(number, "image")}, {each:,} '
            f'{plural(each, "tile")} each, {tiles:,} {plural(tiles, "tile")}'
        )
        total += tiles
    print(f'tiles    {total}')
    print(disk_line(total, tile))


def disk_line(tiles: int, tile: TileSpec) -> str:
    """Return the line that estimates the disk space of tiles."""
    return f'disk     about {tiles * tile.size**2 * 3 * _COMPRESSED / 1e6:,.1f} MB'


def print_counts(cutter: BoxTileCutter, results: list[SceneTiles]) -> None:
    """Print the closing lines."""
    tiles, written, bare, boxes, places = (
        sum(getattr(result, name) for result in results)
        for name in ('tiles', 'written', 'bare', 'boxes', 'places')
    )
    failed = [result for result in results if result.error]
    lost = sum(result.boxes for result in failed)
    untiled = sum(len(result.untiled) for result in results)
    malformed = sum(len(result.malformed) for result in results if not result.error)
    print(f'scenes   {len(results)}, {len(failed)} failed')
    print(f'tiles    {tiles}, {bare} without boxes, {tiles - written} were there before')
    if line := anew_line(cutter.scenes[result.scene].stem for result in results if result.anew):
        print(f'anew     {line}')
    for what, key in ((RELABELLED, 'relabelled'), (DROPPED, 'dropped')):
        count = {cutter.scenes[r.scene].stem: getattr(r, key) for r in results if getattr(r, key)}
        if count:
            print(
                f'changed  {sum(count.values())} {what}, of '
                f'{counted(len(count), "scene")}: {some(count)}'
            )
    print(f'boxes    {boxes} in the labels')
    print(f'  tiled     {boxes - untiled - malformed - lost}, in {counted(places, "place")}')
    print(f'  untiled   {untiled}')
    print(f'  malformed {malformed}')
    print(f'  failed    {lost}')
    if cutter.dry:
        print(disk_line(written, cutter.plan.spec))
    else:
        print(f'written  {cutter.out}')


if __name__ == '__main__':
    sys.exit(main())
