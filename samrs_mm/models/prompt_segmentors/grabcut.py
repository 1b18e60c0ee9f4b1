"""Masks from OpenCV's GrabCut: no weights, no GPU.

Source: Rother et al. 2004, "GrabCut", ACM TOG 23(3); OpenCV's implementation.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import cv2
import numpy as np

from samrs_mm.core.clicks import ClickedMask
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.masks import decode, fill_polygon
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import (
    MaskChunk,
    PromptSegmentor,
    check_whole_numbers,
    why_no_point,
)
from samrs_mm.models.prompt_segmentors.grabcut_clicks import (
    CLICK_SIDE,
    REACHES,
    SEARCH_SIDE,
    STRONGER,
    clicked_parts,
    edge_strength,
    labels_of,
    scaled_up,
)
from samrs_mm.registry import PROMPT_SEGMENTORS

CORE_HBOX, CORE_RBOX = 0.55, 0.75
"""An oriented box fits its object tighter, so more of it is object for sure."""


@PROMPT_SEGMENTORS.register_module()
class GrabCutSegmentor(PromptSegmentor):
    """Runs GrabCut on a crop around each box.

    Outside the box is background for sure; the core, the box shrunk about its centre, is
    foreground for sure; GrabCut decides the rest by colour. Every box is seeded by itself, so
    that order, chunks and threads change nothing.

    Of a mask of the labels (``mask``) the pixels that lie deep in it are foreground for sure, and
    those far outside background, or with a box those outside that; see ``_seeds_of_mask``.

    Args:
        iterations: GrabCut's iterations.
        margin: What the crop has around the box on every side, in the box's longer sides.
        core: Scale of the core, in [0, 1); None takes 0.55 for horizontal boxes and 0.75 for
            oriented ones and masks.
        max_side: Longest side of a crop in pixels; a larger crop is cut at reduced size and its
            mask scaled up (nearest).
        seed: Seed of OpenCV's generator, set anew for every box.
        threads: Boxes cut at the same time; None takes the cores that the process may use. Changes
            no mask.

    Raises:
        RefusedError: A value that can't be.
    """

    takes_masks = True

    def __init__(
        self,
        iterations: int = 3,
        margin: float = 0.5,
        core: float | None = None,
        max_side: int = 1024,
        seed: int = 0,
        threads: int | None = None,
    ):
        check_whole_numbers(iterations=(iterations, 1), max_side=(max_side, 16))
        self.choose_threads(threads)
        if not margin > 0:
            raise RefusedError(f'model.margin={margin!r}; GrabCut needs background: more than 0')
        if core is not None and not 0 <= core < 1:
            raise RefusedError(f'model.core={core!r}; allowed: 0 to below 1, or None')
        self.iterations, self.margin, self.core = iterations, margin, core
        self.max_side, self.seed = max_side, seed

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that may change a mask; threads don't."""
        return dict(
            type=type(self).__name__,
            iterations=self.iterations,
            margin=self.margin,
            core=self.core,
            max_side=self.max_side,
            seed=self.seed,
        )

    def unsupported(self, setting: PromptSetting) -> str | None:
        """Return why a setting can't be taken; a mask prompt is taken as the box that it shows."""
        return why_no_point(setting)

    def encode(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the images ``(H, W, 3)`` uint8 RGB as they are."""
        return list(images)

    def decode(self, encoded: np.ndarray, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield one mask at a time; no scores."""
        height, width = encoded.shape[:2]
        outlines = prompts.outlines
        core = self.core
        if core is None:
            tight = prompts.masks or 'rbox' in (prompts.setting.box, prompts.setting.mask)
            core = CORE_RBOX if tight else CORE_HBOX
        cut = partial(self._cut, encoded, core, boxed=bool(prompts.setting.box))
        masks = prompts.masks or [None] * len(outlines)
        window = 8 * self.threads
        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(outlines), window):
                part = slice(start, start + window)
                for (y, x), mask, note in pool.map(cut, outlines[part], masks[part]):
                    notes = (note,) if note else ()
                    yield MaskChunk(mask[None], notes=notes, window=(y, x, height, width))

    def click(
        self,
        encoded: np.ndarray,
        clicks: Any,
        box: Any = None,
        previous: ClickedMask | np.ndarray | None = None,
        valid: np.ndarray | None = None,
    ) -> ClickedMask:
        """Return the mask of an object by clicks, a box, and the mask so far.

        Clicks are what is sure; the mask so far, or the box's inside, is likely the object. What is
        clicked without either is looked for within 32, 64, 128 and 256 px of the clicks (or 1 to 8
        times what several clicks span, where that is more), and that mask is taken along whose
        border the image changes most, a larger one if it is by 1.3 times; of what is found there
        only the parts that were clicked count. A crop longer than 256 px is looked at at that size
        (128 px while the reach is searched), so that whoever clicks needn't wait.

        Args:
            encoded: The image ``(H, W, 3)`` uint8 RGB.
            clicks: ``(N, 3)`` all clicks so far: x, y in pixels, and 1 for the object or 0 for the
                background; may be none where there is a box or a mask.
            box: ``(4,)`` x0, y0, x1, y1, or the corners ``(4, 2)`` of an oriented box.
            previous: The answer before, or any mask ``(H, W)`` bool to start from.
            valid: Which pixels of the image have data, ``(H, W)`` bool; None says all.

        Raises:
            ValueError: Nothing is asked, or something is of another shape, not finite, empty, or
                outside the image; says what.
        """
        core = self.core
        if core is None:
            core = CORE_RBOX if np.shape(box) == (4, 2) else CORE_HBOX
        given = clicks, box, previous, core
        alone = box is None and previous is None
        times = self._reach_of(encoded, given) if alone else 1
        corner, labels, crop, small = self._asked(encoded, given, times, CLICK_SIDE)
        before = small & 1
        found = self._settled(crop, small)
        size = labels.shape[::-1]
        whole = scaled_up(found, size)
        if previous is not None and crop.shape[:2] != labels.shape:  # what stays keeps its details
            whole = np.where(scaled_up(found ^ before, size), whole, labels & 1 > 0)
        if alone:
            whole = clicked_parts(whole, np.asarray(clicks, float) - [*corner, 0])
        mask = np.zeros(encoded.shape[:2], bool)
        mask[corner[1] :, corner[0] :][: size[1], : size[0]] = whole
        if valid is not None:
            mask &= valid
        return ClickedMask(mask)

    def _asked(
        self, image: np.ndarray, given: tuple, times: int, side: int
    ) -> tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]:
        """Return what GrabCut is to settle of an image, in a crop of at most ``side`` pixels.

        Args:
            image: ``(H, W, 3)`` uint8.
            given: Clicks, box, mask so far, core: see ``labels_of``, as for ``times``.
            times: See there.
            side: Longest side.

        Returns:
            x, y of the crop in the image; its labels ``(H', W')``; pixels and labels as they are
            looked at, ``(h, w, 3)`` and ``(h, w)``.
        """
        labels, around = labels_of(image.shape[:2], *given, times=times)
        x0, y0, x1, y1 = self._crop(around.reshape(2, 2), *image.shape[:2])
        part = labels[y0:y1, x0:x1]
        height, width = part.shape
        scale = min(1.0, min(self.max_side, side) / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        crop = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        small = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return (x0, y0), part, np.ascontiguousarray(crop), np.ascontiguousarray(small)

    def _reach_of(self, image: np.ndarray, given: tuple) -> int:
        """Return which of ``REACHES`` finds the mask with the strongest edge; see ``STRONGER``."""
        best, strongest = REACHES[0], 0.0
        for times in REACHES:
            corner, labels, crop, small = self._asked(image, given, times, SEARCH_SIDE)
            clicks = np.asarray(given[0], float) - [*corner, 0]
            clicks[:, :2] *= np.divide(small.shape[::-1], labels.shape[::-1])
            found = clicked_parts(self._settled(crop, small) > 0, clicks)
            strength = edge_strength(crop, found)
            if strength > strongest * STRONGER:
                best, strongest = times, strength
        return best

    def _settled(self, crop: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return GrabCut's decision on a crop ``(h, w, 3)``, ``(h, w)`` uint8, 1 for the object.

        Without both, what may be the object and what may not, it is what ``labels`` say.
        """
        if len(np.unique(labels & 1)) == 2:
            cv2.setRNGSeed(self.seed)
            models = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(crop, labels, None, *models, self.iterations, cv2.GC_INIT_WITH_MASK)
        return labels & 1  # GC_FGD = 1, GC_PR_FGD = 3

    def _cut(
        self,
        image: np.ndarray,
        core: float,
        outline: np.ndarray,
        known: dict | None = None,
        boxed: bool = True,
    ) -> tuple[tuple[int, int], np.ndarray, str | None]:
        """Cut one object out; return the crop's y and x, its mask, and a note, if any.

        Args:
            image: ``(H, W, 3)`` uint8.
            core: Scale of the sure foreground.
            outline: Corners ``(4, 2)`` in image pixels; may reach beyond the image.
            known: The mask of the label as RLE of the image's size; None without one.
            boxed: Whether the outline is a box that is prompted, not one around the mask.
        """
        x0, y0, x1, y1 = self._crop(outline, *image.shape[:2])
        crop = image[y0:y1, x0:x1]
        height, width = crop.shape[:2]
        outline = outline - [x0, y0]
        before = None if known is None else decode(known)[y0:y1, x0:x1]
        scale = min(1.0, self.max_side / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
            outline = outline * (size[0] / width, size[1] / height)
            before = None if before is None else _smaller(before, size)
        inside = fill_polygon(outline, *crop.shape[:2])
        if before is None:
            labels = _seeds_of_box(inside, core, outline)
        else:
            labels = _seeds_of_mask(before, core, inside if boxed else None)
        mask, filled = self._grabcut(np.ascontiguousarray(crop), labels)
        what = 'box' if before is None else 'mask'
        note = f'GrabCut: a {what} fills its image, nothing is background: {what} kept'
        if scale < 1:
            mask = cv2.resize(
                mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
            ).view(bool)
        return (int(y0), int(x0)), mask, note if filled else None

    def _crop(self, outline: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
        """Return x0, y0, x1, y1 of the crop around a box, inside the image."""
        low, high = outline.min(axis=0), outline.max(axis=0)
        around = self.margin * (high - low).max()
        x0, y0 = np.floor(np.maximum(low - around, 0)).astype(int)
        x1, y1 = np.ceil(np.minimum(high + around, [width, height])).astype(int)
        return x0, y0, x1, y1

    def _grabcut(self, crop: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the mask of a crop by GrabCut's labels, and whether nothing in it is background.

        Args:
            crop: ``(h, w, 3)`` uint8, contiguous.
            labels: ``(h, w)`` uint8, OpenCV's ``GC_*``.
        """
        inside = (labels & 1).astype(bool)  # GC_FGD = 1, GC_PR_FGD = 3
        if inside.all() or not inside.any():
            return inside, bool(inside.any())
        labels = np.ascontiguousarray(labels)
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        # The generator is the thread's own: only a seed right here makes a mask its box's alone.
        cv2.setRNGSeed(self.seed)
        cv2.grabCut(
            crop, labels, None, background, foreground, self.iterations, cv2.GC_INIT_WITH_MASK
        )
        return (labels & 1).astype(bool), False


def _seeds_of_box(inside: np.ndarray, core: float, outline: np.ndarray) -> np.ndarray:
    """Return GrabCut's labels ``(h, w)`` of a box with corners ``(4, 2)`` and its pixels."""
    labels = np.where(inside, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_BGD))
    centre = (outline.min(axis=0) + outline.max(axis=0)) / 2
    shrunk = fill_polygon(centre + (outline - centre) * core, *inside.shape)
    labels[shrunk & inside] = cv2.GC_FGD  # a twisted outline's core may lie outside it
    return labels


def _seeds_of_mask(mask: np.ndarray, core: float, box: np.ndarray | None) -> np.ndarray:
    """Return GrabCut's labels of a mask ``(h, w)`` bool.

    GrabCut decides a band along the mask's edge, as wide on both sides as a box's between its edge
    and its core: ``1 - core`` of the greatest distance from the edge. With the pixels of a box the
    outer side is all of that.
    """
    within = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    beyond = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    band = max((1 - core) * float(within.max()), 1.0)
    near = beyond <= band if box is None else box
    labels = np.where(near, np.uint8(cv2.GC_PR_BGD), np.uint8(cv2.GC_BGD))
    labels[mask] = cv2.GC_PR_FGD
    labels[within > band] = cv2.GC_FGD
    return labels


def _smaller(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask at a size (width, height), of at least a pixel if it has one."""
    shares = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return (shares > 0) & (shares >= min(0.5, float(shares.max())))
