"""Masks that are the prompts themselves: the honest baseline beside every other segmentor."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from samrs_mm.core.boxes import corners
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.masks import fill_polygon
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS


def prompt_outlines(prompts: PromptBatch) -> np.ndarray:
    """Return the corners ``(N, 4, 2)`` of what a segmentor without point prompts looks at.

    The oriented box of ``rbox``, else the mask prompt's region, else the box. A region and a box
    of one setting are the same box; the region is unclipped.

    Args:
        prompts: Prompts with a box or a region.
    """
    if prompts.polygons is not None:
        return prompts.polygons
    return prompts.regions if prompts.regions is not None else corners(prompts.boxes)


def without_region(setting: PromptSetting) -> str | None:
    """Return why a segmentor without point prompts can't take a setting, or None if it can."""
    if setting.name == 'cp':
        return 'a centre point alone has no extent; use a setting with a box or a mask prompt'
    if setting.point:
        return 'takes no centre point; leave out cp'
    return None


@PROMPT_SEGMENTORS.register_module()
class BoxFillSegmentor(PromptSegmentor):
    """Fills the prompt: the oriented box of ``rbox``, else the mask prompt's region or the box.

    Args:
        arch: Must be None, as ``checkpoint``: there are no weights, but configs name both.
        checkpoint: Must be None.

    Raises:
        RefusedError: Weights are asked for.
    """

    def __init__(self, arch: None = None, checkpoint: None = None):
        refuse_weights(self, arch, checkpoint)

    @property
    def settings(self) -> dict[str, Any]:
        """The name; nothing else changes a mask."""
        return dict(type=type(self).__name__)

    def unsupported(self, setting: PromptSetting) -> str | None:
        """Settings with a point are told apart by nothing that a filled box could show."""
        return without_region(setting)

    def encode(self, images: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        """Return height and width of the images ``(H, W, 3)``."""
        return [image.shape[:2] for image in images]

    def decode(self, encoded: tuple[int, int], prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield one mask at a time, rasterised by COCO's rule; no scores."""
        for outline in prompt_outlines(prompts):
            yield MaskChunk(fill_polygon(outline, *encoded)[None])


def refuse_weights(segmentor: PromptSegmentor, arch: str | None, checkpoint: str | None) -> None:
    """Refuse weights for a segmentor that has none.

    Raises:
        RefusedError: ``arch`` or ``checkpoint`` is not None.
    """
    for key, value in dict(arch=arch, checkpoint=checkpoint).items():
        if value is not None:
            raise RefusedError(
                f'model.{key}={value!r}: {type(segmentor).__name__} has no weights; leave it out, '
                'or choose a SAM config'
            )
