"""A picture that says which colour is which class."""

from collections.abc import Sequence

import cv2
import numpy as np

from samrs_mm.drawing.overlays import class_colour

_LINE, _SWATCH, _FONT = 28, 60, cv2.FONT_HERSHEY_SIMPLEX


def legend(names: Sequence[str]) -> np.ndarray:
    """Return a line per class, value, colour and name, as ``(H, W, 3)`` uint8 RGB.

    Args:
        names: Classes, in the order of their values.
    """
    texts = [f'{index} {name}' for index, name in enumerate(names)]
    width = max(cv2.getTextSize(text, _FONT, 0.6, 1)[0][0] for text in texts)
    picture = np.full((_LINE * len(texts), _SWATCH + 20 + width, 3), 255, np.uint8)
    for index, text in enumerate(texts):
        top = index * _LINE
        picture[top + 3 : top + _LINE - 3, 6:_SWATCH] = class_colour(index)
        place = (_SWATCH + 10, top + _LINE - 9)
        cv2.putText(picture, text, place, _FONT, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return picture
