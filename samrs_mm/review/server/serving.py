"""The server of a folder under review, from its start to its end."""

import contextlib
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.system import held_alone
from samrs_mm.formats.annotated import folder
from samrs_mm.review.server.app import MISSING, make_app
from samrs_mm.review.server.prompting import Prompter
from samrs_mm.review.server.session import Session

HOST = '127.0.0.1'
PORT = 8321

_AT_ONCE = 256
"""Requests in work at a time; others are told to come again (503)."""


@contextlib.contextmanager
def reviewed_alone(root: Path) -> Iterator[None]:
    """Hold a folder against another review within the block.

    Raises:
        RefusedError: There is one already, or the folder can't be written to.
    """
    place = root / folder.CORRECTIONS
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise RefusedError(f'{place}: cannot write there: {error.strerror}') from error
    with held_alone(place) as alone:
        if not alone:
            raise RefusedError(
                f'{root}: another review.py is at work in this folder; use its page, or stop it'
            )
        yield


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone; port 0 takes a free one.

    Raises:
        RefusedError: The port is taken, or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(2048)
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, 'strerror', None) or str(error)
        raise RefusedError(
            f'--port {port}: {reason}; choose another, or --port 0 for a free one'
        ) from error
    return found


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(16)


def token_of(path: Path) -> str:
    """Return the token in a file, which is made where it is not there, for its owner alone.

    Raises:
        RefusedError: It can't be read or made, or what it holds is too short.
    """
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, 'wb') as file:
                file.write(f'{new_token()}\n'.encode())
        token = path.read_text(encoding='ascii').strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise RefusedError(f'--token-file {path}: {reason}') from error
    if not re.fullmatch(r'[\w~.-]{16,}', token):
        raise RefusedError(
            f'--token-file {path}: not a token of 16 or more letters, digits, - and _; delete it, '
            'and a new one is made'
        )
    return token


def serve(
    session: Session,
    listening: socket.socket,
    ready: Callable[[str], Any],
    prompter: Prompter | None = None,
    token: str | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        session: The folder under review.
        listening: See ``listen``.
        ready: Gets the address of the page, with its token, once it can be opened.
        prompter: Makes masks of clicks; it is loaded beside.
        token: What who asks has to know; None makes one.

    Raises:
        RefusedError: Starlette or uvicorn is not there.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise RefusedError(MISSING) from error
    port, token = listening.getsockname()[1], token or new_token()
    app = make_app(session, token, port, prompter)
    config = uvicorn.Config(
        app, log_level='error', access_log=False, lifespan='off', limit_concurrency=_AT_ONCE,
        server_header=False, ws='none', timeout_graceful_shutdown=5,
        log_config=None,  # uvicorn's own would close all log files of this process
    )  # fmt: skip
    if prompter is not None:
        prompter.load_beside(_tell_no_clicks)
    ready(f'http://{HOST}:{port}/#{token}')
    with contextlib.suppress(KeyboardInterrupt):  # the signal that uvicorn stopped at
        uvicorn.Server(config).run(sockets=[listening])


def _tell_no_clicks(problem: str) -> None:
    print(f'no clicks: {problem}', file=sys.stderr, flush=True)
