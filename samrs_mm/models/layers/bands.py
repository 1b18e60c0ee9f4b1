"""How many bands a network takes, and which of its layers see them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

SIDES = (64, 224, 512)
"""Of images to try, in pixels; some backbones take images of one size only."""


def image_convolutions(part: nn.Module) -> list[str]:
    """Return the names of the convolutions of a backbone that see the image, in order of use.

    They are found by showing it black images in evaluation mode: what they are given has the bands
    and the size of the image. None are found of a backbone that takes no single image, or whose
    first layer is of another kind.
    """
    kinds = (nn.Conv2d, nn.Conv3d)
    layers = {name: layer for name, layer in part.named_modules() if isinstance(layer, kinds)}
    modes = [(module, module.training) for module in part.modules()]
    part.eval()
    try:
        for bands in dict.fromkeys(layer.in_channels for layer in layers.values()):
            for side in SIDES:
                if seen := _seeing(part, layers, bands, side):
                    return seen
        return []
    finally:
        for module, training in modes:
            module.training = training


def _seeing(part: nn.Module, layers: Mapping[str, Any], bands: int, side: int) -> list[str]:
    """Return which of the layers see an image of so many bands and pixels a side."""
    seen: list[str] = []

    def look(name: str, given: Tensor) -> None:
        whole = given.shape[1] == layers[name].in_channels == bands and given.shape[-1] >= side
        if whole and name not in seen:
            seen.append(name)

    hooks = [
        layer.register_forward_pre_hook(lambda _, given, name=name: look(name, given[0]))
        for name, layer in layers.items()
    ]
    like = next(part.parameters())
    try:
        with torch.no_grad():
            part(torch.zeros(1, bands, side, side, dtype=like.dtype, device=like.device))
    except Exception:  # noqa: BLE001 (an image of other bands or another size than it takes)
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def bands_of(part: nn.Module) -> int | None:
    """Return the bands of the images that a backbone takes; None where that is not found out."""
    seen = image_convolutions(part)
    if not seen:
        return None
    first: Any = part.get_submodule(seen[0])
    return first.in_channels


def network_bands(model: Any) -> int | None:
    """Return the bands of a segmentor, by its normalisation or else by its backbone."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:  # a single one is for all bands
        return mean.numel()
    return bands_of(model.backbone)
