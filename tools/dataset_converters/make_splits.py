"""Write lists of images: train.txt and val.txt (95 %, 5 %), or subsets such as train_5pct.txt."""

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import SIOR_CLASSES
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_stems
from samrs_mm.core.scene_names import by_pattern, grid_neighbours, scenes_of
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.segmentation.image_index import (
    is_dior_trainval,
    read_entries,
    read_meta,
    unpaired_files,
)
from samrs_mm.datasets.segmentation.splits import (
    TRAIN,
    VAL,
    SplitFolder,
    refuse_moves,
    shared_scenes,
    split_by_image,
    split_by_scene,
)
from samrs_mm.datasets.segmentation.subsets import nested_subsets, subset_name
from samrs_mm.formats.labelled_image import LabelledImage

EPILOG = """how images are split
  --by scene  all images of a scene go to one side, so that no training tile overlaps a validation
              tile. The side depends on the scene's name and the seed alone: added, removed or
              re-ordered files move no other scene. The fraction holds on average over scenes only.
  --by image  each image by itself, as in the paper; exactly round(0.95 n) images in train.txt:
              16,606/874 of SOTA's 17,480, 11,139/586 of SIOR's 11,725, 60,940/3,207 of FAST's
              64,147. Images in lists that the same settings wrote before keep their side; added
              ones are assigned so that the counts come out. (Without those lists, all are new.)
the scene of an image is that in images.csv, if it isn't itself a tile by its name. Where there is
none, these names tell it: SCENE__SIZE__X___Y (ours, DOTA's devkit, mmrotate's, YOLO's), those of
the release (P0003_0007 of SOTA, train_12_0003 and valid_12_0003 of FAST), SCENE_X0_Y0_X1_Y1 and
SCENE_Y0_Y1_X0_X1 (mmsegmentation's converters, SAHI), SCENE_x512_y0, and SCENE_512_0 or SCENE_0_3
where all names together look like a grid from 0. Copies (x_aug1, x_hflip, x_jpg.rf.HASH of
Roboflow) are of their picture's scene. Where names don't tell, the tool says so: each image is a
scene of its own then, and --scene says what is one. Left out: images of a test split (images.csv),
DIOR's test images, and images whose label is known to be empty.
what is written
  OUT/train.txt  OUT/val.txt  stems, sorted
  OUT/splits.json             the settings and counts, by which a later run knows its own lists
  with --fraction only OUT/train_5pct.txt and so on: round(F n) images each, the smaller ones part
  of the larger ones; --of takes them from a list, so that a validation set stays apart
examples:
  tools/dataset_converters/make_splits.py data/samrs/sota
  tools/dataset_converters/make_splits.py data/samrs/fast --by image --seed 2023
  tools/dataset_converters/make_splits.py data/potsdam/train --fraction 0.05 0.03 0.01
  # berlin_north_0017.png, berlin_south_0001.png, ...: the scene is what comes before the number
  tools/dataset_converters/make_splits.py data/mine --scene '(.+)_\\d+'
exit codes: 0 done; 1 a list could not be written; 2 refused before anything was written"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='what sam_annotate.py wrote, one released subset, '
        'or a folder of tiles (images/, labels/)')  # fmt: skip
    add('--by', choices=('scene', 'image'), default='scene', help='unit (default %(default)s)')
    add(
        '--val', type=float, metavar='F', default=0.05, help='fraction for validation (%(default)s)'
    )
    add('--scene', type=_pattern, metavar='REGEX',
        help="what of an image's name is its scene: the first group, such as '(.+)_\\d+' "
        '(default: as told below)')  # fmt: skip
    add('--seed', type=int, metavar='N', default=0, help='default %(default)s')
    add('--out', metavar='DIR', help='where the lists go (default FOLDER)')
    add('--splits', nargs='+', metavar='NAME',
        help='take images of these splits of images.csv only (default: all but test)')  # fmt: skip
    add('--sior', action='store_true',
        help="leave out DIOR's test images by their number; a folder with SIOR's classes in its "
        'meta.json needs no flag')  # fmt: skip
    add('--keep-empty', action='store_true', help='list images without a label, too')
    add('--images', metavar='DIR', help='image folder of a released subset, inside FOLDER')
    add('--labels', metavar='DIR', help='its label folder')
    add('--fraction', nargs='+', type=float, metavar='F',
        help='write training subsets of these sizes instead of train.txt and val.txt')  # fmt: skip
    add('--of', metavar='LIST', help='take subsets of this list, such as train.txt, inside FOLDER')
    add('--overwrite', action='store_true',
        help='replace lists that other settings, or something else, wrote')  # fmt: skip
    args = parser.parse_args(argv)
    if not 0 < args.val < 1:
        parser.error(f'--val {args.val} is not between 0 and 1')
    for fraction in args.fraction or ():
        if not 0 < fraction < 1:
            parser.error(f'--fraction {fraction:g} is not between 0 and 1 (5 % is 0.05)')
    if args.of and not args.fraction:
        parser.error('--of goes with --fraction')
    return args


def _pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text!r} is no regular expression: {error}') from error


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    prefixes = dict(img_path=args.images or '', seg_map_path=args.labels or '')
    everything = read_entries(args.folder, prefixes)
    print_unpaired(*unpaired_files(args.folder, prefixes))
    entries = choose(everything, args)
    if args.scene:
        entries = with_scenes(entries, args.scene)
    if args.fraction:
        return write_subsets(entries, args)
    settings = dict(by=args.by, val=args.val, seed=args.seed)
    if args.scene:
        settings['scene'] = args.scene.pattern
    out = SplitFolder(args.out or args.folder)
    known = {}
    if out.foreign() and not args.overwrite:
        out.check(dict(settings=settings))
        known = out.sides()
    if args.by == 'scene':
        sides = split_by_scene(entries, args.val, args.seed)
        refuse_moves(known, sides)
    else:
        sides = split_by_image(entries, args.val, args.seed, known)
    counts = out.write(settings, sides)
    print_counts(everything, entries, sides, counts)
    known = args.scene or read_meta(Path(args.folder))
    told = {} if known else scenes_of(entry.stem for entry in everything)
    print_scenes(entries, sides, [stem for stem in sides if stem in told and not told[stem]])
    print(f'written  {out.lists[TRAIN]}, {out.lists[VAL]}')
    return 0


def with_scenes(entries: list[LabelledImage], pattern: re.Pattern) -> list[LabelledImage]:
    """Return the images with the scenes that a pattern finds in their names.

    Raises:
        RefusedError: It is not found in a name.
    """
    scenes = by_pattern(pattern, [entry.stem for entry in entries])
    bare = [stem for stem, scene in scenes.items() if not scene]
    if bare:
        raise RefusedError(
            f'--scene {pattern.pattern!r}: not found in {len(bare)} of {len(scenes)} names, such '
            f'as {bare[0]!r}'
        )
    return [replace(entry, scene=str(scenes[entry.stem])) for entry in entries]


def write_subsets(entries: list[LabelledImage], args: argparse.Namespace) -> int:
    """Write the lists that ``--fraction`` asks for.

    Raises:
        RefusedError: A list of other images is there, or the list to take from can't be used.
    """
    stems = {entry.stem for entry in entries}
    if args.of:
        stems = read_stems(Path(args.folder, args.of), stems, f'image in {args.folder}')
    subsets = nested_subsets(stems, args.fraction, args.seed)
    out = Path(args.out or args.folder)
    texts = {
        out / subset_name(fraction): ''.join(f'{name}\n' for name in names).encode()
        for fraction, names in subsets.items()
    }
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text and not args.overwrite:
            raise RefusedError(
                f'{path} lists other images; use --overwrite to replace it, or another --out'
            )
    out.mkdir(parents=True, exist_ok=True)
    print(f'images   {len(stems)}{" of " + args.of if args.of else ""}')
    for path, text in texts.items():
        atomic_write(path, text)
        print(f'written  {path}, {counted(text.count(bytes([10])), "image")}')
    return 0


def choose(everything: list[LabelledImage], args: argparse.Namespace) -> list[LabelledImage]:
    """Return the images to split."""
    meta = read_meta(Path(args.folder))
    if args.sior or (meta and tuple(meta['classes']) == SIOR_CLASSES):
        everything = [entry for entry in everything if is_dior_trainval(entry.scene)]
    entries = [
        entry
        for entry in everything
        if (entry.split in args.splits if args.splits else entry.split != 'test')
    ]
    if not args.keep_empty:
        entries = [entry for entry in entries if entry.labelled != 0]
    if len(entries) < 2:
        raise RefusedError(
            f'{args.folder}: {len(entries)} of {len(everything)} images '
            f'{plural(len(entries), "is", "are")} left to split; two are '
            'needed (see --splits and --keep-empty)'
        )
    return entries


def print_unpaired(images: list[str], labels: list[str]) -> None:
    """Print which images have no label and which labels no image: they are in no list."""
    for names, forms in (
        (images, ('image has no label', 'images have no label')),
        (labels, ('label has no image', 'labels have no image')),
    ):
        if names:
            print(f'left out {counted(len(names), *forms)}, such as {names[0]}')


def print_counts(
    everything: list[LabelledImage],
    entries: list[LabelledImage],
    sides: dict[str, str],
    counts: dict[str, int],
) -> None:
    """Print the closing lines.

    Args:
        everything: All images of the folder.
        entries: Those that were split.
        sides: Side of each of them by stem.
        counts: Number of images on each side.
    """
    empty = sum(entry.labelled == 0 for entry in everything)
    print(f'images   {len(everything)}, {empty} without a label; {len(entries)} in the lists')
    print(f'train    {counts[TRAIN]}')
    print(f'val      {counts[VAL]} ({counts[VAL] / len(entries):.1%})')


def print_scenes(entries: list[LabelledImage], sides: dict[str, str], untold: list[str]) -> None:
    """Print how far the lists are apart; ``untold`` are the images whose names tell no scene."""
    scenes = {entry.scene for entry in entries}
    both = shared_scenes(entries, sides)
    if untold:
        how_many = 'these names' if len(untold) == len(entries) else counted(len(untold), 'name')
        print(f'scenes   cannot be told from {how_many}, such as {untold[0]}: each image is taken '
              "as a scene of its own; if they are tiles, copies or frames, give --scene 'REGEX' "
              r"whose first group is the scene, such as '(.+)_\d+'")  # fmt: skip
    if len(scenes) < len(entries) or not untold:
        print(f'scenes   {len(scenes)}, {both} in both lists'
              + (': validation is not independent; see --by scene' if both else ''))  # fmt: skip
    side_of = {entry.scene: sides[entry.stem] for entry in entries}
    pairs = grid_neighbours(scenes)
    apart = [pair for pair in pairs if side_of[pair[0]] != side_of[pair[1]]]
    if apart:
        print(f'note     scenes look like cells of a grid: {len(apart)} of {len(pairs)} adjoining '
              f'pairs are on two sides, such as {apart[0][0]} and {apart[0][1]}; scores on ground '
              'that adjoins training are higher than on a new place')  # fmt: skip


if __name__ == '__main__':
    sys.exit(main())
