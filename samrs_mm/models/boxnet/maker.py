"""Masks of objects in a picture, by the network: crops in, windows of the picture out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
import torch

from samrs_mm.core.crop_frame import CropFrame
from samrs_mm.core.crop_sample import CropSample
from samrs_mm.core.errors import SegmentorError
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.finer import SHRUNK_FROM, look_again
from samrs_mm.models.boxnet.inputs import CHANNELS, network_input
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import WeightsInfo

BATCH = 4
"""Crops of a pass. A pass is filled up, for rounding follows its size; more gain nothing."""

LEAST_PART = 0.2
"""Parts of a mask that are smaller than this share of the largest are dropped."""

_HELD = 2
"""Pieces of work that are held for each thread."""

_STABLE = 1.0
_PIXELS_AT_ONCE = 1 << 24
_Item = TypeVar('_Item')
_Made = TypeVar('_Made')


@dataclass(frozen=True)
class ObjectMask:
    """The mask of one object.

    Args:
        mask: ``(h, w)`` bool, a window of the picture; empty outside.
        corner: y and x of the window's first pixel.
        score: Predicted IoU in [0, 1].
        stability: Pixels of the mask at a threshold 1 higher over those at 1 lower, in [0, 1].
        frame: The crop that the mask was made in.
        logits: ``(S, S)`` float32, what the network said there.
    """

    mask: np.ndarray
    corner: tuple[int, int]
    score: float
    stability: float
    frame: CropFrame
    logits: np.ndarray

    def box(self) -> np.ndarray | None:
        """Return x0, y0, x1, y1 of the mask's own box in pixels; None of an empty mask."""
        rows, columns = (np.flatnonzero(self.mask.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        y, x = self.corner
        return np.array([columns[0] + x, rows[0] + y, columns[-1] + 1 + x, rows[-1] + 1 + y], float)


class MaskMaker:
    """Makes masks of what is asked.

    Args:
        network: In evaluation mode.
        info: What belongs to its weights.
        side: Of the crops, in pixels.
        device: Where it runs.
        finer: Look again at objects whose crop was shrunk, see ``finer``.
        fill_holes: Fill the holes of masks.
        threads: Passes at the same time. Each is computed by one thread: no thread waits for
            another, and rounding does not follow their number.
    """

    def __init__(
        self,
        network: BoxNet,
        info: WeightsInfo,
        side: int,
        device: torch.device,
        finer: bool = True,
        fill_holes: bool = True,
        threads: int = 1,
    ):
        self.network = network.requires_grad_(False).to(device)
        self.info, self.side, self.device = info, side, device
        self.finer, self.fill_holes, self.threads = finer, fill_holes, threads

    def make(self, picture: Picture, asked: Iterable[Asked]) -> Iterator[ObjectMask]:
        """Yield the mask of everything asked, in order; few crops are held at a time.

        Raises:
            SegmentorError: The weights give no numbers.
        """
        for masks in self.spread(partial(self._pass, picture), _in_parts(asked, BATCH)):
            yield from masks

    def spread(self, work: Callable[[_Item], _Made], items: Iterable[_Item]) -> Iterator[_Made]:
        """Yield ``work(item)`` of each item, in order; ``threads`` of them at the same time."""
        if self.threads == 1:
            yield from map(work, items)
            return
        # Asking is what gives a thread the process's number; its first pass would have all cores.
        with ThreadPoolExecutor(self.threads, initializer=torch.get_num_threads) as pool:
            for several in _in_parts(items, _HELD * self.threads):
                yield from pool.map(work, several)

    def _pass(self, picture: Picture, asked: Sequence[Asked]) -> list[ObjectMask]:
        logits, scores = self.run([each.sample(picture, self.side) for each in asked])
        return [
            self.finished(picture, each, found, float(score))
            for each, found, score in zip(asked, logits, scores, strict=True)
        ]

    @torch.inference_mode()
    def run(self, samples: Sequence[CropSample]) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits ``(N, S, S)`` float32 of crops, and their scores ``(N,)``.

        Raises:
            SegmentorError: The weights give no numbers.
        """
        logits, scores = [], []
        for start in range(0, len(samples), BATCH):
            part = samples[start : start + BATCH]
            crops = np.zeros((BATCH, len(CHANNELS), self.side, self.side), np.float32)
            for i, sample in enumerate(part):
                crops[i] = network_input(sample)
            found, iou = self.network(torch.from_numpy(crops).to(self.device))
            logits.append(found[: len(part)].cpu().numpy())
            scores.append(self.info.score(iou[: len(part)].cpu()).numpy())
        if not all(map(np.isfinite, (each.sum() for each in logits + scores))):
            raise SegmentorError('the network gives NaN; are the weights whole?')
        return np.concatenate(logits), np.concatenate(scores)

    def finished(
        self, picture: Picture, asked: Asked, logits: np.ndarray, score: float
    ) -> ObjectMask:
        """Return the mask of what was asked, from what ``run`` gave for its crop."""
        frame, found = asked.frame, logits
        if self.finer and frame.shrink(self.side).max() > SHRUNK_FROM:
            frame, found = look_again(self.run, picture, asked, logits)
        rows, columns = frame.window(*picture.size)
        clicks = asked.clicks - [columns.start, rows.start, 0]
        mask = tidied(pasted(found, frame, rows, columns), self.fill_holes, clicks)
        return ObjectMask(
            mask, (rows.start, columns.start), score, stability_of(logits), asked.frame, logits
        )


def _in_parts(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part


def pasted(logits: np.ndarray, frame: CropFrame, rows: slice, columns: slice) -> np.ndarray:
    """Return where a crop's logits are above 0 in a window of the picture, ``(h, w)`` bool.

    The logits are scaled up in pieces: nothing but the mask has the window's size.
    """
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    width = min(mask.shape[1], 1 << 14)
    height = min(max(1, _PIXELS_AT_ONCE // max(width, 1)), 1 << 14)
    for y in range(rows.start, rows.stop, height):
        for x in range(columns.start, columns.stop, max(width, 1)):
            part = slice(y, min(y + height, rows.stop)), slice(x, min(x + width, columns.stop))
            here = tuple(
                slice(each.start - first, each.stop - first)
                for each, first in zip(part, (rows.start, columns.start), strict=True)
            )
            mask[here] = frame.paste(logits, part) > 0
    return mask


def tidied(
    mask: np.ndarray, fill_holes: bool = True, clicks: np.ndarray | None = None
) -> np.ndarray:
    """Return a mask ``(h, w)`` bool without small parts, its holes filled or kept.

    Small parts that are clicked on stay, and holes with a click on the background.

    Args:
        mask: The mask.
        fill_holes: Fill the holes of its parts.
        clicks: ``(N, 3)`` x, y in its pixels, and 1 for the object or 0; None for none.
    """
    if not mask.any():
        return mask
    on, beside = _clicked_pixels(mask, clicks)
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) + len(outline) / 2 for outline in found]
    kept = [
        outline
        for outline, area in zip(found, areas, strict=True)
        if area >= LEAST_PART * max(areas)
        or any(cv2.pointPolygonTest(outline, place, measureDist=False) >= 0 for place in on)
    ]
    if not fill_holes and len(kept) == len(found):
        return mask
    filled = cv2.drawContours(np.zeros(mask.shape, np.uint8), kept, -1, 1, -1).view(bool)
    return _with_holes(filled, mask, beside) if fill_holes else filled & mask


def _clicked_pixels(
    mask: np.ndarray, clicks: np.ndarray | None
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return x and y of a mask's pixels that are clicked on as object, and as background."""
    places: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for x, y, of_object in () if clicks is None else np.floor(clicks).astype(int).tolist():
        if 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0]:
            places[0 if of_object else 1].append((x, y))
    return places


def _with_holes(filled: np.ndarray, mask: np.ndarray, places: list[tuple[int, int]]) -> np.ndarray:
    """Return a filled mask ``(h, w)`` bool with those of its holes that hold one of the places."""
    holes = filled & ~mask
    if not any(holes[y, x] for x, y in places):
        return filled
    _, numbers = cv2.connectedComponents(holes.view(np.uint8), connectivity=4)
    return filled & ~(holes & np.isin(numbers, [numbers[y, x] for x, y in places if holes[y, x]]))


def stability_of(logits: np.ndarray) -> float:
    """Return how little a mask depends on its threshold: SAM's measure, 0 of an empty mask."""
    sure, likely = np.count_nonzero(logits > _STABLE), np.count_nonzero(logits > -_STABLE)
    return sure / likely if likely else 0.0
