"""A segmentation network with its preprocessing, as one graph that other programs can run."""

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental._config import patch  # type: ignore[attr-defined]

from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.open_sizes import for_open_sizes
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
        fixed: All images have one size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: WindowModel, output: str = 'logits', fixed: bool = False):
        super().__init__()
        self.network: Any = for_open_sizes(copy.deepcopy(model.model), fixed)
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
    try:
        network = ExportedNetwork(model, output, fixed=side is not None).cpu().eval()
        return graph_of(network, torch.rand(1, 3, side or 5 * step, side or 6 * step), side, step)
    except Exception as error:
        raise RefusedError(unwritable(error, side)) from error


def graph_of(network: nn.Module, image: Tensor, side: int | None, step: int) -> ExportedProgram:
    """Return a module of an image ``(1, C, H, W)`` as a graph.

    Open sizes are taken for any size while it is traced, so that what holds for one size only
    doesn't get into the graph unseen.

    Args:
        network: The module, in evaluation mode.
        image: An example.
        side: Height and width of all images; None leaves them open.
        step: What open sizes are multiples of.
    """
    open_sides = None
    if side is None:
        rows, columns = (
            Dim(name, min=2, max=max(_MOST // step, 4)) for name in ('rows', 'columns')
        )
        open_sides = {2: step * rows, 3: step * columns} if step > 1 else {2: rows, 3: columns}
    with warnings.catch_warnings(), torch.no_grad(), patch(backed_size_oblivious=True):
        warnings.simplefilter('ignore')
        shapes = None if open_sides is None else (open_sides,)
        return torch.export.export(network, (image,), dynamic_shapes=shapes, strict=False)


def unwritable(error: Exception, side: int | None) -> str:
    """Return the line on a network whose graph can't be made or written."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    cure = '' if side else '; with --side N all images have one size, which more networks can do'
    return f'this network cannot be exported: {lines[0]}{cure}'
