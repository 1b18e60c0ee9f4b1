"""Write BoxNet as an ONNX file, to run it without torch."""

import argparse
from pathlib import Path

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.core.images import file_sha256
from samrs_mm.core.onnx_files import check_target

EPILOG = """the file takes crops (N, 14, S, S) float32 and gives logits (N, S, S), the object where
above 0, and score (N,), the predicted IoU in [0, 1]; N is free. What the 14 channels are is in
samrs_mm/models/boxnet/inputs.py (plain numpy), how a crop lies around its box in
samrs_mm/core/crop_frame.py; their names, the side and the sha256 of the weights are in the file's
metadata. It needs `pip install onnx`; onnxruntime, or another runtime, runs the file.
examples:
  tools/model_converters/boxnet2onnx.py boxnet.onnx
  # your own weights, for smaller crops
  tools/model_converters/boxnet2onnx.py mine.onnx --checkpoint mine.safetensors --side 64
exit codes: 0 written; 1 OUT could not be written; 2 refused, and nothing written"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('out', metavar='OUT.onnx', help='where to')
    add('--checkpoint', metavar='FILE', help="weights (default: the package's)")
    add('--side', type=int, metavar='S', help='of the crops in pixels (default: as trained)')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing was written')


def run(args: argparse.Namespace) -> None:
    """Load the weights and write the file."""
    from samrs_mm.models.boxnet.onnx_file import write_onnx
    from samrs_mm.models.boxnet.weights import checked_side, default_weights, load_weights

    path = Path(args.checkpoint) if args.checkpoint else default_weights()
    out = Path(args.out)
    check_target(out)
    network, info = load_weights(path)
    side = checked_side(args.side, '--side', network, info)
    write_onnx(out, network, info, side, dict(source=path.name, sha256=file_sha256(path)))
    print(f'{out}: crops of {side} px, {out.stat().st_size:,} bytes')


if __name__ == '__main__':
    raise SystemExit(main())
