"""The picture of the overlap policies in docs/annotated_dataset.md.

``python -m docs/images/draw_overlap.py docs/images/overlap.png`` draws it anew.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.images import write_png
from samrs_mm.core.masks import OVERLAP_POLICIES, Instance, compose
from samrs_mm.drawing.colours import class_colour

_HEIGHT, _WIDTH = 150, 220
_GAP, _TITLE = 12, 26
_PLACES = (72, 94), (134, 62), (28, 122)  # of the masks' numbers
_INK, _PAPER, _GREY = (40, 40, 40), (255, 255, 255), (225, 225, 225)


def overlapping() -> list[Instance]:
    """Return three drawn masks, in label order: a small one, a middle one, a large one."""
    drawn = [np.zeros((_HEIGHT, _WIDTH), np.uint8) for _ in range(3)]
    cv2.circle(drawn[0], (92, 88), 24, 1, -1)
    cv2.ellipse(drawn[1], (128, 72), (60, 34), -20, 0, 360, 1, -1)
    cv2.rectangle(drawn[2], (22, 52), (150, 128), 1, -1)
    scores = 0.81, 0.95, 0.88
    return [
        Instance(label, masks.encode(mask), int(mask.sum()), score)
        for label, (mask, score) in enumerate(zip(drawn, scores, strict=True))
    ]


def overlap_figure() -> np.ndarray:
    """Return the masks, and beside them the label map of each policy, ``(H, W, 3)`` uint8 RGB."""
    instances = overlapping()
    panels = [_panel('masks, scores', _outlines(instances))]
    for policy in OVERLAP_POLICIES:
        labels, _ = compose(instances, _HEIGHT, _WIDTH, policy)
        colours = np.full((UNLABELLED + 1, 3), _GREY, np.uint8)
        colours[: len(instances)] = [class_colour(i) for i in range(len(instances))]
        panels.append(_panel(policy, colours[labels]))
    gap = np.full((_HEIGHT + _TITLE, _GAP, 3), _PAPER, np.uint8)
    return cv2.hconcat([part for panel in panels for part in (panel, gap)][:-1])


def _outlines(instances: list[Instance]) -> np.ndarray:
    canvas = np.full((_HEIGHT, _WIDTH, 3), _GREY, np.uint8)
    for instance in instances:
        mask = masks.decode(instance.segmentation)
        colour = np.array(class_colour(instance.label))
        canvas[mask] = (0.6 * canvas[mask] + 0.4 * colour).astype(np.uint8)
        rings, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, rings, -1, colour.tolist(), 2)
    for number, (instance, place) in enumerate(zip(instances, _PLACES, strict=True), 1):
        _write(canvas, f'{number}: {instance.score:.2f}', place, 0.4)
    return canvas


def _panel(title: str, picture: np.ndarray) -> np.ndarray:
    head = np.full((_TITLE, _WIDTH, 3), _PAPER, np.uint8)
    _write(head, title, (2, 18), 0.5)
    return cv2.vconcat([head, picture])


def _write(canvas: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


if __name__ == '__main__':
    write_png(Path(sys.argv[1]), overlap_figure())
