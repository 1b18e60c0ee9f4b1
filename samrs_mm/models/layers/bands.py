"""How many bands a network takes."""

from typing import Any

from torch import nn


def bands_of(part: Any) -> int | None:
    """Return the input channels of the first convolution of a backbone; None without one."""
    kinds = (nn.Conv2d, nn.Conv3d)
    first = next((layer for layer in part.modules() if isinstance(layer, kinds)), None)
    return None if first is None else first.in_channels


def network_bands(model: Any) -> int | None:
    """Return the bands of a segmentor, by its normalisation or else by its first convolution."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:  # a single one is for all bands
        return mean.numel()
    return bands_of(model.backbone)
