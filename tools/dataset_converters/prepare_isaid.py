"""Cut iSAID into training and validation tiles with labels of class indices."""

import argparse
import sys
from functools import partial

from samrs_mm.cli import run_command
from samrs_mm.core.tiling import TileSpec
from samrs_mm.formats.scenes.isaid import colour_code, find_isaid_scenes
from samrs_mm.prepare.map_tiles import MapTileCutter
from samrs_mm.prepare.preparation import EXIT_CODES, preparation_parser, prepare

SIZE, OVERLAP = 896, 384
PAPER = {'train': 33620, 'val': 11533}

EPILOG = f"""what is read, in whatever folders below DIR/train and DIR/val
  P0003.png                     the images of DOTA-v1.0: 1,411 and 458
  P0003_instance_color_RGB.png  of Semantic_masks/images.zip (the instance masks aren't needed)
what is written
  OUT/train, OUT/val
    images/P0003__896__X___Y.png  {SIZE} px every {SIZE - OVERLAP} px, the last one shifted back to
                                  the border; smaller images padded right and below, black
    labels/P0003__896__X___Y.png  8-bit grey: 0 background, 1 ship ... 15 harbor; padding 255
    scenes/P0003.json tiles.json  what they were cut from, sizes of the scenes
mmsegmentation's converter, with the same windows, is documented with 33,978 and 11,644 tiles, the
paper with 33,620 and 11,533; it does not say which it left out.
Killed? The same command goes on where it stopped. Scenes whose files changed are cut again.
example:
  tools/dataset_converters/prepare_isaid.py data/downloads/iSAID
{EXIT_CODES}"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    return preparation_parser(__doc__, EPILOG, 'data/isaid').parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    scenes = find_isaid_scenes(args.root, args.partial)
    tile = TileSpec(size=SIZE, overlap=OVERLAP, pad=(0, 0, 0))
    cutter = MapTileCutter(scenes, colour_code(), tile, args.out)
    return prepare(cutter, args.workers, PAPER, print, partial(print, file=sys.stderr))


if __name__ == '__main__':
    sys.exit(main())
