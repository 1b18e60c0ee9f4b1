"""The network as an ONNX file, for programs without torch: a browser, QGIS, C++."""

import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.core.onnx_files import file_bytes, need_packages
from samrs_mm.models.boxnet.inputs import CHANNELS
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import WeightsInfo

OPSET = 17


class _Calibrated(nn.Module):
    """The network with scores in place of the IoUs' logits."""

    def __init__(self, network: BoxNet, info: WeightsInfo):
        super().__init__()
        self.network, self.info = network, info

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        logits, iou = self.network(crops)
        return logits, self.info.score(iou)


def write_onnx(
    path: Path, network: BoxNet, info: WeightsInfo, side: int, source: dict[str, str]
) -> None:
    """Write a network.

    The file takes ``crops`` ``(N, 14, side, side)`` float32 (see ``inputs.network_input``) and
    gives ``logits`` ``(N, side, side)``, the object where above 0, and ``score`` ``(N,)`` in
    [0, 1]. N is free. Its metadata have the names of the channels and what ``source`` says.

    Raises:
        RefusedError: The package ``onnx`` is not installed.
        OSError: The file can't be written.
    """
    need_packages('onnx')
    import onnx

    crops = torch.zeros(2, len(CHANNELS), side, side)
    names = ('crops', 'logits', 'score')
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that is the default since torch 2.9 needs onnxscript, and gains nothing here.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            _Calibrated(network, info).eval(),
            (crops,),
            file,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: 'N'} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(file.getvalue())
    told = source | {'channels': dump(list(CHANNELS)).decode().strip(), 'side': str(side)}
    atomic_write(path, file_bytes(model, told))
