"""A segmentation network as an ONNX file that holds its preprocessing."""

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samrs_mm.core.atomic import dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.predict.onnx_model import ABOUT
from samrs_mm.predict.window_model import WindowModel

OUTPUTS = ('logits', 'probabilities')
_MOST = 16384
"""Largest side of an image in pixels."""


class ExportedNetwork(nn.Module):
    """Images ``(N, 3, H, W)`` RGB in 0..1 to scores ``(N, K, H, W)`` at their full size.

    H and W are multiples of the network's stride.

    Args:
        model: The network, which stays as it is.
        output: ``'logits'`` or ``'probabilities'``.
    """

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
        metas = [dict(meta, source=self.source)] * pixels.shape[0]
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


def export(model: WindowModel, side: int | None, output: str) -> Any:
    """Return a network as a model of ONNX, on the CPU.

    Args:
        model: The network.
        side: Height and width of all images; None leaves them open.
        output: One of ``OUTPUTS``.

    Raises:
        RefusedError: A package is missing, a side that the network can't take, a network that sums
            masks and has no logits, or one that can't be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RefusedError(
            f"writing ONNX needs onnx and onnxscript ({error}): pip install '.[onnx]'"
        ) from error
    step = model.divisor
    if side is not None and side % step:
        raise RefusedError(f'--side {side}: the network takes multiples of {step} px')
    network = ExportedNetwork(model, output).cpu().eval()
    example = torch.rand(1, 3, side or 5 * step, side or 6 * step)
    dynamic = None
    if side is None:
        most = max(_MOST // step, 4)
        rows, columns = (torch.export.Dim(name, min=2, max=most) for name in ('rows', 'columns'))
        dynamic = dict(image={2: step * rows, 3: step * columns} if step > 1
                       else {2: rows, 3: columns})  # fmt: skip
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')
            program = torch.onnx.export(
                network, (example,), dynamo=True, verbose=False, input_names=['image'],
                output_names=[output], dynamic_shapes=dynamic,
            )  # fmt: skip
    except Exception as error:
        open_sides = '' if side else '; with --side N all images have one size, which more can do'
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RefusedError(f'this network cannot be written as ONNX: {line}{open_sides}') from error
    return program.model_proto


def add_metadata(
    proto: Any, model: WindowModel, classes: Sequence[str], window: Sequence[int],
    stride: Sequence[int] | None, output: str, about: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write what ``OnnxModel`` needs to know, and what QGIS' plugin Deepness reads.

    Args:
        proto: The model of ONNX.
        model: The network that it was made of.
        classes: Names of the classes.
        window: Height and width of windows that slide over a scene.
        stride: Their distances; None for 2/3 of the window.
        output: One of ``OUTPUTS``.
        about: Where the weights come from, and how images are shown.
    """
    import onnx

    value = getattr(model.preprocessor, 'pad_val', 0)  # behind the normalisation
    padding = [mean + value * std for mean, std in zip(*colours_of(model), strict=True)]
    own = dict(
        about, classes=list(classes), window=list(window), stride=stride and list(stride),
        output=output, divisor=model.divisor, padding=padding, sums_masks=model.sums_masks,
    )  # fmt: skip
    overlap = round(100 * (1 - stride[0] / window[0])) if stride else 33
    told = dict(
        model_type='Segmentor', class_names={str(k): name for k, name in enumerate(classes)},
        tile_size=window[0], tiles_overlap=overlap, seg_thresh=0.0,
    )  # fmt: skip
    props = {key: json.dumps(value) for key, value in told.items()}
    props[ABOUT] = dump(own).decode().strip()
    onnx.helper.set_model_props(proto, props)


class _PlainPool(nn.Module):
    """``AdaptiveAvgPool2d`` by two products of matrices, which sizes may be open in."""

    def __init__(self, output: int | tuple[int, int]):
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
