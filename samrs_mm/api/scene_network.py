"""What all networks on images in memory or in files do, whatever runs them."""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from samrs_mm.api.inputs import ImageLike, read_scene
from samrs_mm.core.atomic import dump
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.wording import counted

if TYPE_CHECKING:
    from samrs_mm.predict.scene_blends import Strip
    from samrs_mm.predict.scene_predictor import ScenePredictor


class SceneNetwork:
    """A trained network.

    Attributes:
        classes: Class names; the position is the value in label maps.
        predictor: What slides the window.
        matched: A line on what was loaded.
    """

    def __init__(
        self, predictor: 'ScenePredictor', classes: tuple[str, ...], file: str, matched: str
    ):
        self.predictor, self.classes = predictor, classes
        self.matched, self._file = matched, file

    def predict(self, image: ImageLike) -> np.ndarray:
        """Return the class index of each pixel, ``(H, W)`` uint8, as ``tools/predict.py`` does.

        Pixels of a file without data (nodata, alpha 0, masked) are 255.

        Args:
            image: ``(H, W, 3)`` uint8 RGB of any size (OpenCV reads BGR: turn it by
                ``image[..., ::-1]``), ``(H, W)`` grey, or an image file. Of a network of other
                bands ``(H, W, bands)``, float32 where its config says ``form='values'``.

        Raises:
            InputError: An array that is no image of 8 bits.
            ImageReadError: A file that can't be read.
        """
        return np.concatenate([strip.labels for strip in self._strips(image)])

    def probabilities(self, image: ImageLike) -> np.ndarray:
        """Return the probability of each class, ``(K, H, W)`` float32, NaN without data.

        In steps of 1/250, as ``tools/predict.py`` writes them; see ``predict``.
        """
        from samrs_mm.predict.scene_blends import STEPS

        parts = [strip.probabilities for strip in self._strips(image, probabilities=True)]
        steps = np.concatenate([part for part in parts if part is not None], axis=1)
        return np.where(steps == UNLABELLED, np.nan, steps.astype(np.float32) / STEPS)

    def _strips(self, image: ImageLike, probabilities: bool = False) -> 'Iterator[Strip]':
        from samrs_mm.predict.prediction import predict_scene

        scene = read_scene(image, stream=True, rule=self.rule, bands=self.predictor.model.bands)
        return predict_scene(self.predictor, scene, probabilities)

    @cached_property
    def rule(self) -> ImageRule | None:
        """How files are shown to it."""
        raise NotImplementedError

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its predictions, as plain data."""
        raise NotImplementedError

    @property
    def _how(self) -> dict[str, Any]:
        """Part of ``settings``: how images are shown, and how it slides over them."""
        predictor = self.predictor
        return dict(
            window=list(predictor.window),
            stride=list(predictor.stride),
            blend=predictor.blend,
            tta='flip' if predictor.model.flip else None,
            **({} if self.rule is None else dict(image=json.loads(dump(self.rule.as_dict())))),
        )

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self._file}: {counted(len(self.classes), "class")}>'
