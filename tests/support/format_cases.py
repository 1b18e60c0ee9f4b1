"""Two pictures with three boxes, as the tools of others write them: ``tests/data/box_formats``."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from samrs_mm.core.boxes import geometry

FOLDER = Path(__file__).parents[1] / 'data/box_formats'
SIZES = {'harbour one': (60, 40), 'pier': (32, 48)}
"""Width and height of the pictures, by name without suffix."""

BOXES = {
    'harbour one': [('harbour', (4, 6, 20, 16)), ('ship', (30, 10, 50, 34))],
    'pier': [('harbour', (2, 5, 30, 25))],
}
"""Class and x0, y0, x1, y1 of each box, as they were given to the tools."""


def draw(path, size):
    """Write a picture of some size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(path)


def take(name, root, images='images', suffix='.png'):
    """Copy the labels of a tool to a folder, and draw their pictures into one inside."""
    shutil.copytree(FOLDER / name, root)
    for stem, size in SIZES.items():
        draw(root / images / f'{stem}{suffix}', size)
    return root


def boxes_of(dataset):
    """Return class and H-Box (around an R-Box) of each box of a dataset, by scene."""
    found = {}
    for index, scene in enumerate(dataset.scenes):
        boxes = dataset.labels(index).boxes
        hboxes = geometry(boxes).hboxes.tolist()
        found[scene.stem] = [(b.category, tuple(h)) for b, h in zip(boxes, hboxes, strict=True)]
    return found


def assert_boxes(dataset, expected=None, atol=1e-6, stems=None):
    """Check classes and H-Boxes against those that the tools were given."""
    found, expected = boxes_of(dataset), expected or BOXES
    if stems:
        expected = {stems[stem]: boxes for stem, boxes in expected.items()}
    assert found.keys() == expected.keys()
    for stem, boxes in expected.items():
        assert [name for name, _ in found[stem]] == [name for name, _ in boxes]
        np.testing.assert_allclose(
            [box for _, box in found[stem]], [box for _, box in boxes], atol=atol
        )
