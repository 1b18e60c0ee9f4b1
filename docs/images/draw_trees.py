"""The picture at the top of the README: real tree crowns, their boxes and the masks made of them.

docs/annotation.md says how data/trees-masks is made of the package deepforest; then
``python docs/images/draw_trees.py data/trees-masks docs/images/trees.jpg`` draws it.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.browse.folder_pages import FolderBrowser
from samrs_mm.core import masks
from samrs_mm.core.images import SceneImage
from samrs_mm.core.tiling import Window
from samrs_mm.drawing.colours import class_colour
from samrs_mm.drawing.layout import grid
from samrs_mm.drawing.panels import open_panel

WINDOW = Window(530, 590, 600, 440)  # of the image, in pixels
_BOX_COLOUR = (255, 214, 0)


def trees_figure(folder: Path) -> np.ndarray:
    """Return the boxes of a window and their masks side by side, ``(H, W, 3)`` uint8 RGB."""
    browser = FolderBrowser(folder)
    record = browser.record(browser.names[0])
    image = SceneImage(browser.data_root / record.image.path)
    before, after = (open_panel(image, WINDOW.width, WINDOW) for _ in range(2))
    before.fine = True
    for number, box in enumerate(record.boxes):
        before.polygon(box.corners, _BOX_COLOUR)
        if box.segmentation:
            after.mask(masks.crop(box.segmentation), class_colour(number))
    return grid([before.picture, after.picture], 2, margin=0)


def main(folder: str, target: str) -> None:
    """Write the figure as a JPEG."""
    figure = cv2.cvtColor(trees_figure(Path(folder)), cv2.COLOR_RGB2BGR)
    cv2.imwrite(target, figure, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == '__main__':
    main(*sys.argv[1:])
