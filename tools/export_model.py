"""Write a trained segmentation network as a file of ONNX or torch.export, for other programs."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, positive, run_command
from samrs_mm.config_files import OptionsAction

EPILOG = """what is written
  FILE.onnx   for onnxruntime and QGIS; needs onnx and onnxscript (pip install '.[onnx]')
  FILE.pt2    for torch.export.load, without mm libraries
It takes `image` (1, 3, H, W) float32, RGB in 0..1, and gives `logits`, or with --output
probabilities these, (1, K, H, W) at full size; normalisation is inside. H and W are multiples of
what the config pads to (size_divisor of its data preprocessor, 32), or with --side N both N.
Classes, windows and how images are shown are in its metadata. tools/predict.py FILE.onnx IMAGES
runs it without torch; QGIS' plugin Deepness wants --side N --output probabilities.
The file is compared with the network on tiles before it is written; FILE.onnx needs onnxruntime for
that.
examples:
  tools/export_model.py CONFIG work_dirs/CONFIG/iter_80000.pth --out roofs.onnx --images data/city
  tools/predict.py roofs.onnx data/city --out OUT
  # a pre-trained network has a head for each source
  tools/export_model.py configs/sep/unet_resnet50.py pretrain/sep/unet_resnet50.pth --source sota \\
      --out sota.onnx
exit codes: 0 written; 1 what would be written differs from the network, or OUT could not be
written; 2 refused, and nothing written"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file the model was trained with')
    add('checkpoint', help='its weights')
    add('--out', required=True, metavar='FILE', help='where to: FILE.onnx or FILE.pt2')
    add('--source', metavar='NAME', help='the head of a model that has several')
    add('--side', type=positive, metavar='N', help='height and width of all images (default: open)')
    add('--output', choices=['logits', 'probabilities'], default='logits',
        help='what the file gives (default %(default)s)')  # fmt: skip
    add('--tiles', type=positive, metavar='N', default=10,
        help='how many tiles the file is compared on (default %(default)s)')  # fmt: skip
    add('--images', nargs='+', metavar='IMAGE', default=(),
        help='files or folders to cut these tiles from (default: drawn blotches)')  # fmt: skip
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing was written')


def run(args: argparse.Namespace) -> None:
    """Load the network, compare the file with it, and write it."""
    from samrs_mm.api.export import export_network

    for line in export_network(
        args.config, args.checkpoint, Path(args.out), source=args.source, side=args.side,
        output=args.output, tiles=args.tiles, images=args.images, options=args.cfg_options,
    ):  # fmt: skip
        print(line)


if __name__ == '__main__':
    sys.exit(main())
