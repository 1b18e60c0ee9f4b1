"""A segmentation network as a proposer: the regions of its label maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import SceneImage
from samrs_mm.predict.prediction import predict_scene
from samrs_mm.predict.scene_blends import STEPS
from samrs_mm.propose.components import components
from samrs_mm.propose.proposals import Proposals

if TYPE_CHECKING:
    from samrs_mm.predict.scene_predictor import ScenePredictor


class LabelMaps:
    """Boxes of the connected regions that a network labels as one class.

    A label map and its probabilities are held for an image as a whole: 2 bytes a pixel.

    Args:
        predictor: The network that slides over images.
        classes: Class names by index.
        settings: What decides its label maps, as plain data.
        wanted: Names of those whose regions are objects; none is all.
        rule: How images are shown to it.
        min_area: Least area of a region in pixels.
    """

    def __init__(
        self,
        predictor: 'ScenePredictor',
        classes: Sequence[str],
        settings: dict[str, Any],
        wanted: Sequence[str] = (),
        rule: ImageRule | None = None,
        min_area: int = 1,
    ):
        self.classes, self.rule, self.settings = tuple(classes), rule, settings
        self._predictor, self._min_area = predictor, min_area
        self._wanted = [self.classes.index(name) for name in wanted or self.classes]

    def propose(self, image: SceneImage, least: float) -> Proposals:
        """Return the regions of an image by score, from a score on.

        Raises:
            ImageReadError: It can't be read.
        """
        labels, confidence = [], []
        for strip in predict_scene(self._predictor, image, probabilities=True):
            assert strip.probabilities is not None
            there = np.minimum(strip.labels, len(self.classes) - 1)[None]
            best = np.take_along_axis(strip.probabilities, there, axis=0)[0]
            labels.append(strip.labels)
            confidence.append(np.where(strip.labels == UNLABELLED, 0, best).astype(np.uint8))
        found = components(
            np.concatenate(labels), np.concatenate(confidence), self._wanted, self._min_area
        )
        found.scores = found.scores / STEPS
        found = found[found.scores >= least]
        return found[np.argsort(-found.scores, kind='stable')]
