"""Contact sheets of drawn crops, for people to look at."""

from collections.abc import Iterable

import cv2
import numpy as np

from samrs_mm.core.crop_sample import DrawnCrop

_BOX, _MASK, _CLICK, _SO_FAR = (255, 160, 60), (60, 255, 80), (255, 60, 200), (60, 160, 255)
_GAP = 2


def tile(crop: DrawnCrop, side: int = 192) -> np.ndarray:
    """Return a crop in its pictures' shape with its outlines, ``(side, side, 3)`` uint8 RGB.

    The mask's outline is green, the box orange, clicks pink, the mask so far blue. The crop's
    longer side fills the tile; what has no data is black.
    """
    longest = crop.reach.max()
    width, height = np.maximum(np.rint(side * crop.reach / longest), 8).astype(int).tolist()
    view = np.zeros((side, side, 3), np.uint8)
    inner = cv2.resize(crop.image, (width, height), interpolation=cv2.INTER_LINEAR)
    _outline(inner, crop.target, _MASK)
    if crop.previous is not None:
        _outline(inner, crop.previous, _SO_FAR)
    scale = np.array([width, height]) / 2 / crop.reach
    if crop.half is not None:
        ends = [crop.centre - crop.half, crop.centre + crop.half]
        (x0, y0), (x1, y1) = np.rint((ends + crop.reach) * scale).astype(int).tolist()
        cv2.rectangle(inner, (x0, y0), (x1 - 1, y1 - 1), _BOX, 1)
    for x, y, _ in crop.clicks * ([*(np.array([width, height]) / crop.side), 1]):
        cv2.circle(inner, (int(x), int(y)), 3, _CLICK, -1)
    top, left = (side - height) // 2, (side - width) // 2
    view[top : top + height, left : left + width] = inner
    return view


def _outline(view: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw the line at which a mask's values pass a half."""
    fine = cv2.resize(mask, view.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    found, _ = cv2.findContours((fine > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(view, found, -1, colour, 1)


def contact_sheet(
    crops: Iterable[DrawnCrop], columns: int = 8, side: int = 192, plain: bool = False
) -> np.ndarray:
    """Return tiles of crops in rows, ``(H, W, 3)`` uint8 RGB.

    Args:
        crops: At least one.
        columns: Tiles a row.
        side: Of a tile in pixels.
        plain: Whether each crop is shown again without outlines, to the left.
    """
    tiles = []
    for crop in crops:
        if plain:
            bare = cv2.resize(crop.image, (side, side), interpolation=cv2.INTER_LINEAR)
            tiles.append(bare)
        tiles.append(tile(crop, side))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (side + _GAP), columns * (side + _GAP), 3), 40, np.uint8)
    for number, view in enumerate(tiles):
        y, x = (number // columns) * (side + _GAP), (number % columns) * (side + _GAP)
        sheet[y : y + side, x : x + side] = view
    return sheet
