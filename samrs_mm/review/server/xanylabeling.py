"""X-AnyLabeling's remote server: its users draw with our segmentors.

X-AnyLabeling 4 asks ``GET /v1/models`` once, and ``POST /v1/predict`` with a picture and all marks
on one object; see its ``remote_server.py``. The picture need not be one of the folder under review.
"""

import base64
import hashlib
import io
import threading
from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from PIL import Image

from samrs_mm.core import masks
from samrs_mm.core.errors import SamrsError
from samrs_mm.formats.exports.outlines import outline
from samrs_mm.review.server.prompting import Prompter

LABEL = 'AUTOLABEL_OBJECT'
"""Of shapes whose class the user has yet to give."""

MOST_PIXELS = 1 << 26
MOST_MARKS = 1000

_FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP')
_HELD = 3
_FINENESS = 0.001
_WIDGETS = (
    'button_add_point', 'button_remove_point', 'button_add_rect', 'button_clear',
    'button_finish_object', 'mask_fineness_slider', 'mask_fineness_value_label',
)  # fmt: skip


class PredictError(SamrsError):
    """A request that can't be answered."""


class SentPicture:
    """A picture that came with a request, ``(H, W, 3)`` uint8 RGB; see ``Prompter.click``."""

    def __init__(self, pixels: np.ndarray):
        self._pixels = pixels

    def pixels(self) -> np.ndarray:
        """Return it."""
        return self._pixels

    def valid(self) -> None:
        """All of its pixels have data."""


class RemoteServer:
    """Answers X-AnyLabeling.

    Args:
        prompter: What makes the masks.
    """

    def __init__(self, prompter: Prompter):
        self.prompter = prompter
        self._pictures: OrderedDict[str, SentPicture] = OrderedDict()
        self._lock = threading.Lock()

    def models(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what can be chosen: the one segmentor of this server."""
        about = dict(
            display_name=f'samrs_mm: {self.prompter.name}',
            widgets=[dict(name=name) for name in _WIDGETS],
            batch_processing_mode=None,
        )
        return dict(success=True, data={self.prompter.name: about})

    def predict(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the shapes of one object; none without marks.

        Raises:
            PredictError: Another model, no picture, or marks that can't be.
            SamrsError: As ``Prompter.click``.
        """
        if asked.get('model') != self.prompter.name:
            raise PredictError(f'model {asked.get("model")!r:.60}: here is {self.prompter.name!r}')
        params = asked.get('params') or {}
        if not isinstance(params, dict):
            raise PredictError(f'params is {params!r:.40}; expected an object')
        if params.get('text_prompt'):
            raise PredictError(f'{self.prompter.name} takes points and boxes, no text')
        clicks, box = _marked(params.get('marks') or [])
        shapes: list[dict[str, Any]] = []
        if clicks or box:
            name, picture = self._picture(asked.get('image'))
            try:
                found = self.prompter.click(name, picture, clicks, box)
            except (TypeError, ValueError) as error:
                raise PredictError(' '.join(str(error).split())) from error
            shapes = shapes_of(found.mask, found.score, _fineness(params))
        return dict(success=True, data=dict(shapes=shapes, description='', replace=False))

    def _picture(self, uri: Any) -> tuple[str, SentPicture]:
        """Return the picture of a ``data:`` URI and its name; the last ones are kept."""
        if not isinstance(uri, str) or not uri.startswith('data:image/'):
            raise PredictError(f'image is {uri!r:.40}; expected data:image/...;base64,...')
        name = f'sent-{hashlib.sha256(uri.encode()).hexdigest()[:16]}'
        with self._lock:
            found = self._pictures.pop(name, None) or SentPicture(_decoded(uri))
            self._pictures[name] = found
            while len(self._pictures) > _HELD:
                self._pictures.popitem(last=False)
        return name, found


def _decoded(uri: str) -> np.ndarray:
    """Return a picture ``(H, W, 3)`` uint8 RGB, in stored pixels."""
    try:
        data = base64.b64decode(uri.partition(',')[2], validate=True)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PredictError(
                    f'image of {image.width} x {image.height} px; at most {MOST_PIXELS} pixels'
                )
            return np.asarray(image.convert('RGB'))
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise PredictError(f'image: cannot read it: {" ".join(str(error).split())}') from error


def _marked(marks: Any) -> tuple[list[list[float]], list[float] | None]:
    """Return clicks ``[x, y, 1 or 0]`` and a box ``[x0, y0, x1, y1]`` of marks on one object.

    Of several rectangles it is the box around all; one beside the object is a click on its middle.
    """
    if not isinstance(marks, list) or len(marks) > MOST_MARKS:
        raise PredictError(f'marks is {marks!r:.40}; expected a list of at most {MOST_MARKS}')
    clicks: list[list[float]] = []
    corners: list[list[float]] = []
    for number, mark in enumerate(marks):
        kind, data, label = _fields(mark, f'marks[{number}]')
        if kind == 'point':
            clicks.append([*data, label])
        elif label:
            corners += [data[:2], data[2:]]
        else:
            clicks.append([(data[0] + data[2]) / 2, (data[1] + data[3]) / 2, 0])
    if not corners:
        return clicks, None
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    return clicks, [*low.tolist(), *high.tolist()]


def _fields(mark: Any, place: str) -> tuple[str, list[float], int]:
    """Return the type, the numbers and the label, 1 or 0, of a mark."""
    sizes = dict(point=2, rectangle=4)
    kind = mark.get('type') if isinstance(mark, dict) else None
    if kind not in sizes:
        raise PredictError(f'{place} is {mark!r:.60}; expected a point or a rectangle')
    data, label = mark.get('data'), mark.get('label', 1)
    numbers = isinstance(data, list) and all(type(value) in (int, float) for value in data)
    if not numbers or len(data) != sizes[kind] or label not in (0, 1):
        raise PredictError(f'{place} is {mark!r:.60}; expected {sizes[kind]} numbers, label 0 or 1')
    return kind, [float(value) for value in data], int(label)


def _fineness(params: dict[str, Any]) -> float:
    """Return by how much polygons may be simplified, as a share of their length."""
    value = params.get('epsilon_factor', _FINENESS)
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise PredictError(f'epsilon_factor is {value!r:.40}; expected 0 to 1')
    return float(value)


def shapes_of(mask: np.ndarray, score: float | None, fineness: float) -> list[dict[str, Any]]:
    """Return a mask ``(H, W)`` bool as polygons, the largest part first; holes are filled.

    Args:
        mask: The mask.
        score: Predicted IoU, or None.
        fineness: Points may be left out that are no farther from the line than this share of the
            polygon's length; 0 keeps all, along the edges of pixels.
    """
    if not mask.any():
        return []
    shapes = []
    for ring in outline(masks.encode(mask)).parts:
        points: np.ndarray = ring.astype(np.float32)
        if fineness:
            length = cv2.arcLength(points[:, None], closed=True)
            simple = cv2.approxPolyDP(points[:, None], fineness * length, closed=True)[:, 0]
            points = simple if len(simple) > 2 else points
        shapes.append(
            dict(
                label=LABEL, shape_type='polygon', points=points.tolist(), score=score,
                group_id=None,
            )
        )  # fmt: skip
    return shapes
