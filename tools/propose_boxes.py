"""Propose boxes on new images: of a detector, or of the regions in a network's label maps."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from samrs_mm.api.network import load_network
from samrs_mm.cli import ToolParser, positive, run_command, tell_failures, whole_number
from samrs_mm.config_files import OptionsAction
from samrs_mm.core.errors import ImageReadError, RefusedError
from samrs_mm.core.images import SceneImage, file_sha256, note_lines
from samrs_mm.core.input_notes import Inputs
from samrs_mm.core.resumable import signature_of
from samrs_mm.core.wording import counted
from samrs_mm.engine.run_config import load_run_config, need
from samrs_mm.predict.prediction import list_images, tell_left_out
from samrs_mm.propose.boxes_file import BoxesFile, boxes_there, plain_boxes
from samrs_mm.propose.detector import Detector, is_segmentor
from samrs_mm.propose.done_images import DoneImages, remove_left
from samrs_mm.propose.label_maps import LabelMaps
from samrs_mm.propose.proposals import Proposals

if TYPE_CHECKING:
    from mmengine.config import Config

EPILOG = """CONFIG is
  a detector            of mmdet or mmrotate, configs/instance, configs/rotated: H-Boxes or R-Boxes,
                        and masks where it makes some
  an open-vocabulary    GroundingDINO or GLIP of mmdet (pip install 'transformers<5'; the language
  detector              model that its config names): it looks for the names of --class
  a segmentation        a pre-trained (--source) or fine-tuned network: each connected region of a
  network               class is a box, upright and oriented, with its mask; its score is the mean
                        probability of the class in it
what is written: a COCO file, bbox, rbox (8 numbers, where boxes are oriented), score and
segmentation (RLE, where there are masks) of each box; our COCO dataset reads it:
  tools/sam_annotate.py configs/annotate/coco_boxnet_hbox.py --data-root IMAGES --out OUT \\
      --cfg-options dataset.ann_file=/path/to/boxes.json
Images larger than the window are looked at window by window; a box counts in the window in whose
middle its centre lies, so none up to the size of the overlap is cut.
A network that was never shown background calls every pixel something: give it --class, --score and
--max-area.
examples:
  tools/propose_boxes.py work_dirs/mine/mine.py work_dirs/mine/iter_2000.pth new --out boxes.json
  tools/propose_boxes.py CONFIG FILE.pth new --out boxes.json --class ship 'storage tank'
  tools/propose_boxes.py configs/sep/unet_resnet50.py pretrain/sep/unet_resnet50.pth new \\
      --out boxes.json --source sota --class ship --min-area 50
Done? The same command says so, and writes nothing; other settings or images want --overwrite.
Killed? The same command goes on: FILE.part has the images that are done. It is deleted in the end,
but where an image could not be read: then the same command with --overwrite looks at that one only.
exit codes: 0 done; 1 an image could not be read (it is named, and not in the file), or interrupted;
2 refused before work began"""

SCORE = 0.3


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file the model was trained with')
    add('checkpoint', help='its weights')
    add('images', nargs='+', metavar='IMAGE', help='image files, or folders of them')
    add('--out', type=Path, metavar='FILE', required=True, help='the JSON file to write')
    add('--overwrite', action='store_true', help='write over a file that is there')
    add('--score', type=float, default=SCORE, metavar='S',
        help='least score, from 0 to 1 (default %(default)s)')  # fmt: skip
    add('--class', nargs='+', metavar='NAME', dest='categories', default=[],
        help='only these classes (default all); of an open-vocabulary detector, what it looks '
        'for')  # fmt: skip
    add('--min-area', type=positive, default=16, metavar='PX',
        help='least area of a box or region in pixels (default %(default)s)')  # fmt: skip
    add('--max-area', type=positive, metavar='PX', help='largest area (default any)')
    add('--most', type=positive, metavar='N', help='at most N boxes an image, those of best score')
    add('--window', type=whole_number, metavar='N',
        help="side of the window in pixels (default: the config's; 0: images whole, of detectors "
        'only)')  # fmt: skip
    add('--overlap', type=whole_number, metavar='N',
        help='pixels that neighbouring windows share (default a quarter of the window, of label '
        'maps a third)')  # fmt: skip
    add('--source', metavar='NAME', help='the head of a network that has several')
    add('--device', metavar='NAME', help='such as cuda:1 or cpu (default: a GPU if there is one)')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys')  # fmt: skip
    args = parser.parse_args(argv)
    if not 0 <= args.score <= 1:
        parser.error(f'--score {args.score}: from 0 to 1')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Propose boxes on every image and write them."""
    if not args.out.absolute().parent.is_dir():
        raise RefusedError(f'--out {args.out}: no such folder as {args.out.parent}')
    images = list_images(args.images)
    for line in tell_left_out(args.images):
        print(f'passed over: {line}', file=sys.stderr)
    config = load_run_config(args.config, args.cfg_options, None, 'none', ('model',), 'mmdet')
    need(config, args.config, 'model')
    maker = of_label_maps(args) if is_segmentor(config) else of_detector(args, config)
    settings = settings_of(args, maker)
    info = about(args, settings)
    if not args.overwrite:
        there = boxes_there(args.out, info, maker.classes, images)
        if there is not None:
            remove_left(args.out, settings)
            print(f'before   {args.out} is up to date: {counted(there, "box", "boxes")} on '
                  f'{counted(len(images), "image")}')  # fmt: skip
            return 0
    file = BoxesFile(maker.classes, info)
    with contextlib.closing(DoneImages(args.out, settings, args.overwrite)) as done:
        return fill(args, images, maker, file, done)


def fill(
    args: argparse.Namespace,
    images: list[Path],
    maker: Detector | LabelMaps,
    file: BoxesFile,
    done: DoneImages,
) -> int:
    """Propose boxes on all images and write the file; return the exit code."""
    failed = propose(args, images, maker, file, done)
    tell_failures(failed)
    if len(failed) == len(images):
        done.remove_empty()
        return 1
    root = file.write(args.out)
    print(f'boxes    {len(file)} on {counted(len(images) - len(failed), "image")}')
    print(f'written  {args.out} (file names are relative to {root})')
    if failed:
        print(f'kept     {done.path} (with --overwrite only those that failed are looked at again)')
        return 1
    done.remove()
    return 0


def of_detector(args: argparse.Namespace, config: 'Config') -> Detector:
    """Return a detector of the flags.

    Raises:
        RefusedError: A flag that is none of detectors, or a class that it doesn't know.
    """
    if args.source:
        raise RefusedError(f'--source {args.source}: {args.config} is a detector, of one head')
    maker = Detector(
        config, args.config, args.checkpoint, args.categories, args.device, args.window,
        args.overlap,
    )  # fmt: skip
    check_classes(args, maker.classes)
    return maker


def of_label_maps(args: argparse.Namespace) -> LabelMaps:
    """Return a network of the flags; raises as ``of_detector``."""
    if args.window == 0:
        raise RefusedError('--window 0: a segmentation network slides a window of some size')
    network = load_network(
        args.config, args.checkpoint, source=args.source, device=args.device, window=args.window,
        options=args.cfg_options,
        stride=None if args.overlap is None else stride_of(args),
    )  # fmt: skip
    check_classes(args, network.classes)
    return LabelMaps(
        network.predictor, network.classes, network.settings, args.categories, network.rule,
        args.min_area,
    )  # fmt: skip


def stride_of(args: argparse.Namespace) -> int:
    """Return the stride of windows that overlap so much."""
    if args.window is None or args.overlap >= args.window:
        raise RefusedError(f'--overlap {args.overlap}: of label maps goes with a larger --window N')
    return args.window - args.overlap


def check_classes(args: argparse.Namespace, known: tuple[str, ...]) -> None:
    """Refuse classes that a model doesn't know."""
    for name in args.categories:
        if name not in known:
            raise RefusedError(f'--class {name!r}: classes are {", ".join(known)}')


def propose(
    args: argparse.Namespace,
    images: list[Path],
    maker: Detector | LabelMaps,
    file: BoxesFile,
    done: DoneImages,
) -> list[str]:
    """Add the boxes of all images to the file; return a line for each that can't be read."""
    failed: list[str] = []
    notes: dict[str, tuple[str, ...]] = {}
    before = 0
    with tqdm(images, 'images', delay=2, leave=False) as bar:
        for path in bar:
            if not os.path.abspath(path).isprintable():
                failed.append(f'{path}: a name that no label file can hold; rename it')
                continue
            inputs = Inputs('', [path])
            about = done.of(path, inputs)
            before += about is not None
            try:
                if about is None:
                    about = look_at(path, args, maker)
                    done.add(path, inputs, about)
            except ImageReadError as error:
                failed.append(str(error))
                continue
            notes[str(path)] = tuple(about['notes'])
            file.add(path, inputs.sha256(), about['width'], about['height'], about['boxes'])
    for line in note_lines(notes):
        print(f'note     {line}')
    if before:
        print(f'before   {counted(before, "image was", "images were")} done by an earlier run')
    return failed


def look_at(path: Path, args: argparse.Namespace, maker: Detector | LabelMaps) -> dict[str, Any]:
    """Return size, notes and boxes of an image as plain data.

    Raises:
        ImageReadError: It can't be read.
    """
    image = SceneImage(path, stream=True, rule=maker.rule)
    found = chosen(maker.propose(image, args.score), maker.classes, args)
    size = dict(width=image.width, height=image.height)
    return dict(size, notes=image.notes, boxes=plain_boxes(found))


def chosen(found: Proposals, classes: tuple[str, ...], args: argparse.Namespace) -> Proposals:
    """Return the proposals of the classes and sizes that are wanted, best first."""
    areas = found.areas
    fits = areas >= args.min_area
    if args.max_area is not None:
        fits &= areas <= args.max_area
    if args.categories:
        fits &= np.isin(found.labels, [classes.index(name) for name in args.categories])
    return found[np.flatnonzero(fits)[: args.most]]


def about(args: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the file says of where its boxes come from."""
    return dict(
        description='proposed by samrs_mm',
        config=Path(args.config).name,
        checkpoint=file_sha256(args.checkpoint),
        score=args.score,
        min_area=args.min_area,
        max_area=args.max_area,
        signature=signature_of(settings),
    )


def settings_of(args: argparse.Namespace, maker: Detector | LabelMaps) -> dict[str, Any]:
    """Return what decides the boxes of an image, as plain data."""
    return dict(
        maker=maker.settings,
        classes=args.categories,
        score=args.score,
        min_area=args.min_area,
        max_area=args.max_area,
        most=args.most,
    )


if __name__ == '__main__':
    sys.exit(main())
