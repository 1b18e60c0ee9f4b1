"""Cut DeepGlobe Land Cover into training and validation tiles with labels of class indices."""

import argparse
import sys
from functools import partial

from samrs_mm.cli import run_command, whole_number
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.segmentation.splits import TRAIN, VAL, rank
from samrs_mm.formats.scenes.deepglobe import colour_code, find_deepglobe_scenes
from samrs_mm.prepare.map_tiles import MapTileCutter
from samrs_mm.prepare.preparation import EXIT_CODES, preparation_parser, prepare

SIZE = 612

EPILOG = f"""what is read, in whatever folders below DIR
  119_sat.jpg  119_mask.png    803 scenes of 2448 px, of the folder train; the challenge's other
                               images have no masks and are left out
what is written
  OUT/train, OUT/val
    images/119__612__X___Y.png   {SIZE} px, 16 of a scene, side by side
    labels/119__612__X___Y.png   8-bit grey: 0 urban land, 1 agriculture land, 2 rangeland, 3 forest
                                 land, 4 water, 5 barren land; 255 unknown, not used
    scenes/119.json  tiles.json  what they were cut from, sizes of the scenes
A scene's side follows from its name and --seed alone: files added later move no other scene.
Killed? The same command goes on where it stopped. Scenes whose files changed are cut again.
example:
  tools/dataset_converters/prepare_deepglobe.py data/downloads/DeepGlobe
{EXIT_CODES}"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = preparation_parser(__doc__, EPILOG, 'data/deepglobe')
    add = parser.add_argument
    add('--val', type=float, default=0.2, metavar='F',
        help='part of the scenes to validate on (default %(default)s)')  # fmt: skip
    add('--seed', type=whole_number, default=2023, metavar='N',
        help='of the choice (default %(default)s)')  # fmt: skip
    args = parser.parse_args(argv)
    if not 0 < args.val < 1:
        parser.error(f'--val {args.val:g} is not between 0 and 1')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""

    def side(name: str) -> str:
        return VAL if rank(name, args.seed) < args.val else TRAIN

    scenes = find_deepglobe_scenes(args.root, side, args.partial)
    tile = TileSpec(size=SIZE, overlap=0, pad=(0, 0, 0))
    source = f'val {args.val:g}, seed {args.seed}'
    cutter = MapTileCutter(scenes, colour_code(), tile, args.out, source)
    return prepare(cutter, args.workers, {}, print, partial(print, file=sys.stderr))


if __name__ == '__main__':
    sys.exit(main())
