"""Which feature maps backbone and neck of a network give, and how they are told."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import one_line
from samrs_mm.models.layers.bands import SIDES, bands_of


def levels_of(network: Any) -> tuple[int, list[Tensor]]:
    """Show a network in evaluation mode a black image, as small a one as backbone and neck take.

    Args:
        network: Has a ``backbone``, and may have a ``neck``.

    Returns:
        The image's side in pixels, and the maps ``(1, C, h, w)`` after the neck.

    Raises:
        RefusedError: The backbone takes no such image, or the neck not the backbone's maps.
    """
    weight = next(network.backbone.parameters())
    bands = bands_of(network.backbone) or 3
    # mmsegmentation's name, and mmdetection's
    padding = [
        getattr(network.data_preprocessor, key, None)
        for key in ('size_divisor', 'pad_size_divisor')
    ]
    divisor = next(filter(None, padding), 1)
    failed: list[Exception] = []
    unfit: list[RefusedError] = []
    for least in SIDES:
        side = -(-least // divisor) * divisor
        image = torch.zeros(1, bands, side, side, dtype=weight.dtype, device=weight.device)
        try:
            found = _list(network.backbone(image))
        except (AssertionError, RuntimeError, ValueError) as error:
            failed.append(error)
            continue
        try:
            giver = type(network.backbone).__name__
            return side, through_neck('model', network, found, side, giver)
        except RefusedError as error:  # or the image is too small for it, as for SSD's
            unfit.append(error)
    if unfit:
        raise unfit[0]
    raise RefusedError(
        f'model.backbone: {type(network.backbone).__name__} takes no image of '
        f'{", ".join(map(str, SIDES))} px a side, {bands} bands: {one_line(failed[0])[:300]}'
    )


def through_neck(
    key: str, network: Any, maps: list[Tensor], side: int, giver: str
) -> list[Tensor]:  # fmt: skip
    """Return what the neck of a network makes of maps, or these if it has none.

    Args:
        key: The network's, in the config.
        network: In evaluation mode.
        maps: ``(1, C, h, w)`` each.
        side: Of the image in pixels.
        giver: What gave the maps.

    Raises:
        RefusedError: They don't fit it.
    """
    if not getattr(network, 'with_neck', False):
        return maps
    try:
        return _list(network.neck(maps))
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        raise RefusedError(
            f'{key}.neck: {type(network.neck).__name__} does not fit the levels of {giver}, which '
            f'are {level_text(maps, side)}: {_reason(network.neck, error)}'
        ) from error


def _reason(neck: Any, error: Exception) -> str:
    channels = getattr(neck, 'in_channels', None)
    takes = f'its in_channels are {channels}' if channels is not None else ''
    said = one_line(error)[:300] if str(error) else ''  # bare assertions say nothing
    return '; '.join(filter(None, (takes, said))) or type(error).__name__


def giver_of(network: Any) -> str:
    """Return the name of the class that gives a network's maps: of its neck, or its backbone."""
    neck = network.neck if getattr(network, 'with_neck', False) else network.backbone
    return type(neck).__name__


def level_text(maps: Sequence[Tensor], side: int) -> str:
    """Write maps ``(1, C, h, w)`` of an image of that side with their strides and channels."""
    return ', '.join(
        f'level {number}: stride {side / level.shape[-1]:g}, {level.shape[1]} channels'
        for number, level in enumerate(maps)
    )


def _list(maps: Any) -> list[Tensor]:
    return list(maps) if isinstance(maps, list | tuple) else [maps]
