"""A trained segmentation network in an ONNX file, without torch."""

import os
from functools import cached_property
from typing import Any

from samrs_mm.api.scene_network import SceneNetwork
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import file_sha256
from samrs_mm.predict.onnx_model import OnnxModel
from samrs_mm.predict.scene_predictor import ScenePredictor, check_blend, fit_windows


class OnnxNetwork(SceneNetwork):
    """A network that ``tools/export_model.py`` wrote; ``load_onnx`` opens one.

    Attributes:
        about: What its file tells of it: ``checkpoint``, ``config``, ``window``, ...
    """

    def __init__(self, path: str, predictor: ScenePredictor, model: OnnxModel):
        about = model.about
        matched = f'{path}: {len(model.classes)} classes, of {about.get("checkpoint")}'
        super().__init__(predictor, model.classes, path, matched)
        self.about = about

    @cached_property
    def rule(self) -> ImageRule | None:
        """How files are shown to it, as its maker wrote."""
        return ImageRule.from_config(self.about.get('image'))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its predictions, as plain data."""
        return dict(onnx=file_sha256(self._file), **self._how)


def load_onnx(
    path: str | os.PathLike,
    *,
    device: str | None = None,
    window: int | None = None,
    stride: int | None = None,
    blend: str = 'centre',
    batch: int = 4,
    flip: bool = False,
) -> OnnxNetwork:
    """Open a file of ``tools/export_model.py``; the arguments are those of ``load_network``.

    ::

        network = samrs_mm.load_onnx('roofs.onnx')
        labels = network.predict('city.tif')  # (H, W) uint8

    Windows go through it one by one; ``batch`` says how many are held.

    Raises:
        RefusedError: No such file or device, a file of another maker, or windows that can't be.
    """
    check_blend(blend, batch)
    model = OnnxModel(path, device, flip)
    if model.side and window not in (None, model.side[0]):
        raise RefusedError(
            f'window {window}: {path} takes images of {model.side[0]} x {model.side[1]} px only; '
            'leave it out'
        )
    size, step = model.about['window'], model.about['stride']
    size, step = fit_windows(
        (size[0], size[1]), step and (step[0], step[1]), window, stride, blend, model.divisor
    )
    for side in size:
        if side % model.divisor:
            raise RefusedError(f'window {side}: {path} takes multiples of {model.divisor} px')
    predictor = ScenePredictor(model, size, step, blend, batch)
    return OnnxNetwork(os.fspath(path), predictor, model)
