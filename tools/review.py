"""Look at the masks of an annotated folder in a browser, and correct them."""

import argparse
import sys
import webbrowser
from functools import partial
from pathlib import Path

from samrs_mm.annotate.taking_back import user
from samrs_mm.cli import ToolParser, progress, run_command
from samrs_mm.config_files import read_config
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.wording import counted
from samrs_mm.review.server.prompting import Prompter
from samrs_mm.review.server.serving import PORT, listen, reviewed_alone, serve, token_of
from samrs_mm.review.server.session import Session

EPILOG = """A page on this machine shows the masks, those most in doubt first: a accepts, r rejects,
c gives another class, u takes back; ? lists all keys. Whatever is done is written at once to
OUT/corrections/STEM.json, so that nothing is lost if the server is killed: the same command goes
on. Ctrl-C ends the review; then records, label maps and lists are written again.

X-AnyLabeling draws with the segmentor, too: choose its Remote-Server; ~/.xanylabelingrc has to say
  remote_server_settings: {server_url: http://127.0.0.1:8321, api_key: THE_TOKEN}

Only this machine can ask the server, and only with the token in the address that it prints.
examples:
  tools/review.py data/mine
  ssh -L 8321:127.0.0.1:8321 server   # then tools/review.py data/mine there, its address here
exit codes: 0 all is written; 1 corrections are saved, but the lists could not be written; 2 refused
before it began"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='OUT', type=Path, help='the annotated folder')
    add('--data-root', metavar='DIR', help='the images, where they were moved')
    add(
        '--boxes',
        metavar='FILE[:LAYER]',
        help='of scenes on the map: where the boxes are (default: beside the scenes or OUT)',
    )
    add(
        '--config',
        metavar='CONFIG',
        help='the annotate config of OUT: only where its custom_imports make the dataset',
    )
    add('--by', metavar='NAME', help='who reviews (default: your user name)')
    add('--port', type=int, default=PORT, metavar='N',
        help='where the page is; 0 takes a free one (default %(default)s)')  # fmt: skip
    add('--segmentor', default='boxnet', metavar='NAME',
        help='what makes masks of clicks: boxnet (default; comes with the package), grabcut, '
        'sam-vit-b, sam-vit-l, sam-vit-h, or an annotate config')  # fmt: skip
    add('--weights', '--checkpoint', metavar='FILE', help='its weights')
    add('--embeddings', metavar='DIR',
        help='take what SAM made of an image from DIR, or store it there')  # fmt: skip
    add('--token-file', metavar='FILE', type=Path,
        help='take the token from FILE, made where it is not there: the same at every start, as '
        'the settings of X-AnyLabeling need it (default: a new one)')  # fmt: skip
    add('--open', action='store_true', help='open the page in a browser')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'what was decided is saved')


def run(args: argparse.Namespace) -> int:
    """Serve until it is stopped, then write what follows from the corrections."""
    if not args.folder.is_dir():
        raise RefusedError(f'{args.folder}: no such folder')
    if args.config:
        read_config(args.config)
    session = Session(args.folder, args.data_root, args.by or user(), args.boxes)
    options = dict(checkpoint=args.weights) if args.weights else {}
    prompter = Prompter(args.segmentor, options, args.embeddings)
    with reviewed_alone(args.folder), listen(args.port) as listening:
        token = token_of(args.token_file) if args.token_file else None
        ready = partial(tell, session, show=args.open)
        serve(session, listening, ready, prompter, token)
        prompter.close()
        return close(session)


def tell(session: Session, address: str, show: bool = False) -> None:
    """Print where the page is."""
    done = session.queue.progress()
    masks, images = counted(done['total'], 'mask'), counted(len(session.stems), 'image')
    print(f'review   {masks} of {images}, {done["decided"]} decided')
    print(f'page     {address}')
    print('Ctrl-C ends the review and writes the lists', flush=True)
    if show:
        webbrowser.open(address)


def close(session: Session) -> int:
    """Write records, label maps and lists; return the exit code."""
    count = counted(len(session.changed), 'image')
    try:
        problems = session.close(progress)
    except (SamrsError, OSError) as error:
        print(f'error: the corrections are saved, but: {error}', file=sys.stderr)
        return 1
    for line in problems:
        print(f'does not reconcile: {line}', file=sys.stderr)
    print(f'written  {session.out.root} ({count} with corrections)')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
