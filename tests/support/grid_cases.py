"""A scene of bright things, and a segmentor that finds them without boxes."""

import numpy as np

from samrs_mm.core import masks
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.proposing import Proposal
from samrs_mm.registry import PROMPT_SEGMENTORS

SIZE = (100, 160)
OBJECTS = [(5, 5, 30, 20), (40, 10, 30, 30), (60, 60, 90, 30), (110, 5, 45, 12), (65, 65, 6, 6)]
"""x, y, width, height; the last lies within the third."""


@PROMPT_SEGMENTORS.register_module()
class BrightSegmentor(PromptSegmentor):
    """Finds what is of one brightness, at the first point that lies on it."""

    proposes = True
    provided_scores = ('score', 'stability')
    images_per_pass = 2
    failing = False

    @property
    def settings(self):
        return dict(type='BrightSegmentor')

    def unsupported(self, setting):
        return 'it takes no boxes'

    def encode(self, images):
        return [image[..., 0] for image in images]

    def decode(self, encoded, prompts):
        raise AssertionError('there are no boxes')

    def propose(self, encoded, prompts, notes):
        notes.append('looked for bright things')
        width, height = prompts.size
        found = []
        for value in np.unique(encoded[encoded >= 100]):
            mask = encoded == value
            mask[height:] = mask[:, width:] = False
            if prompts.valid is not None:
                mask &= prompts.valid
            if mask.sum() >= 4:
                coded = masks.encode(mask)
                found.append(
                    Proposal(len(found), int(value) % 3, (0.0, 0.0), masks.Mask(coded, 0.9, 0.99))
                )
        return found


def bright_scene(number=0):
    """Return a scene ``(H, W, 3)`` uint8 with the objects on a dark ground."""
    image = np.full((*SIZE, 3), 20, np.uint8)
    for k, (x, y, w, h) in enumerate(OBJECTS):
        image[y : y + h, x : x + w] = 100 + 10 * k + number
    return image
