"""Draw what is in a dataset into files: boxes, prompts, masks, samples as a network sees them."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.browse import sample_sheets
from samrs_mm.browse.box_pages import BoxBrowser
from samrs_mm.browse.browsing import chosen_kinds
from samrs_mm.browse.folder_pages import FolderBrowser
from samrs_mm.browse.pages import Page, contact_sheet, thumbnail
from samrs_mm.browse.sample_pages import SampleBrowser
from samrs_mm.browse.sample_sheets import shuffled
from samrs_mm.cli import (
    OptionsAction,
    load_config,
    one_line,
    positive,
    progress,
    read_config,
    run_command,
    whole_number,
)
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.engine.run_config import load_run_config

Browser = BoxBrowser | FolderBrowser | SampleBrowser
INDEX = 'index.txt'
MARK = '# drawn by browse_dataset.py'
"""Last line of ``INDEX``: what it lists may be deleted."""
EPILOG = """SOURCE is one of
  an annotate config   boxes, the prompts made of them, true masks where the dataset has them
  an annotated folder  boxes by status, prompts, masks by instance and by class
  a training config    samples as the network sees them, in the order of the sampler; --raw: before
                       augmentation
what is written
  OUT/NAME.jpg         a page for each image, OUT/index.jpg all of them small, OUT/index.txt a list
  with --sheet instead OUT/classes_SOURCE.jpg, images_SOURCE.jpg, and prompts.jpg for boxes
examples
  tools/analysis_tools/browse_dataset.py data/demo/masks --out look
  tools/analysis_tools/browse_dataset.py configs/annotate/dota_grabcut_rbox.py \\
      --data-root data/demo/scenes --prompt cp+hbox rhbox rbox-m --out look-boxes
  tools/analysis_tools/browse_dataset.py configs/examples/sep_demo.py --out look-batch
  tools/analysis_tools/browse_dataset.py data/samrs/fast --sheet --number 6 --out look-fast
exit codes: 0 all was drawn; 1 something could not be read; 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('source', metavar='SOURCE', type=Path, help='config file or annotated folder')
    add('--out', required=True, type=Path, metavar='DIR', help='new, empty, or of an earlier run')
    add('--number', type=positive, metavar='N',
        help='images (default 12; of a training config one batch); with --sheet objects of a '
        'class (4)')  # fmt: skip
    add('--stems', nargs='+', metavar='STEM', help='these images')
    add('--classes', nargs='+', metavar='NAME', help='only images with these classes, drawn alone')
    add('--seed', type=whole_number, metavar='S', help='of which images, order and augmentation')
    add('--split', metavar='NAME',
        help='train, val or test: loader of a training config (default train), list or split of '
        'other data (default all)')  # fmt: skip
    add('--what', type=_words, metavar='KINDS',
        help='of boxes,prompts,masks,truth; default: what there is')  # fmt: skip
    add('--prompt', nargs='+', metavar='NAME', default=[],
        help='settings to draw instead of the config\'s, such as hbox cp+rbox-m')  # fmt: skip
    add('--raw', action='store_true', help='training config: images before augmentation')
    add('--sheet', action='store_true', help='sample sheets instead of pages')
    add('--side', type=positive, default=800, metavar='PX',
        help='longer side of a picture (default %(default)s)')  # fmt: skip
    add('--data-root', metavar='DIR', help='the detection dataset of an annotate config')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V', help='change config keys')
    return parser.parse_args(argv)


def _words(text: str) -> list[str]:
    return [word for word in text.split(',') if word]


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: Browsing(args).run(), 'what is drawn so far is in --out')


class Browsing:
    """One run of the tool."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.problems = args, 0
        self.written: list[str] = []

    def run(self) -> int:
        """Draw pages or sheets; return the exit code."""
        browser = open_source(self.args)
        classes = known_classes(browser, self.args.classes or ())
        self._claim()
        if self.args.sheet:
            self._sheets(browser, classes)
        else:
            self._pages(browser, classes)
        print(f'{len(self.written)} pictures in {self.args.out}')
        return 1 if self.problems or not self.written else 0

    def _claim(self) -> None:
        out = self.args.out
        out.mkdir(parents=True, exist_ok=True)
        index = out / INDEX
        lines = index.read_text(errors='replace').splitlines() if index.exists() else []
        if lines[-1:] != [MARK]:
            if any(out.iterdir()):
                raise RefusedError(
                    f'--out {out} holds files that are not of this tool; choose an empty folder'
                )
            return
        for line in lines[:-1]:
            (out / Path(line.split('\t')[0]).name).unlink(missing_ok=True)

    def _save_index(self) -> None:
        text = ''.join(f'{line}\n' for line in [*self.written, MARK])
        atomic_write(self.args.out / INDEX, text.encode())

    def _tell(self, error: SamrsError | OSError) -> None:
        self.problems += 1
        print(f'failed: {one_line(error)}', file=sys.stderr)

    def _write(self, name: str, picture: np.ndarray, note: str = '') -> None:
        encoded = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        self.written.append(f'{name}.jpg\t{note}'.rstrip())
        self._save_index()  # first: a picture that isn't listed would be taken for someone else's
        atomic_write(self.args.out / f'{name}.jpg', encoded.tobytes())

    def _pages(self, browser: Browser, classes: set[str]) -> None:
        thumbnails = []
        for name, page in self._drawn(browser, classes):
            self._write(name, page.draw(), page.note)
            thumbnails.append((name, thumbnail(page.panels[page.cover].picture)))
        if thumbnails:
            self._write('index', contact_sheet(thumbnails))

    def _drawn(self, browser: Browser, classes: set[str]) -> Iterator[tuple[str, Page]]:
        """Yield pages until there are enough; what can't be read is told and passed over."""
        usual = browser.batch_size if isinstance(browser, SampleBrowser) else 12
        number = len(self.args.stems) if self.args.stems else self.args.number or usual
        found = tried = 0
        for place, what in enumerate(self._candidates(browser)):
            tried += 1
            try:
                page = draw_page(browser, what, self.args, classes)
            except (SamrsError, OSError) as error:
                self._tell(error)
                continue
            if page is not None:
                found += 1
                name = page.name
                yield (f'{place:03}_{name}' if isinstance(browser, SampleBrowser) else name), page
            if found == number:
                return
        if found < number:
            print(f'only {found} of {number} wanted images, of {tried} looked at')

    def _candidates(self, browser: Browser) -> Iterable:
        if isinstance(browser, SampleBrowser):
            stems = self.args.stems
            return [browser.find(stem) for stem in stems] if stems else self._draws(browser)
        if not self.args.stems:
            return shuffled(browser.names, self.args.seed or 0)
        unknown = set(self.args.stems) - set(browser.names)
        if unknown:
            raise RefusedError(
                f'--stems {min(unknown)}: no such image in {self.args.source}; there are '
                f'{len(browser.names)}, such as {browser.names[0]}'
            )
        return self.args.stems

    def _draws(self, browser: SampleBrowser) -> Iterator[tuple[int, int]]:
        """Yield samples up to as many as there are images: samplers may have no end."""
        most = max(len(browser.dataset), self.args.number or browser.batch_size)
        return islice(browser.draws(), most)

    def _sheets(self, browser: Browser, classes: set[str]) -> None:
        seed, number = self.args.seed or 0, self.args.number or 4
        for source in browser.sources:
            bar = progress(f'looking for objects of {source.name}')
            if source.classes:
                sheet = sample_sheets.class_sheet(source, number, seed, classes, self._tell, bar)
                self._write(f'classes_{source.name}', sheet)
            names = self.args.stems or ()
            count = len(names) or 3 * number
            sheet = sample_sheets.image_sheet(source, count, seed, self._tell, names)
            if sheet is not None:
                self._write(f'images_{source.name}', sheet)
        if isinstance(browser, BoxBrowser):
            sheet = sample_sheets.prompt_sheet(browser, number, seed, classes, self._tell)
            if sheet is not None:
                self._write('prompts', sheet)


def open_source(args: argparse.Namespace) -> Browser:
    """Return the browser of what SOURCE is.

    Raises:
        RefusedError: It is none of the three kinds, or a flag doesn't fit it.
    """
    path = args.source
    if path.is_dir():
        _refuse(args, 'an annotated folder', 'raw', 'prompt', 'data_root', 'cfg_options')
        browser = FolderBrowser(path, args.split, args.side)
    else:
        config = read_config(str(path))
        if 'train_dataloader' in config:
            _refuse(args, 'a training config', 'prompt', 'data_root')
            config = load_run_config(str(path), args.cfg_options, None, 'none')
            split = args.split or 'train'
            browser = SampleBrowser(config, split, args.seed, args.raw, args.side)
        else:
            _refuse(args, 'an annotate config', 'raw')
            config = load_config(str(path), args.cfg_options, {'data_root': args.data_root})
            bar = progress('reading labels')
            browser = BoxBrowser(config, args.prompt, args.split, args.side, bar)
    args.what = chosen_kinds(args.what, browser.kinds, str(path))
    return browser


def _refuse(args: argparse.Namespace, kind: str, *flags: str) -> None:
    for flag in flags:
        if getattr(args, flag):
            raise RefusedError(f'--{flag.replace("_", "-")} means nothing for {kind}; leave it out')


def known_classes(browser: Browser, names: Iterable[str]) -> set[str]:
    """Return class names as the sources spell them.

    Raises:
        RefusedError: No source has such a class.
    """
    known = set()
    for name in names:
        errors = []
        for source in browser.sources:
            try:
                known.add(source.classes[ClassTable(source.classes).index(name)])
            except UnknownClassError as error:
                errors.append(str(error))
        if len(errors) == len(browser.sources):
            raise RefusedError(f'--classes: {"; ".join(errors)}')
    return known


def draw_page(
    browser: Browser, what: object, args: argparse.Namespace, classes: set[str]
) -> Page | None:
    """Return the page of an image, or of a training sample."""
    if isinstance(browser, SampleBrowser):
        return browser.page(what, classes)
    return browser.page(what, args.what, classes)


if __name__ == '__main__':
    sys.exit(main())
