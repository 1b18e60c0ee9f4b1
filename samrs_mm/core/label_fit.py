"""Whether labels are for the picture that lies beside them: its size, and its EXIF orientation.

Pixels are those stored everywhere in this package. What fits a picture only after scaling or
turning is named, and scaled or turned only where the user asked for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks as mask_ops
from samrs_mm.core import segmentations
from samrs_mm.core.boxes import MISFIT, BoxLabel, LabelProblem, ParsedLabels, rotated_corners
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import image_header
from samrs_mm.core.wording import counted, plural

CHECK, RESCALE, STRETCH, IGNORE = 'check', 'rescale', 'stretch', 'ignore'
STORED, TURNED = 'stored', 'turned'

_SWAPS_SIDES = 5
_SLACK = 1.0
"""Pixels by which a side may differ after scaling, and a box may stick out: rounding."""

_SOME = 2
"""A single box outside is a slip; more, if they are most, are those of another picture."""

SIZES, TURNS = (CHECK, RESCALE, STRETCH, IGNORE), (CHECK, STORED, TURNED)

CURES = f'--label-size {RESCALE}', f'--exif {TURNED}'
"""The flags that a message names where labels fit only scaled, and where they fit only turned."""

Mapping = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FitRule:
    """What is done with labels that are for a picture of another size or turn.

    Args:
        size: ``'check'`` names them, ``'rescale'`` scales their boxes to the picture if it has the
            same shape, ``'stretch'`` also to one of another shape, ``'ignore'`` takes no notice of
            the size that the labels state.
        exif: ``'check'`` names them, ``'turned'`` turns boxes that were made on the picture as EXIF
            turns it, ``'stored'`` takes all boxes as made on the stored pixels.

    Raises:
        RefusedError: Another word.
    """

    size: str = CHECK
    exif: str = CHECK

    @classmethod
    def from_config(cls, entry: dict[str, Any] | None) -> 'FitRule':
        """Build from a config's ``label_fit``; None is the default.

        Raises:
            RefusedError: An unknown key or word.
        """
        if not isinstance(entry, dict | None) or set(entry or {}) - {'size', 'exif'}:
            raise RefusedError(
                f"label_fit={entry!r}; allowed: None or dict(size='{CHECK}', exif='{CHECK}')"
            )
        return cls(**(entry or {}))

    @property
    def beyond_check(self) -> dict[str, str]:
        """What was asked for, by flag: its words but for ``'check'``."""
        words = {'--label-size': self.size, '--exif': self.exif}
        return {flag: word for flag, word in words.items() if word != CHECK}

    def __post_init__(self) -> None:
        for key, allowed in (('size', SIZES), ('exif', TURNS)):
            if getattr(self, key) not in allowed:
                raise RefusedError(
                    f'label_fit.{key}={getattr(self, key)!r}; allowed: {", ".join(allowed)}'
                )


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says: sides as stored, in pixels, and EXIF's orientation, 1 to 8."""

    width: int
    height: int
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height of the stored pixels."""
        return self.width, self.height

    @property
    def turned(self) -> tuple[int, int]:
        """Width and height as a viewer shows the picture."""
        swapped = self.orientation >= _SWAPS_SIDES
        return (self.height, self.width) if swapped else self.stored


def read_header(path: Path) -> Header:
    """Read an image's size and EXIF orientation; its pixels are left alone.

    Raises:
        ImageReadError: Missing, empty or unknown file.
    """
    return Header(*image_header(path))


def fitted(labels: ParsedLabels, header: Header, rule: FitRule) -> ParsedLabels:
    """Return the labels of a picture in its stored pixels.

    Labels that fit are returned as they are. Boxes that were scaled or turned have a note that says
    so; those that would have to be, but must not, become problems of status ``misfit``, and
    ``misfit`` says why.
    """
    steps, reason, note = _decide(labels, header, rule)
    if reason:
        return _refused(labels, reason)
    if steps:
        boxes = [_moved(box, steps) for box in labels.boxes]
        labels = replace(labels, boxes=boxes)
    if note:
        labels = replace(labels, notes=[*labels.notes, note])
    if rule.size == IGNORE:
        return labels
    reason, note = _elsewhere(labels.boxes, header)
    if reason:
        return _refused(labels, reason)
    return replace(labels, notes=[*labels.notes, note]) if note else labels


def _decide(labels: ParsedLabels, header: Header, rule: FitRule) -> tuple[list[Mapping], str, str]:
    """Return what is done to the boxes, why they don't fit, and what is noted."""
    stated = labels.size if rule.size != IGNORE else None
    if stated is None:
        return _by_boxes(labels.boxes, header, rule)
    exact = [size for size in (header.stored, header.turned) if size == stated]
    fits_stored, fits_turned = (
        _scale(stated, size) if size in (exact or (size,)) else None
        for size in (header.stored, header.turned)
    )
    if fits_stored is None and fits_turned is None:
        if rule.size != STRETCH:
            return [], _other_shape(stated, header), ''
        fits_stored, fits_turned = _ratio(stated, header.stored), _ratio(stated, header.turned)
    turn = header.orientation != 1 and fits_turned is not None
    if turn and fits_stored is not None:
        turn = rule.exif == TURNED
    elif turn and rule.exif != TURNED:
        if rule.exif == STORED and stated == header.turned:
            return [], '', ''
        return [], _only_turned(stated, header), ''
    scale = fits_turned if turn else fits_stored
    assert scale is not None
    steps: list[Mapping] = []
    notes = []
    if scale != (1, 1):
        if rule.size not in (RESCALE, STRETCH):
            return [], _only_scaled(stated, header, turn), ''
        steps.append(lambda points: points * scale)
        notes.append(f'boxes scaled from {_px(stated)}, which the labels state')
    if turn:
        steps.append(turn_of(header))
        notes.append(f'boxes turned into stored pixels (EXIF orientation {header.orientation})')
    elif header.orientation != 1 and fits_turned is not None and rule.exif == CHECK:
        notes.append(_unsure(header))
    return steps, '', '; '.join(notes)


def _by_boxes(
    boxes: list[BoxLabel], header: Header, rule: FitRule
) -> tuple[list[Mapping], str, str]:
    """Decide where no size is stated: only an orientation can be looked at."""
    if header.orientation == 1 or rule.exif == STORED or not boxes:
        return [], '', ''
    if rule.exif == TURNED:
        note = f'boxes turned into stored pixels (EXIF orientation {header.orientation})'
        return [turn_of(header)], '', note
    far = np.nanmax([_corners(box).max(axis=0) for box in boxes], axis=0, initial=0)
    if (far > np.add(header.stored, _SLACK)).any() and (far <= np.add(header.turned, _SLACK)).all():
        return [], _only_turned((round(far[0]), round(far[1])), header, 'reach to'), ''
    return [], '', _unsure(header)


def turn_of(header: Header) -> Mapping:
    """Return what takes points ``(..., 2)`` of the picture as EXIF turns it to stored pixels."""
    width, height = header.stored

    def turn(points: np.ndarray) -> np.ndarray:
        x, y = points[..., 0], points[..., 1]
        if header.orientation >= _SWAPS_SIDES:
            x, y = y, x
        if header.orientation in (2, 3, 7, 8):
            x = width - x
        if header.orientation in (3, 4, 6, 7):
            y = height - y
        return np.stack([x, y], axis=-1)

    return turn


def _ratio(stated: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    return size[0] / stated[0], size[1] / stated[1]


def _scale(stated: tuple[int, int], size: tuple[int, int]) -> tuple[float, float] | None:
    """Return by how much x and y grow from one size to another; None if its shape is another."""
    if stated == size:
        return 1, 1
    x, y = _ratio(stated, size)
    if x <= 1:  # the picture is the smaller one: its sides are rounded
        same = abs(stated[1] * x - size[1]) <= _SLACK or abs(stated[0] * y - size[0]) <= _SLACK
    else:
        same = abs(size[1] / x - stated[1]) <= _SLACK or abs(size[0] / y - stated[0]) <= _SLACK
    return (x, y) if same else None


def _corners(box: BoxLabel) -> np.ndarray:
    """Return points ``(K, 2)`` that hold a box."""
    if box.polygon is not None:
        return box.polygon
    if box.hbox is not None:
        return box.hbox.reshape(2, 2)
    assert box.rotated is not None
    return rotated_corners(box.rotated[None])[0]


def _moved(box: BoxLabel, steps: Sequence[Mapping]) -> BoxLabel:
    polygon = box.polygon
    if polygon is None and box.rotated is not None:
        polygon = rotated_corners(box.rotated[None])[0]
    hbox = None if box.hbox is None else box.hbox.reshape(2, 2)
    for step in steps:
        polygon = None if polygon is None else step(polygon)
        hbox = None if hbox is None else step(hbox)
    if hbox is not None:
        hbox = np.concatenate([hbox.min(axis=0), hbox.max(axis=0)])
    region, notes = box.region, box.notes
    if isinstance(region, list):
        region = [_moved_ring(ring, steps) for ring in region]
    elif region is not None:
        region, notes = None, (*notes, 'its pixels are run lengths, which are not scaled or turned')
    return replace(box, hbox=hbox, polygon=polygon, rotated=None, region=region, notes=notes)


def fitted_masks(
    masks: dict[str, Any], labels: ParsedLabels, header: Header, rule: FitRule
) -> dict[str, Any]:
    """Return masks as labels have them in the picture's stored pixels, as ``fitted`` has boxes.

    Args:
        masks: COCO polygons or RLE by box id.
        labels: The labels as they are written.
        header: Of the picture.
        rule: What is done with labels that do not fit.

    Raises:
        MaskError: RLE that would have to be scaled, or is no mask.
    """
    steps, _, _ = _decide(labels, header, rule)
    if not steps:
        return masks
    return {
        box_id: [_moved_ring(ring, steps) for ring in mask]
        if isinstance(mask, list)
        else _turned_pixels(mask, steps, header)
        for box_id, mask in masks.items()
    }


def _turned_pixels(mask: Any, steps: Sequence[Mapping], header: Header) -> dict | None:
    """Return RLE of the picture as EXIF turns it in stored pixels."""
    width, height = header.turned
    coded = segmentations.from_coco(mask, height, width)
    if coded is None:
        return None
    corner, side = _stepped(np.array([[0.0, 0], [1, 0]]), steps)
    if np.abs(side - corner).sum() != 1:
        raise mask_ops.MaskError('run lengths are not scaled')
    rows, columns = np.nonzero(mask_ops.decode(coded))
    x, y = np.floor(_stepped(np.stack([columns, rows], axis=1) + 0.5, steps)).astype(int).T
    whole = np.zeros((header.height, header.width), bool)
    whole[y, x] = True
    return mask_ops.encode(whole)


def _moved_ring(ring: list, steps: Sequence[Mapping]) -> list:
    return _stepped(np.array(ring, float).reshape(-1, 2), steps).ravel().tolist()


def _stepped(points: np.ndarray, steps: Sequence[Mapping]) -> np.ndarray:
    for step in steps:
        points = step(points)
    return points


def _elsewhere(boxes: list[BoxLabel], header: Header) -> tuple[str, str]:
    """Return why boxes can't be this picture's, and what is noted of them.

    They can't where the centres of most of them lie outside, or all numbers are fractions.
    """
    if not boxes:
        return '', ''
    corners = [_corners(box) for box in boxes]
    low = np.array([points.min(axis=0) for points in corners])
    high = np.array([points.max(axis=0) for points in corners])
    if (low >= 0).all() and 0 < high.max() <= 1:
        return 'all its numbers are within 0..1: fractions of width and height? It takes pixels', ''
    with np.errstate(invalid='ignore'):  # a box from minus infinity to infinity has no centre
        centres = (low + high) / 2
    outside = ((centres < 0) | (centres > header.stored)).any(axis=1).sum()
    if not outside:
        return '', ''
    far = np.nanmax(high, axis=0)
    text = (
        f'{outside} of {counted(len(boxes), "box")} {plural(outside, "lies", "lie")} '
        f'outside the picture: they reach to x {far[0]:g}, '
        f'y {far[1]:g}, it has {_px(header.stored)}'
    )
    if outside < _SOME or 2 * outside <= len(boxes):
        return '', text
    cure = (
        '; labels and picture do not belong together (--label-size ignore takes what lies inside)'
    )
    return text + cure, ''


def _refused(labels: ParsedLabels, reason: str) -> ParsedLabels:
    problems = [LabelProblem(box.box_id, reason, MISFIT) for box in labels.boxes]
    return replace(
        labels,
        boxes=[],
        problems=[*labels.problems, *problems],
        notes=[*labels.notes, f'none of its boxes is taken: {reason}'],
        misfit=reason,
    )


def _px(size: tuple[int, int]) -> str:
    return f'{size[0]} x {size[1]} px'


def _unsure(header: Header) -> str:
    return (
        f'EXIF orientation {header.orientation} is not applied: boxes are taken in stored pixels '
        '(--exif turned turns them, --exif stored says that this is right)'
    )


def _only_turned(found: tuple[int, int], header: Header, verb: str = 'are for') -> str:
    return (
        f'the labels {verb} {_px(found)}, the picture has {_px(header.stored)} as stored and '
        f'{_px(header.turned)} after EXIF orientation {header.orientation}: they fit only turned; '
        f'{CURES[1]} turns them into stored pixels'
    )


def _only_scaled(stated: tuple[int, int], header: Header, turned: bool) -> str:
    size = header.turned if turned else header.stored
    return (
        f'the labels are for {_px(stated)}, the picture has {_px(size)}: they fit only scaled; '
        f'{CURES[0]} scales them, ignore takes them as they stand'
    )


def _other_shape(stated: tuple[int, int], header: Header) -> str:
    swapped = ': width and height look exchanged' if stated == header.stored[::-1] else ''
    return (
        f'the labels are for {_px(stated)}, the picture has {_px(header.stored)}{swapped}; mend '
        f'the labels, or use --label-size {IGNORE} if only the size in them is wrong, {STRETCH} if '
        'the picture was squashed into this shape'
    )
