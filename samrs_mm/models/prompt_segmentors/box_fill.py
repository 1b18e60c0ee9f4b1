"""Masks that are the prompts themselves: the baseline for every other segmentor."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor, why_no_point
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class BoxFillSegmentor(PromptSegmentor):
    """Fills the prompt: the oriented box of ``rbox``, else the mask prompt's region or the box.

    A mask of the labels (``mask``) is taken as it is.
    """

    takes_masks = True

    @property
    def settings(self) -> dict[str, Any]:
        """The name; nothing else changes a mask."""
        return dict(type=type(self).__name__)

    def unsupported(self, setting: PromptSetting) -> str | None:
        """Return why a setting can't be taken: a point changes nothing of a filled box."""
        return why_no_point(setting)

    def encode(self, images: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        """Return height and width of the images ``(H, W, 3)``."""
        return [image.shape[:2] for image in images]

    def decode(self, encoded: tuple[int, int], prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield one mask at a time, rasterised by COCO's rule; no scores."""
        filled = prompts.masks
        if filled is None:
            filled = [masks.encode_polygon(outline, *encoded) for outline in prompts.outlines]
        for coded in filled:
            x, y, mask = masks.crop(coded)
            yield MaskChunk(mask[None], window=(y, x, *encoded))
