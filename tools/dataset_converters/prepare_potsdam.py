"""Cut ISPRS Potsdam into training and test tiles with labels of class indices."""

import argparse
import sys
from functools import partial

from samrs_mm.cli import run_command
from samrs_mm.core.tiling import TileSpec
from samrs_mm.formats.scenes.potsdam import LABEL_KINDS, colour_code, find_potsdam_scenes
from samrs_mm.prepare.map_tiles import MapTileCutter
from samrs_mm.prepare.preparation import EXIT_CODES, preparation_parser, prepare

SIZE, STRIDE = 512, 320
PAPER = {'train': 8664, 'test': 5054}

EPILOG = f"""what is read, in whatever folders below DIR
  top_potsdam_2_10_RGB.tif               of 2_Ortho_RGB.zip; 38 scenes, 24 to train on, 14 to test
  top_potsdam_2_10_label_noBoundary.tif  of 5_Labels_all_noBoundary.zip
  top_potsdam_2_10_label.tif             of 5_Labels_all.zip, with --labels all
what is written
  OUT/train, OUT/test
    images/2_10__512__X___Y.png   {SIZE} px every {STRIDE} px, the last one shifted back to the edge
    labels/2_10__512__X___Y.png   8-bit grey: 0 impervious surface, 1 building, 2 low vegetation,
                                  3 tree, 4 car; 255 clutter and eroded boundaries, not used
    scenes/2_10.json  tiles.json  what they were cut from, sizes of the scenes
Killed? The same command goes on where it stopped. Scenes whose files changed are cut again.
example:
  tools/dataset_converters/prepare_potsdam.py data/downloads/Potsdam
{EXIT_CODES}"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = preparation_parser(__doc__, EPILOG, 'data/potsdam')
    parser.add_argument(
        '--labels', choices=LABEL_KINDS, default='noBoundary',
        help='labels with boundaries eroded and ignored, or all pixels (default %(default)s)',
    )  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    scenes = find_potsdam_scenes(args.root, args.labels, args.partial)
    tile = TileSpec(size=SIZE, overlap=SIZE - STRIDE, pad=(0, 0, 0))
    cutter = MapTileCutter(scenes, colour_code(), tile, args.out, args.labels)
    return prepare(cutter, args.workers, PAPER, print, partial(print, file=sys.stderr))


if __name__ == '__main__':
    sys.exit(main())
