"""A segmentation network with its preprocessing, as one graph that other programs can run."""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.window_model import WindowModel

OUTPUTS = ('logits', 'probabilities')
_MOST = 16384
"""Largest side of an image in pixels."""


class ExportedNetwork(nn.Module):
    """Images ``(1, 3, H, W)`` RGB in 0..1 to scores ``(1, K, H, W)`` at their full size.

    H and W are multiples of the network's stride.

    Args:
        model: The network, which stays as it is.
        output: ``'logits'`` or ``'probabilities'``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: WindowModel, output: str = 'logits'):
        super().__init__()
        self.network = _with_plain_pools(copy.deepcopy(model.model))
        self.source, self.num_classes, self.output = model.source, model.num_classes, output
        self.normalised = model.normalised
        mean, std = colours_of(model)
        self.register_buffer('mean', torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(std).view(1, 3, 1, 1))
        self.reversed = not _turns_to_rgb(model.preprocessor)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores."""
        pixels = (image * 255 - self.mean) / self.std
        if self.reversed:
            pixels = pixels.flip(1)
        size = tuple(pixels.shape[-2:])
        meta = dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)
        metas = [dict(meta, source=self.source)]
        scores = self.network.encode_decode(pixels, metas)[:, : self.num_classes]
        return self.normalised(scores) if self.output == 'probabilities' else scores


def colours_of(model: WindowModel) -> tuple[list[float], list[float]]:
    """Return mean and deviation of red, green and blue, as the data preprocessor has them."""
    preprocessor = model.preprocessor
    if not getattr(preprocessor, '_enable_normalize', False):
        return [0.0] * 3, [1.0] * 3
    mean, std = (
        getattr(preprocessor, name).flatten().expand(3).tolist() for name in ('mean', 'std')
    )
    return (mean, std) if _turns_to_rgb(preprocessor) else (mean[::-1], std[::-1])


def _turns_to_rgb(preprocessor: Any) -> bool:
    """Whether a network sees red first; images come to its preprocessor with blue first."""
    names = ('channel_conversion', '_channel_conversion')  # of mmsegmentation, of mmengine
    return any(getattr(preprocessor, name, False) for name in names)


def trace(model: WindowModel, side: int | None, output: str) -> ExportedProgram:
    """Return a network as a graph of torch.export, on the CPU.

    Args:
        model: The network.
        side: Height and width of all images; None leaves them open.
        output: One of ``OUTPUTS``.

    Raises:
        RefusedError: A side that the network can't take, or a network that has no such graph.
    """
    step = model.divisor
    if model.bands != 3:
        raise RefusedError(f'the network takes {model.bands} bands; networks of three are exported')
    if side is not None and side % step:
        raise RefusedError(f'--side {side}: the network takes multiples of {step} px')
    network = ExportedNetwork(model, output).cpu().eval()
    example = torch.rand(1, 3, side or 5 * step, side or 6 * step)
    open_sides = None
    if side is None:
        rows, columns = (
            Dim(name, min=2, max=max(_MOST // step, 4)) for name in ('rows', 'columns')
        )
        open_sides = dict(image={2: step * rows, 3: step * columns} if step > 1
                          else {2: rows, 3: columns})  # fmt: skip
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')
            return torch.export.export(network, (example,), dynamic_shapes=open_sides, strict=False)
    except Exception as error:
        raise RefusedError(unwritable(error, side)) from error


def unwritable(error: Exception, side: int | None) -> str:
    """Return the line on a network whose graph can't be made or written."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    cure = '' if side else '; with --side N all images have one size, which more networks can do'
    return f'this network cannot be exported: {lines[0]}{cure}'


class _PlainPool(nn.Module):
    """``AdaptiveAvgPool2d`` by two products of matrices, which sizes may be open in."""

    def __init__(self, output: Any):
        super().__init__()
        self.output = (output, output) if isinstance(output, int) else tuple(output)

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = (
            _shares(side, count, maps)
            for side, count in zip(maps.shape[-2:], self.output, strict=True)
        )
        return rows @ maps @ columns.T


def _shares(side: int, count: int, like: Tensor) -> Tensor:
    """Return how much each of ``side`` rows counts in each of ``count`` means of them."""
    number = torch.arange(count, device=like.device)[:, None]
    place = torch.arange(side, device=like.device)[None]
    first, last = (number * side) // count, -((-(number + 1) * side) // count)
    inside = ((place >= first) & (place < last)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def _with_plain_pools(network: nn.Module) -> Any:
    for name, part in network.named_children():
        if isinstance(part, nn.AdaptiveAvgPool2d):
            setattr(network, name, _PlainPool(part.output_size))
        else:
            _with_plain_pools(part)
    return network
