"""A trained segmentation network in an ONNX file, without torch."""

import json
import os
from functools import cached_property
from typing import Any

from samrs_mm.api.network import Network
from samrs_mm.core.atomic import dump
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import file_sha256
from samrs_mm.predict.onnx_model import OnnxModel
from samrs_mm.predict.scene_predictor import BLENDS, ScenePredictor, fit_windows


class OnnxNetwork(Network):
    """A network that ``tools/export_model.py`` wrote; ``load_onnx`` opens one."""

    predictor: ScenePredictor

    def __init__(self, path: str, predictor: ScenePredictor, model: OnnxModel):
        self.predictor, self.classes = predictor, model.classes
        self._checkpoint, self._model = path, model
        self.matched = f'{path}: {len(model.classes)} classes, of {model.about["checkpoint"]}'

    @cached_property
    def rule(self) -> ImageRule | None:
        """How files are shown to it, as its maker wrote."""
        return ImageRule.from_config(self._model.about.get('image'))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its predictions, as plain data."""
        return dict(
            onnx=file_sha256(self._checkpoint),
            window=list(self.predictor.window),
            stride=list(self.predictor.stride),
            blend=self.predictor.blend,
            tta='flip' if self._model.flip else None,
            **({} if self.rule is None else dict(image=json.loads(dump(self.rule.as_dict())))),
        )


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

    Raises:
        RefusedError: No such file or device, a file of another maker, or windows that can't be.
    """
    if blend not in BLENDS:
        raise RefusedError(f'blend {blend!r} is unknown; allowed: {", ".join(BLENDS)}')
    model = OnnxModel(path, device, flip)
    size = tuple(model.about['window'])
    step = model.about['stride'] and tuple(model.about['stride'])
    if model.side and window not in (None, model.side[0]):
        raise RefusedError(
            f'{path}: takes images of {model.side[0]} x {model.side[1]} px only; leave out the '
            f'window of {window}'
        )
    size, step = fit_windows(size, step, window, stride, blend, model.divisor)
    predictor = ScenePredictor(model, size, step, blend, batch)
    return OnnxNetwork(os.fspath(path), predictor, model)
