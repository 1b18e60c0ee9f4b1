"""Who may ask the server: pages of its own, and programs that know its token."""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

MOST = 64 << 20
"""Bytes that a request may hold: an image of 40 megapixels as a program sends it."""

TOKENLESS = '/', '/page/'
"""The page itself, which holds nothing of the data: a path, and what paths begin with."""

_HEADERS = {
    'content-security-policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class TooLargeError(Exception):
    """A request holds more than ``MOST`` bytes."""


class Guard:
    """Lets requests through to an application that may be answered.

    A browser also sends requests for pages of other origins, and for names that resolve to this
    machine: the host has to be this one's, the origin the page's, and the token known.

    Args:
        app: The application.
        token: What every request for data has to state: ``Authorization: Bearer TOKEN``, or
            ``Token: TOKEN``.
        port: Where the server listens.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], token: str, port: int):
        self.app, self.token = app, token.encode()
        self.hosts = {f'{name}:{port}' for name in ('127.0.0.1', 'localhost')}
        self.origins = {f'http://{host}' for host in self.hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope['type'] != 'http':
            return
        headers = {name.decode('latin-1'): value for name, value in scope['headers']}
        refused = self.why_not(scope['path'], headers)
        if refused:
            await _refuse(send, *refused)
            return

        async def send_on(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message['headers'], *_encoded(_HEADERS)]
            await send(message)

        await self.app(scope, _limited(receive), send_on)

    def why_not(self, path: str, headers: dict[str, bytes]) -> tuple[int, str] | None:
        """Return the status and the line that a request is refused with, or None.

        Args:
            path: What is asked for.
            headers: Of the request, by name in lower case.
        """
        host = headers.get('host', b'').decode('latin-1')
        if host not in self.hosts:
            return 421, f'host {host!r:.80}: this server is {" or ".join(sorted(self.hosts))}'
        origin = headers.get('origin')
        if origin is not None and origin.decode('latin-1') not in self.origins:
            return 403, f'origin {origin.decode("latin-1")!r:.80}: only its own page may ask this'
        length = headers.get('content-length', b'0')
        if not length.isdigit() or int(length) > MOST:
            return 413, f'content-length {length.decode("latin-1")!r:.40}: at most {MOST} bytes'
        first, below = TOKENLESS
        if path == first or path.startswith(below):
            return None
        given = headers.get('authorization', b'').removeprefix(b'Bearer ')
        given = headers.get('token', given)
        if not hmac.compare_digest(given, self.token):
            return 401, 'no token, or another: open the address that review.py printed'
        return None


def _limited(receive: Receive) -> Receive:
    """Return what receives a request's body, up to ``MOST`` bytes of it."""
    got = 0

    async def receive_some() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get('body', b''))
        if got > MOST:
            raise TooLargeError
        return message

    return receive_some


async def _refuse(send: Send, status: int, line: str) -> None:
    body = json.dumps(dict(error=line)).encode()
    headers = _encoded(_HEADERS | {'content-type': 'application/json'})
    length = b'content-length', str(len(body)).encode()
    await send(dict(type='http.response.start', status=status, headers=[*headers, length]))
    await send(dict(type='http.response.body', body=body))


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
