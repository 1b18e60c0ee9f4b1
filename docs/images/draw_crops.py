"""The picture of the drawn crops in docs/drawn_crops.md.

``python docs/images/draw_crops.py docs/images/drawn_crops.jpg`` draws it anew.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.drawn.crops import CropDrawer
from samrs_mm.drawn.kinds import KINDS
from samrs_mm.drawn.sheet import contact_sheet

_SEED, _COLUMNS, _SIDE, _QUALITY = 8, 10, 96, 85


def crops_figure() -> np.ndarray:
    """Return a crop of each kind with its box and its mask, ``(H, W, 3)`` uint8 RGB."""
    drawer = CropDrawer(_SEED)
    crops = (drawer.at(index, kind=kind) for index, kind in enumerate(KINDS))
    return contact_sheet(crops, _COLUMNS, _SIDE)


if __name__ == '__main__':
    file = cv2.imencode('.jpg', crops_figure()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    Path(sys.argv[1]).write_bytes(file.tobytes())
