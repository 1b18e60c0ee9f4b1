"""A traced network as a file of ONNX or of torch.export, with what stands beside it."""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram

from samrs_mm.core.atomic import dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.onnx_files import file_bytes
from samrs_mm.predict.exported_network import colours_of, unwritable
from samrs_mm.predict.onnx_model import ABOUT
from samrs_mm.predict.window_model import WindowModel

_MOST_BYTES = 2**31 - 2**24
"""Of weights, as a file of protobuf holds less than 2 GiB."""


def as_onnx(
    program: ExportedProgram, output: str, side: int | None, told: Mapping[str, str]
) -> bytes:
    """Return a traced network as an ONNX file.

    Raises:
        RefusedError: It is too large, or has parts that ONNX lacks.
    """
    weights = (*program.state_dict.values(), *program.constants.values())
    size = sum(each.nbytes for each in weights if isinstance(each, torch.Tensor))
    if size > _MOST_BYTES:
        raise RefusedError(
            f'weights of {size:,} bytes: an ONNX file holds less than 2 GiB; FILE.pt2 takes them'
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            made: Any = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=['image'], output_names=[output]
            )
    except Exception as error:
        raise RefusedError(unwritable(error, side)) from error
    return file_bytes(made.model_proto, told)


def as_torch(program: ExportedProgram, told: Mapping[str, str]) -> bytes:
    """Return a traced network as a file that ``torch.export.load`` reads."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=dict(told))
    return file.getvalue()


def metadata(
    model: WindowModel, classes: Sequence[str], window: Sequence[int],
    stride: Sequence[int] | None, output: str, about: Mapping[str, Any],
) -> dict[str, str]:  # fmt: skip
    """Return what ``OnnxModel`` needs to know, and what QGIS' plugin Deepness reads.

    Deepness sets scores below 0 to 0 before it looks for the highest, so logits aren't told to it
    as a network of its kind.

    Args:
        model: The network.
        classes: Names of the classes.
        window: Height and width of windows that slide over a scene.
        stride: Their distances; None for 2/3 of the window.
        output: One of ``OUTPUTS``.
        about: Where the weights come from, and how images are shown.
    """
    value = getattr(model.preprocessor, 'pad_val', 0)  # behind the normalisation
    padding = [mean + value * std for mean, std in zip(*colours_of(model), strict=True)]
    own = dict(
        about, classes=list(classes), window=list(window), stride=stride and list(stride),
        output=output, divisor=model.divisor, padding=padding, sums_masks=model.sums_masks,
    )  # fmt: skip
    told: dict[str, Any] = dict(class_names={str(k): name for k, name in enumerate(classes)})
    if output == 'probabilities':
        overlap = round(100 * (1 - stride[0] / window[0])) if stride else 33
        told |= dict(
            model_type='Segmentor', tile_size=window[0], tiles_overlap=overlap, seg_thresh=0.0,
            seg_small_segment=0,
        )  # fmt: skip
    return {key: json.dumps(value) for key, value in told.items()} | {
        ABOUT: dump(own).decode().strip()
    }
