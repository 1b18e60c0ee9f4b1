"""Predict images of any size with a trained network: labels, probabilities, polygons, overlays."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial

from tqdm import tqdm

from samrs_mm.api.network import WINDOW, load_network
from samrs_mm.api.onnx_network import load_onnx
from samrs_mm.api.scene_network import SceneNetwork
from samrs_mm.cli import ToolParser, positive, run_command, tell_failures
from samrs_mm.config_files import OptionsAction
from samrs_mm.core import input_notes
from samrs_mm.core.images import note_lines
from samrs_mm.core.input_notes import some
from samrs_mm.core.wording import counted, plural
from samrs_mm.predict.folder import KINDS, POLYGONS, PredictedFolder
from samrs_mm.predict.polygon_writer import refuse_unplaced
from samrs_mm.predict.prediction import find_images, predict_images, tell_left_out
from samrs_mm.predict.scene_predictor import BLENDS

EPILOG = """examples:
  # a fine-tuned network on a folder: OUT/labels/STEM.png, grey, pixel = class index
  tools/predict.py CONFIG work_dirs/CONFIG/iter_80000.pth data/city --out OUT
  # one orthomosaic with a place on the map: GeoTIFFs with the same CRS and transform
  tools/predict.py CONFIG FILE.pth city.tif --out OUT --save labels,probabilities,polygons
  # a pre-trained network has a head for each source
  tools/predict.py configs/sep/unet_resnet50.py pretrain/sep/unet_resnet50.pth data/city \\
      --out OUT --source sota
  # a file of tools/export_model.py, by onnxruntime, without torch
  tools/predict.py roofs.onnx data/city --out OUT
  # as tools/test.py predicts
  tools/predict.py CONFIG FILE.pth DIR --out OUT --blend average --stride 342
what is written
  OUT/labels/STEM.png         8-bit grey, pixel = class index, 255 = no data in the image; a GeoTIFF
                              (STEM.tif) where the image has a place on the map
  OUT/probabilities/STEM.tif  a band for each class, value / 250; 255 = no data
  OUT/polygons/STEM.gpkg      a polygon for each region of one class, along the edges of pixels,
                              holes kept; of images on the map only
  OUT/overlays/STEM.jpg       the image tinted with its classes, at most 2048 px; legend.png
  OUT/predictions.json        settings and classes
An image is read and written strip by strip: memory does not grow with its height (only a PNG or
JPEG is decoded whole, 4 bytes a pixel). Killed? The same command skips the images that are done,
and does anew those that were replaced since, or whose mask, .aux.xml or world file beside them
changed (OUT/inputs.tsv has their times and hashes).
Predictions of images that a given folder has no longer are named; --prune deletes them.
windows
  centre   each pixel is taken from the window whose middle it is in: no seams as long as the
           network sees no further than half of the overlap, window - stride
  average  the mean of all windows over a pixel, as in mmsegmentation's slide mode
exit codes: 0 all images are predicted; 1 an image could not be read (it is named, the others are
done) or is gone, a file not written, or interrupted; 2 refused before work began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file the model was trained with, or FILE.onnx of export_model.py')
    add('checkpoint', help='its weights; none for FILE.onnx')
    add('images', nargs='*', metavar='IMAGE', help='image files, or folders of them')
    add('--out', metavar='DIR', required=True, help='where the predictions go')
    add('--source', metavar='NAME', help='the head of a model that has several')
    add('--save', type=_kinds, metavar='KINDS', default=('labels',),
        help=f'what to write, of {",".join(KINDS)} (default labels)')  # fmt: skip
    add('--window', type=positive, metavar='N',
        help=f"side of the window in pixels (default: the config's, else {WINDOW})")  # fmt: skip
    add('--stride', type=positive, metavar='N',
        help="distance between windows (default: the config's, else 2/3 window)")  # fmt: skip
    add('--blend', choices=BLENDS, default='centre', help='see below (default %(default)s)')
    add('--batch', type=positive, metavar='N', default=4,
        help='windows that go through the network together (default %(default)s; one by one '
        'through FILE.onnx)')  # fmt: skip
    add('--tta', choices=['flip'], help='average with the prediction of the mirror image')
    add('--device', metavar='NAME', help='such as cuda:1 or cpu (default: a GPU if there is one)')
    add('--restart', action='store_true', help='predict finished images again')
    add('--prune', action='store_true',
        help='delete predictions of images that a given folder has no longer')  # fmt: skip
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys')  # fmt: skip
    args = parser.parse_args(argv)
    args.onnx = args.config.endswith('.onnx')
    if args.onnx:
        args.images.insert(0, args.checkpoint)
        if args.source or args.cfg_options:
            parser.error('--source and --cfg-options: FILE.onnx has one head and no config')
    elif not args.images:
        parser.error('the following arguments are required: IMAGE')
    return args


def _kinds(text: str) -> tuple[str, ...]:
    wanted = text.split(',')
    unknown = [kind for kind in wanted if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f'{unknown[0]!r} is none of {", ".join(KINDS)}')
    return tuple(kind for kind in KINDS if kind in wanted)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Check everything that can be known beforehand, then predict."""
    images = find_images(args.images)
    for line in tell_left_out(args.images):
        print(f'passed over: {line}', file=sys.stderr)
    if POLYGONS in args.save:
        refuse_unplaced(list(images.values()))
    out = PredictedFolder(args.out, args.save, images)
    if out.read() is None:
        out.refuse_foreign()
    network = _load(args)
    print(network.matched)
    if args.restart:
        removed = out.restart(network.settings)
        print(f'restart: removed {counted(removed, "file")} of earlier runs from {out.root}')
    out.open(network.settings, network.classes)
    code = predict(images, network, out)
    return max(code, tell_gone(out, args.images, args.prune))


def _load(args: argparse.Namespace) -> SceneNetwork:
    how: dict = dict(device=args.device, window=args.window, stride=args.stride, blend=args.blend,
                     batch=args.batch, flip=args.tta == 'flip')  # fmt: skip
    if args.onnx:
        return load_onnx(args.config, **how)
    return load_network(
        args.config, args.checkpoint, source=args.source, options=args.cfg_options, **how
    )


def predict(images: dict, network: SceneNetwork, out: PredictedFolder) -> int:
    """Predict what is not done, print counts and failures, and return the exit code."""
    replaced, unnoted = out.remove_outdated(images)
    if replaced:
        print(
            f'done anew: {counted(len(replaced), "image that was", "images that were")} '
            f'replaced, or {plural(len(replaced), "has", "have")} other files beside '
            f'{plural(len(replaced), "it", "them")}: {some(replaced)}'
        )
    if unnoted:
        print(
            f'{counted(unnoted, "prediction")} had no note of '
            f'{plural(unnoted, "its", "their")} image in {input_notes.NAME}; those that '
            'are older than their image are done anew'
        )
    todo = {stem: path for stem, path in images.items() if not out.is_done(stem)}
    bar = partial(tqdm, unit='window', mininterval=0.5, leave=False, disable=not todo)
    failed, notes = predict_images(todo, network.predictor, out, network.classes, bar, network.rule)
    for line in note_lines(notes):
        print(f'note     {line}')
    tell_failures(failed)
    done = len(images) - len(todo)
    before = f', {done} were done before' * bool(done)
    print(f'images   {len(todo) - len(failed)} predicted{before}, {len(failed)} failed')
    print(f'written  {out.root}')
    return 1 if failed else 0


def tell_gone(out: PredictedFolder, inputs: Sequence[str], prune: bool) -> int:
    """Name, or delete, predictions of images that are gone, and return the exit code."""
    gone = out.gone(path for path in inputs if os.path.isdir(path))
    if gone and prune:
        print(
            f'prune: deleted {counted(out.prune(gone), "prediction")} of '
            f'{counted(len(gone), "image")}'
        )
    elif gone:
        print(
            f'gone: {out.root} holds predictions of '
            f'{counted(len(gone), "image that is", "images that are")} in '
            f'{", ".join(filter(os.path.isdir, inputs))} no longer: {some(gone)}; --prune deletes '
            'them',
            file=sys.stderr,
        )
    return int(bool(gone) and not prune)


if __name__ == '__main__':
    sys.exit(main())
