"""Draw what is in a dataset into files: boxes, prompts, masks, samples as a network sees them."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from samrs_mm.browse.box_pages import BoxBrowser
from samrs_mm.browse.folder_pages import FolderBrowser
from samrs_mm.browse.pages import Page
from samrs_mm.browse.picture_folder import PictureFolder
from samrs_mm.browse.sample_pages import SampleBrowser
from samrs_mm.browse.sample_sheets import class_sheet, image_sheet, prompt_sheet, shuffled
from samrs_mm.cli import ToolParser, positive, progress, run_command, whole_number
from samrs_mm.config_files import OptionsAction, load_config, read_config
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.prompts import PromptSetting
from samrs_mm.core.wording import counted, one_line
from samrs_mm.datasets.boxes.circumscribed import no_mmrotate
from samrs_mm.drawing.layout import grid
from samrs_mm.engine.run_config import load_run_config

Browser = BoxBrowser | FolderBrowser | SampleBrowser
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
  tools/analysis_tools/browse_dataset.py configs/annotate/dota_boxnet_rbox.py \\
      --data-root data/demo/scenes --prompt cp+hbox rhbox rbox-m --out look-boxes
  tools/analysis_tools/browse_dataset.py configs/examples/sep_demo.py --out look-batch
  tools/analysis_tools/browse_dataset.py data/samrs/fast --sheet --number 6 --out look-fast
exit codes: 0 all was drawn; 1 something could not be read; 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('source', metavar='SOURCE', type=Path, help='config file or annotated folder')
    add('--out', required=True, type=Path, metavar='DIR', help='new, empty, or of an earlier run')
    add('--number', type=positive, metavar='N',
        help='images (default 12; of a training config one batch); with --sheet objects of a '
        'class (4)')  # fmt: skip
    add('--stems', nargs='+', metavar='STEM', help='these images')
    add('--classes', nargs='+', metavar='NAME', help='only images with these classes, drawn alone')
    add('--seed', type=whole_number, metavar='S', help='of image choice, order and augmentation')
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
        self.out = PictureFolder(args.out)

    def run(self) -> int:
        """Draw pages or sheets; return the exit code."""
        browser = open_source(self.args)
        what = chosen_kinds(browser, self.args)
        classes = known_classes(browser, self.args.classes or ())
        self.out.clear()
        if self.args.sheet:
            self._sheets(browser, classes)
        else:
            self._pages(browser, what, classes)
        print(f'{counted(len(self.out.written), "picture")} in {self.args.out}')
        return 1 if self.problems or not self.out.written else 0

    def _report(self, error: SamrsError | OSError) -> None:
        self.problems += 1
        print(f'failed: {one_line(error)}', file=sys.stderr)

    def _pages(self, browser: Browser, what: Sequence[str], classes: set[str]) -> None:
        thumbnails = []
        for name, page in self._drawn(browser, what, classes):
            self.out.write(name, page.draw(), page.note)
            thumbnails.append(page.thumbnail(name))
        if thumbnails:
            self.out.write('index', grid(thumbnails, min(len(thumbnails), 6)))

    def _drawn(
        self, browser: Browser, what: Sequence[str], classes: set[str]
    ) -> Iterator[tuple[str, Page]]:
        """Yield pages until there are enough; what can't be read is reported and passed over."""
        samples, stems = isinstance(browser, SampleBrowser), self.args.stems
        usual = browser.loader.batch_size if samples else 12
        number = len(stems) if stems else self.args.number or usual
        found = tried = 0
        for place, image in enumerate(self._candidates(browser, number)):
            tried += 1
            try:
                page = browser.page(image, what, classes)
            except (SamrsError, OSError) as error:
                self._report(error)
                continue
            if page is not None:
                found += 1
                yield (f'{place:03}_{page.name}' if samples else page.name), page
            if found == number:
                return
        if found == tried:
            print(f'all {counted(found, "image")}')
        elif found < number:
            print(f'only {found} of {number} wanted images, of {tried} looked at')

    def _candidates(self, browser: Browser, number: int) -> Iterable:
        stems = self.args.stems
        if isinstance(browser, SampleBrowser):
            # Samplers may have no end: no more samples are tried than there are images.
            endless = islice(browser.draws(), max(len(browser.dataset), number))
            return [browser.find(stem) for stem in stems] if stems else endless
        unknown = set(stems or ()) - set(browser.names)
        if unknown:
            raise RefusedError(
                f'--stems {min(unknown)}: no such image in {self.args.source}; there are '
                f'{len(browser.names)}, such as {browser.names[0]}'
            )
        return stems or shuffled(browser.names, self.args.seed or 0)

    def _sheets(self, browser: Browser, classes: set[str]) -> None:
        seed, number, stems = self.args.seed or 0, self.args.number or 4, self.args.stems or ()
        for source in browser.sources:
            bar = progress(f'looking for objects of {source.name}')
            if source.classes:
                page = class_sheet(source, number, seed, classes, self._report, bar)
                self._write_sheet(f'classes_{source.name}', page)
            count = len(stems) or 3 * number
            page = image_sheet(source, count, seed, self._report, stems)
            self._write_sheet(f'images_{source.name}', page)
        if isinstance(browser, BoxBrowser):
            reason = no_mmrotate(PromptSetting('rhbox'))
            if reason:
                print(f'prompts.jpg is left out: {reason}')
                return
            page = prompt_sheet(browser, number, seed, classes, self._report)
            self._write_sheet('prompts', page)

    def _write_sheet(self, name: str, page: Page) -> None:
        if page.panels:
            self.out.write(name, page.draw())


def open_source(args: argparse.Namespace) -> Browser:
    """Return the browser of what SOURCE is.

    Raises:
        RefusedError: It is none of the three kinds, or a flag doesn't fit it.
    """
    path = args.source
    if path.is_dir():
        _refuse(args, 'an annotated folder', 'raw', 'prompt', 'data_root', 'cfg_options')
        return FolderBrowser(path, args.split, args.side)
    if 'train_dataloader' in read_config(str(path)):
        _refuse(args, 'a training config', 'prompt', 'data_root')
        config = load_run_config(str(path), args.cfg_options, None, 'none')
        return SampleBrowser(config, args.split or 'train', args.seed, args.raw, args.side)
    _refuse(args, 'an annotate config', 'raw')
    config = load_config(str(path), args.cfg_options, {'data_root': args.data_root})
    return BoxBrowser(config, args.prompt, args.split, args.side, progress('reading labels'))


def _refuse(args: argparse.Namespace, kind: str, *flags: str) -> None:
    for flag in flags:
        if getattr(args, flag):
            raise RefusedError(f'--{flag.replace("_", "-")} means nothing for {kind}; leave it out')


def chosen_kinds(browser: Browser, args: argparse.Namespace) -> Sequence[str]:
    """Return what to draw: all there is, unless asked for something.

    Raises:
        RefusedError: Asked for what this kind of data doesn't have.
    """
    for kind in args.what or ():
        if kind not in browser.kinds:
            there = ', '.join(browser.kinds)
            raise RefusedError(f'--what {kind}: {args.source} has none; it has {there}')
    return args.what or browser.kinds


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


if __name__ == '__main__':
    sys.exit(main())
