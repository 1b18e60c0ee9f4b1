"""Pack images and labels losslessly into a store that training reads by window."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from samrs_mm.cli import ToolParser, run_command, tell_failures
from samrs_mm.core.input_notes import some
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.wording import counted
from samrs_mm.datasets.segmentation.image_index import read_entries, read_meta
from samrs_mm.datasets.segmentation.store import Packer, Store, index_sha256
from samrs_mm.formats.annotated.folder import INDEX, refuse_without_pictures

EPILOG = """what is written
  OUT/tiles/STEM.tif  bands red, green, blue, label; ZSTD, 128 px blocks; about as large as PNGs,
                      some five times as large as JPEGs
  OUT/pack.csv        one line per tile, with the sizes and times of the files it was made from
  OUT/pack.json       format and classes
training reads it with the dataset's key packed=OUT (relative to its data_root), and no longer needs
the plain files. Killed? The same command goes on where it stopped; after changes it packs only what
changed. A label with a value outside the classes is not packed.
examples:
  tools/dataset_converters/pack_dataset.py data/samrs/sota data/samrs/sota/packed
  tools/dataset_converters/pack_dataset.py data/samrs/sota data/samrs/sota/packed --verify
exit codes: 0 done; 1 something could not be read or written, or differs (the rest is done);
2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='what sam_annotate.py wrote, or one released subset')
    add('out', metavar='OUT', help='the store, such as FOLDER/packed')
    add('--workers', type=int, metavar='N', default=reading_processes(),
        help='threads (default %(default)s)')  # fmt: skip
    add('--verify', action='store_true', help='compare all tiles with their files, pack nothing')
    add('--images', metavar='DIR', help='image folder of a released subset, inside FOLDER')
    add('--labels', metavar='DIR', help='its label folder')
    args = parser.parse_args(argv)
    if args.workers < 1:
        parser.error(f'--workers {args.workers} is not a whole number of at least 1')
    return args


def progress(what: str, total: int) -> Callable[[Iterable], Iterator]:
    """Return a progress bar for ``what``."""
    return partial(tqdm, desc=what, total=total, unit='img', mininterval=0.5, leave=False)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    root = Path(args.folder)
    prefixes = dict(img_path=args.images or '', seg_map_path=args.labels or '')
    index = index_sha256(root / INDEX)
    meta = read_meta(root)
    refuse_without_pictures(root, meta or {}, 'the packed store')
    entries, store = read_entries(root, prefixes), Store(args.out)
    packer = Packer(store, entries, meta and len(meta['classes']), args.workers)
    if args.verify:
        store.about()
        wrong = packer.verify(progress('verifying', len(entries)))
        return report(
            wrong, f'verify   {counted(len(entries), "tile")}, {counted(len(wrong), "problem")}'
        )
    store.open(meta)
    new, changed = packer.pending()
    if changed:
        print(f'anew     {counted(len(changed), "image")} whose files changed: '
              f'{some(entry.stem for entry in changed)}')  # fmt: skip
    todo = [*new, *changed]
    failures = packer.pack(todo, progress('packing', len(todo)))
    if gone := store.close(index, meta, {entry.stem for entry in entries}):
        print(f'removed  {len(gone)} images that {root} has no longer: {some(gone)}')
    size = sum(path.stat().st_size for path in (store.root / 'tiles').iterdir())
    done = len(todo) - len(failures)
    return report(
        failures,
        f'packed   {done} of {len(entries)} images, {len(entries) - len(todo)} were there before\n'
        f'written  {store.root} ({size / 1e6:,.1f} MB)',
    )


def report(problems: list[str], text: str) -> int:
    """Print problems and the closing lines; return the exit code."""
    tell_failures(problems)
    print(text)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
