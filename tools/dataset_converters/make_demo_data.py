"""Draw a small remote-sensing detection dataset whose instance masks are known."""

import argparse
import shlex
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.installed import spoken
from samrs_mm.core.wording import counted, plural
from samrs_mm.drawn.dataset import scene_names, write_demo_dataset
from samrs_mm.drawn.scenes import DOMAINS, LEAST_SIZE

EPILOG = """\
what is written
  OUT/images/NAME.png      the pictures: harbour_000, airport_000, parking_000 ...
  OUT/labelTxt/NAME.txt    DOTA labels: two header lines, then x1 y1 ... x4 y4 class difficult;
                           clockwise, the head first; difficult = 1 where the picture's border
                           cuts the object
  OUT/annotations.json     the same boxes in the same order as COCO, with the known masks:
                             segmentation  compressed RLE of the object's visible pixels
                             bbox          [x, y, w, h] of that mask
                             rbox          the eight numbers of the label line
                             box_id        labelTxt/NAME.txt:LINE, counted from 1 with the header

masks hold what is visible: a ship takes its pixels from the jetty below it. Things painted on the
ground hide nothing: a soccer field inside a running track belongs to both masks. The same options
give the same bytes.

example
  python tools/dataset_converters/make_demo_data.py data/demo/scenes
  python tools/dataset_converters/make_demo_data.py data/demo/scenes-b --domain b --seed 1
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('out', metavar='OUT', type=Path, help='folder to write; new, empty, or of an earlier run')
    add('--scenes', metavar='N', type=int, default=6, help='number of pictures (default: 6)')
    add('--size', type=int, default=512, help='side of a picture in pixels, >= 64 (default: 512)')
    add('--seed', type=int, default=0, help='another seed draws other scenes (default: 0)')
    add('--domain', choices=sorted(DOMAINS), default='a',
        help="a: class names of the SOTA subset; b: SIOR's, another light and sensor "
        '(default: a)')  # fmt: skip
    add('--format', choices=['both', 'dota', 'coco'], default='both',
        help='which labels to write (default: both)')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code: 0 done, 1 could not write, 2 refused."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'run the same command again')


def run(args: argparse.Namespace) -> int:
    """Draw the scenes."""
    for name, least in (('scenes', 1), ('size', LEAST_SIZE), ('seed', 0)):
        if getattr(args, name) < least:
            raise RefusedError(f'--{name} is {getattr(args, name)}; it must be at least {least}')
    formats = ('dota', 'coco') if args.format == 'both' else (args.format,)
    total, names = 0, scene_names(args.scenes, args.domain)
    width = max(len(name) for name, _ in names)
    written = write_demo_dataset(args.out, args.scenes, args.size, args.seed, args.domain, formats)
    for count, (name, objects) in enumerate(written, 1):
        total += objects
        print(f'[{count}/{len(names)}] {name:<{width}} {objects:4d} objects', flush=True)
    print(
        f'{counted(len(names), "scene")} with {counted(total, "object")} '
        f'{plural(len(names), "is", "are")} in {args.out}. Next:'
    )
    config = 'coco_boxnet_hbox.py' if args.format == 'coco' else 'dota_boxnet_rbox.py'
    flags = '--data-root', args.out, '--out', args.out.with_name(f'{args.out.name}-masks')
    command = 'python', 'tools/sam_annotate.py', f'configs/annotate/{config}', *map(str, flags)
    print(f'  {spoken(shlex.join(command))}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
