"""Phrases that tell some objects of an image from all others, made by templates.

A phrase is true of the objects that it names and of no other box of the image. Where that is not
sure it is dropped, with the reason: an object lies on the border of what the phrase says
(``ambiguous``), a box has no mask, so that an object may be missing (``unmasked``), a simpler
phrase has the same pixels already (``same``), or there are next to no pixels (``tiny``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.formats.annotated.entries import DEGENERATE, HELD, OUTSIDE, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports import class_words

CATEGORY, ATTRIBUTE, POSITION, RELATION = 'category', 'attribute', 'position', 'relation'
AMBIGUOUS, UNMASKED, SAME, TINY = 'ambiguous', 'unmasked', 'same', 'tiny'

MIN_PIXELS = 16
_GAP = 2.0
"""Small and large objects differ in area so many times as much as the small or the large do."""
_THIRD, _BAND = 1 / 3, 0.04
"""Where left, right, top and bottom begin, in image sides; within the band around it nothing is
sure."""
_INSIDE, _BESIDE = 0.8, 0.2
"""Shares of a mask in another from which it is in it, and up to which it is not."""
_NEAR, _FAR = 0.5, 1.0
"""Distances up to which an object is next to another and from which it is not, in longer sides of
its box."""


@dataclass(frozen=True)
class Phrase:
    """Words for some objects of an image."""

    text: str
    template: str
    """``category``, ``attribute``, ``position`` or ``relation``."""
    boxes: tuple[BoxEntry, ...]
    """The objects that it names; their masks together are its mask."""
    dropped: str = ''
    """Why it is not used; empty where it is."""

    def mask(self) -> dict:
        """Return the pixels that it names, as RLE of the image's size."""
        return masks.union([box.mask for box in self.boxes])


@dataclass(frozen=True)
class _Things:
    """The objects of an image that have one name."""

    name: str
    boxes: list[BoxEntry]
    sure: bool
    """Whether all boxes of that name have masks."""


def phrases_of(record: Record, classes: Sequence[str]) -> list[Phrase]:
    """Return all phrases of an image, simple ones first, with those that are dropped.

    Args:
        record: The image; its kept boxes are spoken of.
        classes: Class names of the dataset.
    """
    names = [class_words.words(name) for name in classes]
    things = _things(record, names)
    size = record.image.width, record.image.height
    found: list[Phrase] = []
    for each in things:
        made = [Phrase(each.name, CATEGORY, tuple(each.boxes)), *_sizes(each, names)]
        made += _positions(each, size)
        found += made if each.sure else [replace(phrase, dropped=UNMASKED) for phrase in made]
    for other in things:
        found += _relations([each for each in things if each is not other], other, size)
    order = CATEGORY, ATTRIBUTE, POSITION, RELATION
    return _distinct(sorted(found, key=lambda phrase: order.index(phrase.template)))


def _distinct(phrases: list[Phrase]) -> list[Phrase]:
    """Drop phrases of too few pixels, and those whose pixels an earlier one has.

    Their boxes are put in label order.
    """
    seen: set[str] = set()
    checked = []
    for phrase in phrases:
        if not phrase.dropped:
            mask = phrase.mask()
            reason = TINY if masks.area(mask) < MIN_PIXELS else ''
            reason = reason or SAME * (mask['counts'] in seen)
            seen.add(mask['counts'])
            phrase = replace(phrase, dropped=reason)
        boxes = sorted(phrase.boxes, key=lambda box: box.id)
        checked.append(replace(phrase, boxes=tuple(boxes)))
    return checked


def _things(record: Record, names: Sequence[str]) -> list[_Things]:
    """Return the objects by name, single classes first, then words for several."""
    named: dict[str, list[BoxEntry]] = {}
    unsure = set()
    for box in record.boxes:
        name = names[box.label]
        if box.status in HELD:
            named.setdefault(name, []).append(box)
        elif box.status not in (OUTSIDE, DEGENERATE):  # there may be an object without a mask
            unsure.add(name)
    found = [
        _Things(name, named[name], name not in unsure)
        for name in sorted(named)
        if class_words.speakable(name)
    ]
    for word, members in class_words.groups_of(names).items():
        boxes = [box for name in sorted(members) for box in named.get(name, ())]
        if boxes:
            found.append(_Things(word, boxes, not members & unsure))
    return found


def _sizes(things: _Things, names: Sequence[str]) -> Iterator[Phrase]:
    """Yield the small and the large ones, where the areas fall into two groups.

    Not where that is the name of a class: large vehicles may be a class of their own.
    """
    boxes = sorted(things.boxes, key=lambda box: box.area)
    taken = any(f'{word} {things.name}' in names for word in ('small', 'large'))
    if len(boxes) < 2 or taken or class_words.is_sized(things.name):
        return
    areas = np.array([max(box.area, 1) for box in boxes], float)
    steps = areas[1:] / areas[:-1]
    cut = int(steps.argmax()) + 1
    within = max(areas[cut - 1] / areas[0], areas[-1] / areas[cut])
    clear = steps[cut - 1] >= _GAP * within
    for word, group in (('small', boxes[:cut]), ('large', boxes[cut:])):
        yield Phrase(
            f'{word} {things.name}', ATTRIBUTE, tuple(group), dropped='' if clear else AMBIGUOUS
        )


def _positions(things: _Things, size: tuple[int, int]) -> Iterator[Phrase]:
    """Yield those at each side and in the middle; centres are those of the masks' boxes."""
    boxes = np.array([box.bbox for box in things.boxes], float) / (*size, *size)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    centres = (low + high) / 2
    sides = {
        'on the left': (centres[:, 0], high[:, 0]),
        'on the right': (1 - centres[:, 0], 1 - low[:, 0]),
        'at the top': (centres[:, 1], high[:, 1]),
        'at the bottom': (1 - centres[:, 1], 1 - low[:, 1]),
    }
    for words, (from_side, reach) in sides.items():
        inside = from_side < _THIRD
        unsure = np.abs(from_side - _THIRD) < _BAND
        unsure |= inside & (reach > 0.5)  # it lies on the other side, too
        yield from _placed(things, words, inside, unsure)
    off = np.abs(centres - 0.5).max(axis=1)
    inside, unsure = off < _THIRD / 2, np.abs(off - _THIRD / 2) < _BAND
    yield from _placed(things, 'in the middle', inside, unsure)


def _placed(
    things: _Things, words: str, inside: np.ndarray, unsure: np.ndarray
) -> Iterator[Phrase]:
    """Yield the phrase of those inside, if there are any; ``(N,)`` bool of the things."""
    if inside.any():
        boxes = tuple(box for box, taken in zip(things.boxes, inside, strict=True) if taken)
        dropped = AMBIGUOUS if unsure.any() else ''
        yield Phrase(f'{things.name} {words}', POSITION, boxes, dropped)


def _relations(many: list[_Things], other: _Things, size: tuple[int, int]) -> list[Phrase]:
    """Return phrases on where things are in regard to others."""
    ours = {id(box) for box in other.boxes}
    many = [each for each in many if ours.isdisjoint(map(id, each.boxes))]
    if not many:
        return []
    pixels = masks.decode(masks.union([box.mask for box in other.boxes]))
    place = class_words.article(other.name, len(other.boxes))
    found = []
    for each in many:
        shares, distances = np.array([_regard(box, other.boxes, pixels) for box in each.boxes]).T
        inside, half = shares >= _INSIDE, (shares > _BESIDE) & (shares < _INSIDE)
        near = ~inside & (distances <= _NEAR)
        close = half | (~inside & (distances > _NEAR) & (distances < _FAR))
        for words, chosen, unsure in (('in', inside, half), ('next to', near, close)):
            for phrase in _placed(each, f'{words} {place}', chosen, unsure):
                dropped = phrase.dropped if each.sure and other.sure else UNMASKED
                found.append(replace(phrase, template=RELATION, dropped=dropped))
    return found


def _regard(box: BoxEntry, others: Sequence[BoxEntry], pixels: np.ndarray) -> tuple[float, float]:
    """Return how a mask lies to the masks of others, whose ``pixels`` are ``(H, W)`` bool.

    Returns:
        The share of the mask in them, and its distance in longer sides of its box, infinite from
        ``_FAR`` on, and where one of them lies in it.
    """
    x, y, mask = masks.crop(box.mask)
    height, width = mask.shape
    side = max(height, width)
    margin = int(_FAR * side) + 1
    top, left = max(y - margin, 0), max(x - margin, 0)
    window = pixels[top : y + height + margin, left : x + width + margin]
    within = np.ix_(range(y - top, y - top + height), range(x - left, x - left + width))
    share = np.count_nonzero(window[within] & mask) / max(int(np.count_nonzero(mask)), 1)
    if share:
        shared = [masks.overlap(box.mask, each.mask)[0] / max(each.area, 1) for each in others]
        return share, np.inf if max(shared) > _BESIDE else 0.0
    if not window.any():
        return 0.0, np.inf
    away = cv2.distanceTransform((~window).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = float(away[within][mask].min()) / side
    return share, distance if distance < _FAR else np.inf
