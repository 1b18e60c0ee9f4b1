"""Convert the weights of other code bases into ours, and ours back to the SAMRS authors' names."""

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samrs_mm.cli import ToolParser, run_command
from samrs_mm.compat import safe_load
from samrs_mm.config_files import read_config
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted
from samrs_mm.models.conversion.conversion import Conversion, find_weights
from samrs_mm.models.conversion.report import summary, table
from samrs_mm.models.conversion.routes import AUTO, ORIGINS, TARGETS, Route, convert_state

if TYPE_CHECKING:
    from torch import Tensor

EPILOG = """what IN may be
  a whole model of the SAMRS authors, pre-trained or fine-tuned: any of their backbones with UNet,
  UPerNet or Mask2Former. OUT then holds backbone.*, decode_head.* and heads.*, as load_from and
  tools/test.py take it
  a pre-trained backbone: torchvision or RSP ResNet-50, Microsoft's Swin-T, ViTAEv2-S,
  InternImage-T, DeiT or timm ViT-B, BEiT-B, MAE (the authors', the original's and mmpretrain's).
  OUT then holds the backbone's own names, as init_cfg=dict(type='Pretrained', checkpoint=OUT) of
  the backbone takes it
  with --config of a backbone of timm, transformers, mmpretrain or MAEViT: timm's and Meta's DINOv3
  (ViT, ConvNeXt), SatMAE of three bands, Prithvi (the first date), files of the hub whose names
  are those of the model; also as .safetensors
the kind of IN is recognised by its names (--from auto), or given by --from, and then checked.
Several backbones start from a plain ViT, so --to has to say which.
  --from beit         BEiT in full: for --to vit-beit, the default
  --from beit-lossy   what the authors' code takes of BEiT, for --to vit: without the biases of the
                      attention, layer scales and positions
every key of IN and of the model is accounted for: kept, renamed, resized, dropped (known to be
unused), missing (known to be initialised), left over. What is missing or left over beyond that
is refused, unknown keys of a classification head too: --allow lets it pass. --config gives the
sizes of a model that is not one of the paper's.
a model of other bands than the file's: a single band gets the sum of all kernels; of several each
gets that of its number, those beyond the mean of all, times the file's number of bands over the
model's; --bands chooses instead.
examples:
  tools/model_converters/convert_checkpoint.py pretrain/rsp-resnet-50-ckpt.pth \\
      pretrain/rsp_resnet50.pth
  # the same DeiT file for two backbones
  tools/model_converters/convert_checkpoint.py pretrain/deit_base_patch16_224-b5f2ef4d.pth \\
      pretrain/imp_vit.pth --to vit
  tools/model_converters/convert_checkpoint.py pretrain/deit_base_patch16_224-b5f2ef4d.pth \\
      pretrain/imp_vit-adapter.pth --to vit-adapter
  # the authors' pre-trained model, to test or to fine-tune; every key in a table
  tools/model_converters/convert_checkpoint.py best_vitaev2_s_upernet_pretrn_model.pth \\
      pretrain/sep/upernet_vitae.pth --report keys.csv
  # and ours for the authors' code
  tools/model_converters/convert_checkpoint.py pretrain/sep/upernet_vitae.pth theirs.pth \\
      --to authors
exit codes: 0 converted; 1 OUT could not be written; 2 refused, and nothing written but --report"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('source', metavar='IN', help='checkpoint; it is loaded as data, never as code')
    add('out', metavar='OUT', help='where to, such as pretrain/imp_vitae.pth')
    add('--from', dest='origin', choices=ORIGINS, default=AUTO, metavar='NAME',
        help=f'whose names IN has: {", ".join(ORIGINS)} (default %(default)s)')  # fmt: skip
    add('--to', dest='target', choices=TARGETS, default=AUTO, metavar='NAME',
        help=f'what it is for: {", ".join(TARGETS)} (default %(default)s)')  # fmt: skip
    add(
        '--config',
        metavar='CONFIG',
        help='config file whose model the weights are for, if not one of the paper',
    )
    add('--bands', type=_bands, metavar='N,N,...',
        help="the file's band for each of the model's, from 1 (default: see below)")  # fmt: skip
    add('--ema', action=argparse.BooleanOptionalAction,
        help='where IN has weights and their moving average, take the average (default: the '
             'weights themselves, as the authors do)')  # fmt: skip
    add('--allow', nargs='+', default=[], metavar='NAME',
        help="names that may be missing or left over; * is anything, as in 'head.*'")  # fmt: skip
    add('--report', metavar='FILE.csv', help='write a table of every key')
    return parser.parse_args(argv)


def _bands(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r}: give numbers, such as 3,2,1') from None


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'nothing was written')


def run(args: argparse.Namespace) -> None:
    """Load, convert, report, write."""
    source, out = Path(args.source), Path(args.out)
    if out.exists() and source.exists() and os.path.samefile(source, out):
        raise RefusedError(f'{out}: IN and OUT are the same file')
    model = read_config(args.config).get('model') if args.config else None
    if args.config and 'backbone' not in (model or {}):
        raise RefusedError(f"config {args.config}: has no 'model' with a backbone")
    route, conversion = convert_file(args, model)
    print('\n'.join(summary(conversion)))
    if args.report:
        atomic_write(Path(args.report), table(conversion))
    check(conversion, source)
    write(out, conversion, route, source)


def convert_file(args: argparse.Namespace, model: dict | None) -> tuple[Route, Conversion]:
    """Convert the weights of IN; print where they were and what they are of."""
    try:
        checkpoint = _read(args.source)
    except OSError as error:
        raise RefusedError(f'{args.source}: {error.strerror}') from error
    except ValueError as error:
        raise RefusedError(str(error)) from error
    try:
        entry, state = find_weights(checkpoint, args.ema)
        route, conversion = convert_state(
            state, args.origin, args.target, model, args.allow, args.bands
        )
    except RefusedError as error:
        raise RefusedError(f'{args.source}: {error}') from error
    others = [str(key) for key in checkpoint if entry and key != entry]
    beside = f' (beside it: {", ".join(others)})' if others else ''
    print(f'{args.source}: {len(state)} weights{f" in {entry}" if entry else ""}{beside}')
    print(route.title)
    return route, conversion


def _read(path: str) -> 'dict[str, Any]':
    """Return what a checkpoint holds; raises OSError or ValueError."""
    if not path.endswith('.safetensors'):
        return safe_load(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f'{path}: {error}') from error


def check(conversion: Conversion, source: Path) -> None:
    """Refuse what is missing or left over without a known reason."""
    if failures := conversion.failures:
        first = failures[0]
        raise RefusedError(
            f'{source}: nothing written, as '
            f'{counted(len(failures), "key is", "keys are")} missing or left over that '
            f'should not be, such as {first.source or first.target} ({first.reason}); is it for '
            'another backbone (--to) or of other sizes (--config)? --allow lets keys pass'
        )


def write(out: Path, conversion: Conversion, route: Route, source: Path) -> None:
    """Write the weights and where they come from."""
    import torch

    meta = dict(converted_from=source.name, **route._asdict())
    state = {name: _whole(value.detach()) for name, value in conversion.state.items()}
    buffer = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=state), buffer)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(out, buffer.getvalue())
    print(f'wrote {len(state)} weights to {out}')


def _whole(tensor: 'Tensor') -> 'Tensor':
    """Copy a view, which would take the whole that it is a part of along into the file."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


if __name__ == '__main__':
    sys.exit(main())
