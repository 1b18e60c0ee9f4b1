"""The part of a mask's logits that matters, scaled up to the image on the CPU.

Bilinear values lie between those that they are made of, so a mask, and all that its stability
counts, lies around the few logits above the stability's lower limit. The rest isn't scaled up.
"""

from typing import NamedTuple

import numpy as np
import torch

from samrs_mm.models.prompt_segmentors.bilinear import ROUNDING, Range, Ranges, Resize
from samrs_mm.models.prompt_segmentors.frame import Frame

OFFSET = 1.0
"""Of the stability's two limits from the threshold, as AMG has it."""


class LogitWindow(NamedTuple):
    """Logits ``(h, w)`` float32 of the image from row y and column x on.

    Beside it, all are below the stability's lower limit.
    """

    logits: np.ndarray
    y: int
    x: int

    def mask(self, threshold: float) -> np.ndarray:
        """Return where logits exceed the threshold, ``(h, w)`` bool, in Fortran order."""
        return np.ascontiguousarray((self.logits > threshold).T).T

    def stability(self, threshold: float) -> np.float32:
        """Return the score as AMG rounds it; 0 without a pixel."""
        smaller = np.count_nonzero(self.logits > threshold + OFFSET)
        larger = np.count_nonzero(self.logits > threshold - OFFSET)
        return np.float32(smaller) / np.float32(max(larger, 1))


def logit_window(low_res: torch.Tensor, frame: Frame, threshold: float) -> LogitWindow:
    """Scale up the part of logits ``(S / 4, S / 4)`` that a mask and its stability depend on.

    Which of the values exceed the threshold and the two limits is as with ``frame.scale_up``.
    """
    lowest = threshold - OFFSET
    above = low_res.numpy() > lowest - ROUNDING * max(1.0, abs(lowest))
    rows, columns = above.any(axis=1), above.any(axis=0)
    nothing = LogitWindow(np.zeros((0, 0), np.float32), 0, 0)
    if not rows.any():
        return nothing
    resizes = frame.resizes(len(rows))
    ranges = _ranges(resizes, ends(rows), ends(columns))
    if ranges is None:
        return nothing
    found = _scale_up(low_res, resizes, ranges, threshold)
    if found is None:
        found = frame.scale_up(low_res[None])[0].numpy()
        return LogitWindow(found, 0, 0)
    (top, _), (left, _) = ranges[-1]
    return LogitWindow(found, top, left)


def ends(found: np.ndarray) -> Range:
    """Return the range from the first True to the last; 0, 0 if there is none."""
    if not found.any():
        return 0, 0
    return int(found.argmax()), len(found) - int(found[::-1].argmax())


def _ranges(resizes: list[Resize], rows: Range, columns: Range) -> list[Ranges] | None:
    """Return rows and columns before each resize and after the last that some logits need.

    None if they lie beyond the image.
    """
    for resize in resizes:
        rows, columns = resize.rows.outputs(rows), resize.columns.outputs(columns)
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return None
    ranges = [(rows, columns)]
    for resize in reversed(resizes):
        rows, columns = ranges[0]
        ranges.insert(0, (resize.rows.inputs(rows), resize.columns.inputs(columns)))
    return ranges


def _scale_up(
    low_res: torch.Tensor, resizes: list[Resize], ranges: list[Ranges], threshold: float
) -> np.ndarray | None:
    """Return the logits of the last ranges; None where rounding can't be told."""
    *earlier, last = resizes
    if not last.known or not all(resize.exact for resize in earlier):
        return None
    (top, bottom), (left, right) = ranges[0]
    part = low_res[top:bottom, left:right]
    for resize, given, wanted in zip(earlier, ranges[:-2], ranges[1:-1], strict=True):
        part = resize.part(part, given, wanted)
    found = last.part(part, *ranges[-2:]).numpy()
    if last.exact:
        return found
    near = _near_limits(found, threshold, ROUNDING * float(part.abs().max()))
    if len(near[0]):
        (top, _), (left, _) = ranges[-1]
        values = last.places(part.numpy(), ranges[-2], near[0] + top, near[1] + left)
        if values is None:
            return None
        found[near] = values
    return found


def _near_limits(
    logits: np.ndarray, threshold: float, doubt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of what is as close to a limit as the doubt."""
    distance = np.abs(logits - np.float32(threshold))
    doubt += 2 * ROUNDING * (1 + abs(threshold))  # of the distances themselves
    return np.nonzero((distance <= doubt) | (np.abs(distance - np.float32(OFFSET)) <= doubt))
