"""Square windows around objects, for sample sheets."""

from collections.abc import Sequence

import numpy as np

from samrs_mm.core.tiling import Window

_ROOM, _LEAST = 1.5, 40


def window_around(bounds: Sequence[float] | None, width: int, height: int) -> Window:
    """Return the square window that shows an object with some of what is around it.

    Args:
        bounds: x0, y0, x1, y1 of the object in pixels; None takes the whole image.
        width: Image width in pixels.
        height: Image height in pixels.

    Returns:
        A window inside the image, of at least 40 px where the image has them.
    """
    if bounds is None:
        return Window(0, 0, width, height)
    x0, y0, x1, y1 = np.clip(bounds, 0, [width, height, width, height]).tolist()
    side = int(np.ceil(max((x1 - x0) * _ROOM, (y1 - y0) * _ROOM, _LEAST)))
    size = min(side, width), min(side, height)
    x = int(np.clip((x0 + x1 - size[0]) / 2, 0, width - size[0]))
    y = int(np.clip((y0 + y1 - size[1]) / 2, 0, height - size[1]))
    return Window(x, y, *size)
