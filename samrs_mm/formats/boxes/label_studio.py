"""Label Studio's exports JSON and JSON-MIN: all tasks of a project in one file."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.boxes import BadBoxError, BoxLabel, stated_size
from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.boxes.brush_runs import brush_mask
from samrs_mm.formats.boxes.shapes import ImageShapes, number, pairs, polygon, short, text_label

_SUFFIX = 'labels'
_KEYS = ('rectanglelabels', 'ellipselabels', 'polygonlabels', 'brushlabels')
_REGION = ('x', 'points', 'rle')
_META = ('id', 'annotator', 'annotation_id', 'created_at', 'updated_at', 'lead_time')

Form = tuple[dict[str, Any], Any]
"""Arguments of ``BoxLabel``, and the true mask or None."""


def parse_label_studio(data: bytes, file: str) -> list[ImageShapes]:
    """Read an export, called ``file`` in box ids ``FILE:TASK/RESULT`` (ids, or numbers from 0).

    Numbers are in percent of the image's width and height. ``rectanglelabels`` give an H-Box, with
    ``rotation`` (degrees, clockwise, about the corner) an R-Box, ``ellipselabels`` likewise,
    ``polygonlabels`` and ``brushlabels`` an H-Box and a true mask. Of several annotations of a task
    the one that is called ground truth is taken, else the latest; cancelled ones and predictions
    are not.

    Raises:
        LabelReadError: No JSON, or no list of tasks.
    """
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = 'nested too deeply' if isinstance(error, RecursionError) else error
        raise LabelReadError(f'{file}: no JSON: {reason}') from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise LabelReadError(f'{file}: is no list of tasks; choose Export > JSON in Label Studio')
    found: dict[str, ImageShapes] = {}
    taken: Counter[str] = Counter()
    for row, task in enumerate(tasks):
        name = image_name(_address(task, f'{file}:[{row}]'))
        image = found.setdefault(name, ImageShapes(name))
        _read_task(task, f'{file}:{_name(task, row)}', image, taken)
    return list(found.values())


def image_name(address: str) -> str:
    """Return the path of an image in an address, as far as it says it.

    Example:
        >>> image_name('/data/local-files/?d=set/a%20b.png'), image_name('s3://bucket/set/a.png')
        ('set/a b.png', 'set/a.png')
    """
    address = address.replace('\\', '/')
    if '://' not in address and not address.startswith('/data/'):
        return address
    try:
        parts = urlsplit(address)
        inner = parse_qs(parts.query).get('d') or parse_qs(parts.query).get('fileuri') or ['']
    except ValueError:
        return address
    return unquote(inner[0] or parts.path).removeprefix('/data/upload/').lstrip('/') or address


def _address(task: dict[str, Any], place: str) -> str:
    """Return the address of a task's image."""
    fields = task['data'] if isinstance(task.get('data'), dict) else task
    texts = {key: value for key, value in fields.items() if isinstance(value, str)}
    for key in ('image', 'img', 'url', *(key for key in texts if key not in _META)):
        if texts.get(key):
            return texts[key]
    raise LabelReadError(f'{place}: the task has no image in its data')


def _name(entry: Any, row: int) -> int | str:
    """Return the id of a task or result, or its number where it has none that can be shown."""
    name = entry.get('id') if isinstance(entry, dict) else None
    if isinstance(name, int) or (isinstance(name, str) and name and name.isprintable()):
        return name
    return row


def _read_task(task: dict[str, Any], place: str, image: ImageShapes, taken: Counter[str]) -> None:
    """Read the results of a task into its image; ``taken`` counts the box ids of the file."""
    results, notes = _results(task)
    image.labels.notes += [f'{place}: {note}' for note in notes]
    labelled = {_name(each, -1) for each in results if isinstance(each, dict) and _labelled(each)}
    for row, result in enumerate(results):
        name = _name(result, row)
        if isinstance(result, dict) and 'id' in result and not _labelled(result):
            if name in labelled:
                continue  # the same region, whose label stands in another result
        box_id = f'{place}/{name}'
        taken[box_id] += 1
        box_id += f'.{taken[box_id]}' * (taken[box_id] > 1)
        try:
            found = _box(box_id, result, image)
        except BadBoxError as error:
            image.labels.add_problem(box_id, str(error))
            continue
        if found is not None:
            image.add(*found)


def _labelled(result: dict[str, Any]) -> bool:
    value = result.get('value', result)
    return isinstance(value, dict) and any(key.endswith(_SUFFIX) for key in value)


def _results(task: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """Return the results of the annotation that counts, and notes."""
    if not isinstance(task.get('annotations'), list):  # JSON-MIN
        lists = [value for key, value in task.items() if isinstance(value, list)
                 and any(isinstance(each, dict) for each in value)]  # fmt: skip
        return [each for value in lists for each in value], []
    done = [
        each
        for each in task['annotations']
        if isinstance(each, dict) and not each.get('was_cancelled')
    ]
    if not done:
        why = 'all annotations cancelled' if task['annotations'] else 'not annotated'
        predicted = '; predictions are not taken' if task.get('predictions') else ''
        return [], [f'{why}, taken as an image without boxes{predicted}']
    chosen = max(done, key=_rank)
    notes = []
    if len(done) > 1:
        what = 'the ground truth' if chosen.get('ground_truth') is True else 'the latest'
        notes.append(f'{len(done)} annotations; {chosen.get("id")}, {what}, is taken')
    results = chosen.get('result')
    return (results if isinstance(results, list) else []), notes


def _rank(annotation: dict[str, Any]) -> tuple[bool, str]:
    date = annotation.get('updated_at') or annotation.get('created_at') or ''
    return annotation.get('ground_truth') is True, str(date)


def _box(box_id: str, result: Any, image: ImageShapes) -> tuple[BoxLabel, Any] | None:
    """Return the box of a result, and its true mask or None; None of what is no region."""
    if not isinstance(result, dict):
        raise BadBoxError(f'{short(result)} is no result')
    value = result.get('value', result)
    if not isinstance(value, dict):
        raise BadBoxError(f'value is {short(value)}')
    kind = next((key for key in value if key.endswith(_SUFFIX)), None)
    if kind is None:
        if any(key in value for key in _REGION):
            raise BadBoxError('a region without a label')
        return None
    size = stated_size(result.get('original_width'), result.get('original_height'))
    if size is None:
        raise BadBoxError('original_width or original_height is missing; numbers are in percent')
    image.labels.size = image.labels.size or size
    if image.labels.size != size:
        raise BadBoxError(f'is of {size[0]} x {size[1]} px, another of {image.labels.size}')
    if turn := number(result.get('image_rotation') or 0, 'image_rotation') % 360:
        raise BadBoxError(f'image_rotation is {turn:g}; boxes of turned pictures are not read')
    names = value.get(kind)
    label, *others = names if isinstance(names, list) and names else [None]
    notes = (f'has the labels {short(names)}; the first is taken',) * bool(others)
    reader = _READERS.get(_form_of(value) if kind == 'labels' else kind)
    if reader is None:
        raise BadBoxError(f'{kind} are no boxes; read are {", ".join(_KEYS)}')
    form, truth = reader(value, size)
    return BoxLabel(box_id, text_label(label, kind), notes=notes, **form), truth


def _form_of(value: dict[str, Any]) -> str:
    """Return what a region is whose label was given by a tag of its own."""
    if 'points' in value:
        return 'polygonlabels'
    if 'rle' in value:
        return 'brushlabels'
    return 'ellipselabels' if 'radiusX' in value else 'rectanglelabels'


def _rectangle(value: dict[str, Any], size: tuple[int, int]) -> Form:
    x, y, width, height = _pixels(value, size, ('x', 'y', 'width', 'height'))
    return _about((x, y), (0, 0, width, height), value), None


def _ellipse(value: dict[str, Any], size: tuple[int, int]) -> Form:
    x, y, rx, ry = _pixels(value, size, ('x', 'y', 'radiusX', 'radiusY'))
    return _about((x, y), (-rx, -ry, rx, ry), value), None


def _pixels(value: dict[str, Any], size: tuple[int, int], keys: tuple[str, ...]) -> Iterator[float]:
    for key, side in zip(keys, (*size, *size), strict=True):
        yield number(value.get(key), key) * side / 100


def _about(
    pivot: tuple[float, float], sides: tuple[float, float, float, float], value: dict[str, Any]
) -> dict[str, Any]:
    """Return a box that is turned about a point, from which its sides are counted."""
    x0, y0, x1, y1 = sides
    degrees = number(value.get('rotation') or 0, 'rotation') % 360
    if not degrees:
        return dict(hbox=np.add(sides, (*pivot, *pivot)))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return dict(polygon=corners @ np.array([[cos, sin], [-sin, cos]]) + pivot)


def _polygon(value: dict[str, Any], size: tuple[int, int]) -> Form:
    hbox, truth = polygon(pairs(value.get('points')) * size / 100)
    return dict(hbox=hbox), truth


def _brush(value: dict[str, Any], size: tuple[int, int]) -> Form:
    if value.get('format', 'rle') != 'rle':
        raise BadBoxError(f'format is {short(value["format"])}; allowed: "rle"')
    inside = brush_mask(value.get('rle'), *size)
    if not inside.any():
        raise BadBoxError('a mask without a pixel')
    coded = masks.encode(inside)
    x, y, width, height = masks.bbox(coded)
    return dict(hbox=np.array([x, y, x + width, y + height], float)), coded


_READERS: dict[str, Callable[[dict[str, Any], tuple[int, int]], Form]] = dict(
    rectanglelabels=_rectangle, ellipselabels=_ellipse, polygonlabels=_polygon, brushlabels=_brush
)
