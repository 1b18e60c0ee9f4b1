"""Start several ranks of a tool on this machine: one per GPU, or without a GPU as CPU processes."""

import argparse
import sys

from samrs_mm.cli import ToolParser, positive, whole_number
from samrs_mm.core.installed import TOOLS, called_by_name, shipped
from samrs_mm.core.ranks import Place, run_ranks

EPILOG = """examples:
  tools/run_ranks.py 8 train configs/sep/upernet_resnet50_scratch.py
  tools/run_ranks.py 8 test CONFIG CHECKPOINT --out out
  # two machines; the same on the other with --node 1
  tools/run_ranks.py 8 --nodes 2 --node 0 --address HOST --port 29500 train CONFIG
What a failed rank has to say is the last line, and its exit code that of this command. SIGTERM,
SIGUSR1 and Ctrl-C go to all ranks, which take the time they need to save. exit codes: those of the
tool; 128 + N where signal N ended a rank"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('ranks', type=positive, help='ranks on this machine')
    add('--nodes', type=positive, default=1, help='machines, with as many each (default 1)')
    add('--node', type=whole_number, default=0, help='which of them this is, from 0 (default 0)')
    add('--address', help='host of rank 0 (default this machine)')
    add('--port', type=positive, help='a free port there (default: one is found, on one machine)')
    add('tool', choices=('train', 'test'), help='what to run')
    add('arguments', nargs=argparse.REMAINDER, help='its arguments')
    args = parser.parse_args(argv)
    if args.node >= args.nodes:
        parser.error(f'--node {args.node} of --nodes {args.nodes}: they count from 0')
    if args.nodes > 1 and args.port is None:
        parser.error('--nodes needs --port: a free port of the host of rank 0')
    if args.node and args.address is None:
        parser.error(f'--node {args.node} needs --address: the host of rank 0, which is --node 0')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    tool = [str(shipped('tools') / TOOLS[args.tool])]
    if called_by_name():
        tool = ['-m', 'samrs_mm', args.tool]
    address = args.address or '127.0.0.1'
    place = Place(args.ranks, args.nodes, args.node, address, args.port)
    command = [sys.executable, '-u', *tool, *args.arguments, '--launcher', 'pytorch']
    return run_ranks(command, place)


if __name__ == '__main__':
    sys.exit(main())
