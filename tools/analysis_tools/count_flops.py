"""Count the weights of a config's network, and the multiply-adds of a forward."""

import argparse
import sys

from samrs_mm.cli import ToolParser, positive, run_command, whole_number
from samrs_mm.config_files import OptionsAction
from samrs_mm.engine.complexity import Complexity, complexity
from samrs_mm.engine.run_config import building, load_run_config

EPILOG = """examples:
  tools/analysis_tools/count_flops.py configs/sep/upernet_vitae.py
  tools/analysis_tools/count_flops.py configs/sep/upernet_resnet50.py --shape 224
  tools/analysis_tools/count_flops.py CONFIG --shape 512 768 --depth 3
A multiply-add counts one, as in papers that say FLOPs. No weights are loaded.
exit codes: 0 counted; 2 refused, such as a network whose forward takes more than images"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('config', help='config file of a training')
    add('--shape', nargs='+', type=positive, default=[512], metavar='N',
        help='height and width of the image in pixels, or both at once (default 512)')  # fmt: skip
    add('--bands', type=positive, default=3, help='of the image (default 3)')
    add('--depth', type=whole_number, default=1, help='how deep parts are told (default 1)')
    add('--cfg-options', nargs='+', action=OptionsAction, metavar='K=V', help='change config keys')
    args = parser.parse_args(argv)
    if len(args.shape) > 2:
        parser.error('--shape takes height and width')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Build the network and print what it costs."""
    from mmengine.registry import MODELS, DefaultScope

    config = load_run_config(args.config, args.cfg_options, None, 'none')
    with building(args.config), DefaultScope.overwrite_default_scope(config.get('default_scope')):
        model = MODELS.build(config.model)
    shape = (args.bands, args.shape[0], args.shape[-1])
    print('\n'.join(lines(complexity(model, shape, args.depth), shape)))


def lines(found: Complexity, shape: tuple[int, ...]) -> list[str]:
    """Return the table, and what is not in it."""
    width = max(len(part.name) for part in found.parts) + 2
    heads = ''.join(f'{head:>12}' for head in ('weights (M)', 'trained (M)', 'FLOPs (G)'))
    rows = [f'one image of {" x ".join(map(str, shape))}', f'{"part":<{width}}{heads}']
    for part in found.parts:
        figures = part.weights / 1e6, part.trained / 1e6, part.products / 1e9
        columns = ''.join(f'{figure:>12.3f}' for figure in figures)
        rows.append(f'{part.name or "whole":<{width}}{columns}')
    if found.uncounted:
        most = sorted(found.uncounted.items(), key=lambda item: (-item[1], item[0]))
        names = ', '.join(f'{name.removeprefix("aten::")} ({count})' for name, count in most)
        rows.append(f'counted as 0: {names}')
    return rows


if __name__ == '__main__':
    sys.exit(main())
