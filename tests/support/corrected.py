"""Corrections of annotated folders, as a person's tool would write them."""

import numpy as np

from samrs_mm.core import masks
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections, action_of, added, undo_of

WHO = dict(by='ann', when='2026-01-02T03:04:05+00:00')


def square(height: int, width: int, x: int = 3, y: int = 2, side: int = 9) -> dict:
    """Return a square mask of an image."""
    mask = np.zeros((height, width), bool)
    mask[y : y + side, x : x + side] = True
    return masks.encode(mask)


def correct_some(out: AnnotatedFolder, stem: str = 'P0000') -> Corrections:
    """Write a file of corrections: a mask, a class, a rejection and an object more."""
    record = Record.load(out.path(folder.INSTANCES, stem))
    mask = square(record.image.height, record.image.width)
    first, second, third, *_ = record.boxes
    found = Corrections.of(stem, record.image)
    found.add(action_of(first, 'mask', mask, seconds=4, **WHO))
    found.add(action_of(second, 'class', 'ship', seconds=1.5, **WHO))
    found.add(action_of(third, 'reject', **WHO))
    found.add(added('plane', mask, **WHO))
    found.write(out.corrections(stem))
    return found


def undo_all(out: AnnotatedFolder, stem: str = 'P0000') -> None:
    """Take back all that stands."""
    found = Corrections.load(out.corrections(stem))
    for action in found.standing:
        found.add(undo_of(action, **WHO))
    found.write(out.corrections(stem))
