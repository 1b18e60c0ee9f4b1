"""What the review page asks for, and what it is answered: JSON, pictures, and the page itself.

Errors are answered as ``{"error": "one line"}``.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from samrs_mm.core import masks
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.drawing.colours import class_colour
from samrs_mm.formats.annotated.doubt import doubt
from samrs_mm.formats.annotated.entries import HAND_STATUSES, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.applying import CORRECTABLE
from samrs_mm.formats.corrections.shapes import EditError, mask_digest
from samrs_mm.review.server.guard import Guard, TooLargeError
from samrs_mm.review.server.prompting import NotReadyError, Prompter
from samrs_mm.review.server.queue import CHOICES, OPEN
from samrs_mm.review.server.scene_views import LEVELS, SIDE
from samrs_mm.review.server.session import Session, UnknownImageError
from samrs_mm.review.server.xanylabeling import PredictError, RemoteServer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MISSING = 'review.py needs Starlette and uvicorn: pip install starlette uvicorn'
MOST_ITEMS = 1000
MOST_CLICKS = 1000

_PAGE = 'index.html'
_TYPES = {'.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript'}


class BadRequestError(SamrsError):
    """A request lacks something, or has a value that can't be."""


_STATUS = {
    BadRequestError: 400,
    UnknownImageError: 404,
    EditError: 409,
    NotReadyError: 503,
    PredictError: 400,
}


def make_app(session: Session, token: str, port: int, prompter: Prompter | None = None) -> Guard:
    """Return the application of a folder under review.

    Args:
        session: The folder.
        token: See ``Guard``.
        port: Where it listens.
        prompter: Makes masks of clicks; None for a page without.

    Raises:
        RefusedError: Starlette is not there.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as error:
        raise RefusedError(MISSING) from error
    desk = Desk(session, prompter)
    gets = dict(folder=desk.folder, queue=desk.queue, image=desk.image, piece=desk.piece)
    posts = dict(
        decide=desk.decide, undo=desk.undo, prompt=desk.prompt, mask=desk.mask, add=desk.add
    )
    remote = [] if prompter is None else _remote_routes(RemoteServer(prompter))
    app = Starlette(
        routes=[
            *remote,
            Route('/', _page_of(_PAGE)),
            *(Route(f'/page/{name}', _page_of(name)) for name in _parts()),
            *(Route(f'/api/{name}', _answering(work)) for name, work in gets.items()),
            *(
                Route(f'/api/{name}', _answering(work), methods=['POST'])
                for name, work in posts.items()
            ),
        ],
        exception_handlers={404: _no_such, 405: _no_such, TooLargeError: _too_large},
    )
    return Guard(app, token, port)


def _remote_routes(server: RemoteServer) -> list[Any]:
    """Return the routes of X-AnyLabeling's protocol."""
    from starlette.routing import Route

    return [
        Route('/v1/models', _answering(server.models)),
        Route('/v1/predict', _answering(server.predict), methods=['POST']),
    ]


class Desk:
    """Answers requests: what is asked as a dict in, plain data or a picture out."""

    def __init__(self, session: Session, prompter: Prompter | None = None):
        self.session, self.prompter = session, prompter

    def folder(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what the page needs to know of the folder."""
        session = self.session
        return dict(
            name=session.out.root.resolve().name,
            by=session.by,
            classes=[
                dict(name=name, colour='#{:02x}{:02x}{:02x}'.format(*class_colour(index)))
                for index, name in enumerate(session.classes)
            ],
            statuses=sorted({item.status for item in session.queue.items}),
            side=SIDE,
            segmentor=None if self.prompter is None else self.prompter.name,
            progress=session.queue.progress(),
        )

    def queue(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return masks of the queue, from ``start`` on, and where to go on (``next``)."""
        choice = asked.get('choice', OPEN)
        if choice not in CHOICES:
            raise BadRequestError(f'choice is {choice!r:.40}; allowed: {", ".join(CHOICES)}')
        start = _number(asked, 'start', 0, 0, 1 << 40)
        limit = _number(asked, 'limit', 200, 1, MOST_ITEMS)
        category, status = asked.get('category', ''), asked.get('status', '')
        found, further = self.session.queue.page(start, limit, choice, category, status)
        return dict(items=[item.as_json() for item in found], next=further)

    def image(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return an image with its boxes."""
        stem = _text(asked, 'stem')
        return self._image(stem, self.session.look(stem))

    def piece(self, asked: dict[str, Any]) -> bytes:
        """Return a piece of an image's picture as JPEG; see ``SceneView.piece``."""
        numbers = (
            _number(asked, 'level', 0, 0, LEVELS),
            *(_number(asked, name, 0, 0, 1 << 20) for name in ('column', 'row')),
        )
        found = self.session.view(_text(asked, 'stem')).jpeg(*numbers)
        if found is None:
            raise BadRequestError(f'level, column, row {numbers}: beyond the picture')
        return found

    def decide(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Accept or reject a mask, or give it a class."""
        stem, box_id, action = (_text(asked, name) for name in ('stem', 'box_id', 'action'))
        record = self.session.decide(
            stem, box_id, action, _text(asked, 'mask'), asked.get('value'), _seconds(asked)
        )
        return self._image(stem, record)

    def undo(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take back what was done to a box last."""
        stem = _text(asked, 'stem')
        record = self.session.undo(stem, _text(asked, 'box_id'), _seconds(asked))
        return self._image(stem, record)

    def prompt(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make a mask of clicks, a box and the mask so far; nothing is saved."""
        if self.prompter is None:
            raise BadRequestError('this server makes no masks')
        stem = _text(asked, 'stem')
        view = self.session.view(stem)
        clicks, box = asked.get('clicks', []), asked.get('box')
        previous: Any = asked.get('answer')
        if previous is not None and not isinstance(previous, str):
            raise BadRequestError(f'answer is {previous!r:.40}; expected text')
        if asked.get('runs') is not None:
            previous = masks.decode(mask_of(asked, view.width, view.height))
        if not isinstance(clicks, list) or len(clicks) > MOST_CLICKS:
            raise BadRequestError(f'clicks is {clicks!r:.40}; expected {MOST_CLICKS} at most')
        try:
            found = self.prompter.click(stem, view, clicks, box, previous)
        except (TypeError, ValueError) as error:
            raise BadRequestError(' '.join(str(error).split())) from error
        mask = masks.encode(found.mask)
        return dict(
            answer=found.name, counts=mask['counts'], bbox=masks.bbox(mask), score=found.score,
            seconds=round(found.seconds, 4),
        )  # fmt: skip

    def mask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Give a box the mask that was drawn."""
        stem, box_id = _text(asked, 'stem'), _text(asked, 'box_id')
        image = self.session.record(stem).image
        mask = mask_of(asked, image.width, image.height)
        record = self.session.redraw(stem, box_id, _text(asked, 'mask'), mask, _seconds(asked))
        return self._image(stem, record)

    def add(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Add an object with the mask that was drawn; ``added`` is its box's id."""
        stem, category = _text(asked, 'stem'), _text(asked, 'category')
        image = self.session.record(stem).image
        mask = mask_of(asked, image.width, image.height)
        record, box_id = self.session.add(stem, category, mask, _seconds(asked))
        return self._image(stem, record) | dict(added=box_id)

    def _image(self, stem: str, record: Record) -> dict[str, Any]:
        shown = [box for box in record.boxes if box.status in (*CORRECTABLE, *HAND_STATUSES)]
        return dict(
            stem=stem,
            path=record.image.path,
            width=record.image.width,
            height=record.image.height,
            stale=(record.corrections or {}).get('stale', []),
            boxes=[box_as_json(box) for box in shown],
            progress=self.session.queue.progress(),
        )


def box_as_json(box: BoxEntry) -> dict[str, Any]:
    """Return what the page shows of a box.

    ``counts`` are the text counts of its mask, of the image's size, or None; ``mask`` is what tells
    it from others.
    """
    names = (
        'box_id', 'category', 'status', 'reason', 'score', 'stability', 'coverage', 'leakage',
        'components', 'area', 'polygon', 'prompt_box', 'bbox', 'edited', 'is_added',
    )  # fmt: skip
    facts = {name: getattr(box, name) for name in names}
    counts = box.segmentation['counts'] if box.segmentation else None
    return facts | dict(counts=counts, mask=mask_digest(box), doubt=doubt(box))


def mask_of(asked: dict[str, Any], width: int, height: int) -> dict:
    """Return the mask of a request: ``runs``, column by column, beginning with what is not it."""
    runs = asked.get('runs')
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise BadRequestError(f'runs is {runs!r:.40}; expected a list of run lengths')
    if sum(runs) != width * height:
        raise BadRequestError(f'runs: {sum(runs)} pixels; the image has {width} x {height}')
    return masks.checked(masks.of_runs(runs, height, width))


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f'{name} is {value!r:.40}; expected text')
    return value


def _number(asked: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of a request; those of an address are text."""
    value = asked.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise BadRequestError(f'{name} is {value!r:.40}; expected {least} to {most}')
    return value


def _seconds(asked: dict[str, Any]) -> float | None:
    value = asked.get('seconds')
    if value is not None and (type(value) not in (int, float) or not 0 <= value < 1e9):
        raise BadRequestError(f'seconds is {value!r:.40}; expected 0 or more')
    return value


def _answering(work: Callable[[dict[str, Any]], Any]) -> Callable:
    """Return the endpoint that answers with what ``work`` returns of a request."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response

    async def answer(request: 'Request') -> 'Response':
        try:
            asked = await _asked(request)
            found = await run_in_threadpool(work, asked)
        except SamrsError as error:
            status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 422)
            return JSONResponse(dict(error=str(error)), status)
        except OSError as error:
            line = f'{error.filename}: {error.strerror}' if error.filename else str(error)
            return JSONResponse(dict(error=f'not saved: {line}'), 507)
        if isinstance(found, bytes):
            return Response(found, media_type='image/jpeg')
        return JSONResponse(found)

    return answer


async def _asked(request: 'Request') -> dict[str, Any]:
    """Return what a request asks: of a POST its JSON object, else what follows the address."""
    if request.method != 'POST':
        return dict(request.query_params)
    try:
        asked = await request.json()
    except (ValueError, RecursionError) as error:
        raise BadRequestError('the request is not JSON') from error
    if not isinstance(asked, dict):
        raise BadRequestError(f'the request is {asked!r:.40}; expected a JSON object')
    return asked


def _parts() -> list[str]:
    """Return the names of the page's files."""
    folder = files('samrs_mm.review.server') / 'page'
    return sorted(each.name for each in folder.iterdir() if each.name[0] != '.')


def _page_of(name: str) -> Callable:
    """Return the endpoint of a file of the page, read once."""
    from starlette.responses import Response

    data = (files('samrs_mm.review.server') / 'page' / name).read_bytes()
    kind = _TYPES[name[name.rindex('.') :]]

    async def page(request: 'Request') -> 'Response':
        return Response(data, media_type=kind)

    return page


async def _no_such(request: 'Request', error: Exception) -> 'Response':
    from starlette.responses import JSONResponse

    line = f'{request.method} {request.url.path:.80}: the server has no such thing'
    return JSONResponse(dict(error=line), getattr(error, 'status_code', 404))


async def _too_large(request: 'Request', error: Exception) -> 'Response':
    from starlette.responses import JSONResponse

    return JSONResponse(dict(error='the request is too large'), 413)
