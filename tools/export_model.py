"""Write a trained segmentation network as an ONNX file, for programs without torch."""

import argparse
import sys
from pathlib import Path

from samrs_mm.cli import ToolParser, positive, run_command
from samrs_mm.config_files import OptionsAction

EPILOG = """the file takes `image` (1, 3, H, W) float32, RGB in 0..1, and gives `logits`, or with
--output probabilities these, (1, K, H, W) at full size; normalisation is inside. H and W are
multiples of the network's stride (32, or 16 for ViT), or with --side N both N. Classes, windows and
how images are shown are in its metadata, where tools/predict.py FILE.onnx IMAGES and QGIS' plugin
Deepness find them; Deepness wants --side N --output probabilities. It needs onnx and onnxscript
(pip install '.[onnx]'); with onnxruntime the file is compared with the network on noise.
examples:
  tools/export_model.py CONFIG work_dirs/CONFIG/iter_80000.pth --out roofs.onnx
  tools/predict.py roofs.onnx data/city --out OUT
  # a pre-trained network has a head for each source
  tools/export_model.py configs/sep/unet_resnet50.py pretrain/sep/unet_resnet50.pth --source sota \\
      --out sota.onnx
exit codes: 0 written; 1 what was written differs from the network, or OUT could not be written;
2 refused, and nothing written"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file the model was trained with')
    add('checkpoint', help='its weights')
    add('--out', required=True, metavar='FILE.onnx', help='where to')
    add('--source', metavar='NAME', help='the head of a model that has several')
    add('--side', type=positive, metavar='N', help='height and width of all images (default: open)')
    add('--output', choices=['logits', 'probabilities'], default='logits',
        help='what the file gives (default %(default)s)')  # fmt: skip
    add('--tiles', type=positive, metavar='N', default=10,
        help='how many images of noise the file is compared on (default %(default)s)')  # fmt: skip
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V',
        help='change config keys')  # fmt: skip
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing was written')


def run(args: argparse.Namespace) -> None:
    """Load the network, write the file and compare it."""
    from samrs_mm.api.export import check_target, export_network

    target = Path(args.out)
    check_target(target)
    for line in export_network(
        args.config, args.checkpoint, target, source=args.source, side=args.side,
        output=args.output, tiles=args.tiles, options=args.cfg_options,
    ):  # fmt: skip
        print(line)


if __name__ == '__main__':
    sys.exit(main())
