"""Do the levels of backbone and neck fit a detector's heads?

mmdetection looks at channels alone, in the first forward; boxes of heads with other strides than
their levels lie elsewhere, without a word.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import one_line
from samrs_mm.engine.feature_levels import giver_of, level_text, levels_of, through_neck

_TAKES_LEVELS = re.compile(r'(bbox_head|rpn_head|roi_head\.(bbox|mask)_roi_extractor)(\.|$)')
"""Parts that are given all levels; others, as CondInst's masks, choose theirs."""
_KNOWN = {'mmdet', 'mmrotate', 'samrs_mm'}
"""Packages whose detectors give their heads the neck's levels; others may make more of them."""


def finds_objects(network: nn.Module) -> bool:
    """Whether it is a network like mmdetection's, of a backbone and heads that find objects."""
    heads = ('bbox_head', 'rpn_head', 'panoptic_head')
    return hasattr(network, 'backbone') and any(
        isinstance(getattr(network, head, None), nn.Module) for head in heads
    )


def check_detector(network: nn.Module) -> None:
    """Refuse a detector, in evaluation mode, whose heads ask for other levels than they are given.

    Raises:
        RefusedError: Names the head, and the levels with their strides and channels.
    """
    side, maps = levels_of(network)
    _check_heads('model', network, maps, side, giver_of(network))


def check_task_detectors(network: Any, maps: Sequence[Tensor], side: int) -> None:
    """Refuse detectors of a ``MultiTaskPretrainer``, in evaluation mode, that its levels don't fit.

    Args:
        network: The pre-trainer.
        maps: Its feature maps ``(1, C, h, w)``.
        side: Of the image that gave them, in pixels.

    Raises:
        RefusedError: Names the detector's part, and the levels with their strides and channels.
    """
    giver = giver_of(network)
    for name, detector in network.detectors.items():
        key, levels = f'model.detectors.{name}', detector.backbone.levels
        if any(not -len(maps) <= level < len(maps) for level in levels or ()):
            raise RefusedError(
                f'{key}.levels={list(levels)}: there are {len(maps)} levels, counted from 0; '
                f'{giver} gives {level_text(maps, side)}'
            )
        chosen = list(detector.backbone(maps))
        if detector.with_neck:
            taken = f'{giver} (levels={levels})'
            chosen = through_neck(f'{key}.detector', detector, chosen, side, taken)
        last = giver_of(detector) if detector.with_neck else giver
        _check_heads(f'{key}.detector', detector, chosen, side, last)


def _check_heads(
    key: str, detector: nn.Module, maps: Sequence[Tensor], side: int, giver: str
) -> None:  # fmt: skip
    if type(detector).__module__.partition('.')[0] not in _KNOWN:
        return
    told = f'{giver} gives {level_text(maps, side)}'
    for name, strides, channels, exact in _wanted(detector):
        fits = len(strides) == len(maps) if exact else len(strides) <= len(maps)
        given = maps[: len(strides)]
        if not fits or not all(map(_is_stride, strides, given, [side] * len(given))):
            raise RefusedError(
                f'{key}.{name} is for levels of strides {list(strides)}, where {told}; choose '
                'levels of these strides, or give it theirs'
            )
        if channels is not None and any(level.shape[1] != channels for level in given):
            raise RefusedError(
                f'{key}.{name} is for levels of {channels} channels, where {told}; make them equal'
            )
    head: Any = getattr(detector, 'panoptic_head', None)
    if head is not None:
        _check_pixel_decoder(f'{key}.panoptic_head', head.pixel_decoder, maps, told)


def _wanted(detector: nn.Module) -> Iterator[tuple[str, tuple, int | None, bool]]:
    """Yield what the parts of a detector take.

    Yields:
        Name of the part, strides of its levels in pixels, their channels, and whether there must be
        as many levels; else the first of them are taken.
    """
    from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor, SingleRoIExtractor

    for name, part in detector.named_modules():
        if not _TAKES_LEVELS.match(name):
            continue
        strides = getattr(getattr(part, 'prior_generator', None), 'strides', None)
        if strides is not None:
            channels = getattr(part, 'in_channels', None)
            sides = tuple(stride[0] if isinstance(stride, tuple) else stride for stride in strides)
            if all(math.log2(side).is_integer() for side in sides):  # SSD's are of one size only
                yield name, sides, channels if isinstance(channels, int) else None, True
        elif isinstance(part, BaseRoIExtractor):
            channels = part.out_channels if isinstance(part, SingleRoIExtractor) else None
            yield name, tuple(part.featmap_strides), channels, False


def _is_stride(stride: float, level: Tensor, side: int) -> bool:
    """Whether a map is that of an image with such a stride, rounded up or down."""
    return level.shape[-1] in (side // stride, -(-side // stride))


def _check_pixel_decoder(key: str, decoder: nn.Module, maps: Sequence[Tensor], told: str) -> None:
    """Refuse levels that Mask2Former's doesn't take; its strides cancel out, so any will do."""
    from mmdet.models.layers import MSDeformAttnPixelDecoder

    if not isinstance(decoder, MSDeformAttnPixelDecoder):
        return
    try:
        decoder(list(maps))
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        raise RefusedError(
            f'{key}.in_channels do not fit: {told}: {one_line(error)[:300]}'
        ) from error
