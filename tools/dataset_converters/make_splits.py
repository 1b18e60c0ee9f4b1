"""Write lists of a segmentation dataset's images: train.txt and val.txt (95 % and 5 %), or small
training subsets, such as train_5pct.txt.
"""

import argparse
import json
import sys
from pathlib import Path

from samrs_mm.cli import run_command
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import SIOR_CLASSES
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.resumable import dump
from samrs_mm.datasets.segmentation.image_index import (
    Entry,
    is_dior_trainval,
    read_entries,
    read_meta,
)
from samrs_mm.datasets.segmentation.splits import (
    TRAIN,
    VAL,
    shared_scenes,
    split_by_image,
    split_by_scene,
)
from samrs_mm.datasets.segmentation.subsets import nested_subsets, subset_name

EPILOG = """how images are dealt
  --by scene  all images of a scene go to one side, so that no training tile overlaps a validation
              tile. Which side follows from the scene's name and the seed alone: added, removed or
              re-ordered files move no other scene. The share is met on average over scenes only.
  --by image  each image by itself, as in the paper; exactly round(0.95 n) images in train.txt:
              16,606/874 of SOTA's 17,480, 11,139/586 of SIOR's 11,725, 60,940/3,207 of FAST's
              64,147. Images in lists that the same settings wrote before keep their side; added
              ones are dealt so that the counts come out. (Without those lists, all are dealt anew.)
the scene of an image is that in images.csv; in the released layout, the part of its name before
__SIZE__X___Y or _0003. Left out: images of a test split (images.csv), DIOR's test images, and
images whose label is known to be empty.
what is written
  OUT/train.txt  OUT/val.txt  stems, sorted
  OUT/splits.json             the settings and counts, by which a later run knows its own lists
  with --fraction only OUT/train_5pct.txt and so on: round(F n) images each, the smaller ones part
  of the larger ones; --of takes them from a list, so that a validation set stays apart
examples:
  tools/dataset_converters/make_splits.py data/samrs/sota
  tools/dataset_converters/make_splits.py data/samrs/fast --by image --seed 2023
  tools/dataset_converters/make_splits.py data/potsdam/train --fraction 0.05 0.03 0.01
exit codes: 0 done; 1 a list could not be written; 2 refused before anything was written"""

RECORD = 'splits.json'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='what sam_annotate.py wrote, one released subset, '
        'or a folder of tiles (images/, labels/)')  # fmt: skip
    add('--by', choices=('scene', 'image'), default='scene', help='unit (default %(default)s)')
    add('--val', type=float, metavar='F', default=0.05, help='validation share (%(default)s)')
    add('--seed', type=int, metavar='N', default=0, help='default %(default)s')
    add('--out', metavar='DIR', help='where the lists go (default FOLDER)')
    add('--splits', nargs='+', metavar='NAME',
        help='take images of these splits of images.csv only (default: all but test)')  # fmt: skip
    add('--sior', action='store_true',
        help="leave out DIOR's test images by their number; a folder with SIOR's classes in its "
        'meta.json needs no telling')  # fmt: skip
    add('--keep-empty', action='store_true', help='list images without a label, too')
    add('--images', metavar='DIR', help='image folder of a released subset, inside FOLDER')
    add('--labels', metavar='DIR', help='its label folder')
    add('--fraction', nargs='+', type=float, metavar='F',
        help='write training subsets of these shares instead of train.txt and val.txt')  # fmt: skip
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


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    prefixes = dict(img_path=args.images or '', seg_map_path=args.labels or '')
    everything = read_entries(args.folder, prefixes)
    entries = choose(everything, args)
    if args.fraction:
        return write_subsets(entries, args)
    settings = dict(by=args.by, val=args.val, seed=args.seed)
    out = Path(args.out or args.folder)
    known = earlier(out, settings, args.overwrite)
    if args.by == 'scene':
        sides = split_by_scene(entries, args.val, args.seed)
    else:
        sides = split_by_image(entries, args.val, args.seed, known)
    lists = {side: sorted(s for s in sides if sides[s] == side) for side in (TRAIN, VAL)}
    out.mkdir(parents=True, exist_ok=True)
    counts = {side: len(names) for side, names in lists.items()}
    # the record goes first: lists without one would be taken for the user's own
    atomic_write(out / RECORD, dump(dict(settings=settings, counts=counts)))
    for side, names in lists.items():
        atomic_write(out / f'{side}.txt', ''.join(f'{name}\n' for name in names).encode())
    tell(args, everything, entries, sides, out)
    return 0


def write_subsets(entries: list[Entry], args: argparse.Namespace) -> int:
    """Write the lists that ``--fraction`` asks for.

    Raises:
        RefusedError: A list of other images is there, or the list to take from can't be used.
    """
    stems = {entry.stem for entry in entries}
    if args.of:
        stems = listed(Path(args.folder, args.of), stems)
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
        print(f'written  {path}, {text.count(bytes([10]))} images')
    return 0


def listed(path: Path, stems: set[str]) -> set[str]:
    """Return the names in a list.

    Raises:
        RefusedError: It can't be read, is empty, or names what the folder doesn't have.
    """
    try:
        names = set(path.read_text(encoding='utf-8').split())
    except OSError as error:
        raise RefusedError(f'--of {path}: {error.strerror}') from error
    unknown = sorted(names - stems)
    if unknown or not names:
        what = f'{unknown[0]!r} is not in the folder' if unknown else 'lists nothing'
        raise RefusedError(f'--of {path}: {what}; make it with make_splits.py')
    return names


def choose(everything: list[Entry], args: argparse.Namespace) -> list[Entry]:
    """Return the images to deal."""
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
            f'{args.folder}: {len(entries)} of {len(everything)} images are left to deal; two are '
            'needed (see --splits and --keep-empty)'
        )
    return entries


def earlier(out: Path, settings: dict, overwrite: bool) -> dict[str, str]:
    """Return the sides in lists of an earlier run.

    Raises:
        RefusedError: There are lists that other settings, or something else, wrote.
    """
    present = {side: out / f'{side}.txt' for side in (TRAIN, VAL) if (out / f'{side}.txt').exists()}
    if not present:
        return {}
    try:
        before = json.loads((out / RECORD).read_bytes())['settings']
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before != settings:
        if overwrite:
            return {}
        what = 'this tool did not write' if before is None else f'have other settings ({before})'
        raise RefusedError(f'{out} holds lists that {what}; use --overwrite to replace them, '
                           'or another --out')  # fmt: skip
    return {name: side for side, path in present.items() for name in path.read_text().split('\n')}


def tell(
    args: argparse.Namespace,
    everything: list[Entry],
    entries: list[Entry],
    sides: dict[str, str],
    out: Path,
) -> None:
    """Print the closing lines."""
    dealt = {side: sum(1 for s in sides.values() if s == side) for side in (TRAIN, VAL)}
    scenes = len({entry.scene for entry in entries})
    both = shared_scenes(entries, sides)
    empty = sum(entry.labelled == 0 for entry in everything)
    print(f'images   {len(everything)}, {empty} without a label; {len(entries)} dealt')
    print(f'train    {dealt[TRAIN]}')
    print(f'val      {dealt[VAL]} ({dealt[VAL] / len(entries):.1%})')
    print(f'scenes   {scenes}, {both} in both lists'
          + (': validation is not independent; see --by scene' if both else ''))  # fmt: skip
    print(f'written  {out / "train.txt"}, {out / "val.txt"}')


if __name__ == '__main__':
    sys.exit(main())
