"""COCO's mask AP of boxes that each were given one mask.

Source: https://cocodataset.org/#detection-eval, by pycocotools.
"""

import contextlib
import io
from collections import Counter

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIZES = {
    'tiny': (0, 10**2),
    'small': (10**2, 32**2),
    'medium': (32**2, 96**2),
    'large': (96**2, 1e10),
}
"""Bins of the true masks' areas in pixels, lower end included. COCO's small is tiny and small."""


def average_precision(truth: dict, detections: list[dict]) -> dict[str, float]:
    """Return COCO's mask AP, averaged over the categories that occur.

    As many detections count as an image has, not COCO's 100: a scene may hold thousands of objects,
    and nothing here is proposed twice. Equal scores rank in the detections' order; without scores
    AP is a statement of recall and precision alone.

    ``truth`` is the content of a COCO file: images, categories, and annotations with unique ids,
    ``area``, ``iscrowd`` and ``segmentation`` (RLE); ``detections`` are COCO results.

    Returns:
        ``AP`` (IoU 0.50 to 0.95), ``AP50`` and ``AP75`` in [0, 1], and ``AP`` of each of ``SIZES``;
        NaN where there is no true mask. Sizes are COCO's areas, both ends included.
    """
    most = Counter(entry['image_id'] for entry in truth['annotations'])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        # loadRes of pycocotools 2.0.9 and 2.0.10 wants an info
        coco.dataset = dict(info={}) | truth
        coco.dataset['annotations'] = [_plain(entry) for entry in truth['annotations']]
        coco.createIndex()
        found = COCO()
        found.dataset = dict(coco.dataset, annotations=[])
        found.createIndex()
        if detections:  # loadRes takes no empty list
            found = coco.loadRes([_plain(entry) for entry in detections])
        evaluation = COCOeval(coco, found, 'segm')
        evaluation.params.maxDets = [1, 10, max(100, *most.values(), 0)]
        evaluation.params.areaRng = [(0, 1e10), *SIZES.values()]
        evaluation.params.areaRngLbl = ['all', *SIZES]
        evaluation.evaluate()
        evaluation.accumulate()
    # (IoU thresholds, recall steps, categories, areas, detections allowed); -1 where nothing is.
    precision = evaluation.eval['precision'][..., -1]
    precision = np.where(precision < 0, np.nan, precision)
    thresholds = np.round(evaluation.params.iouThrs, 2)
    return {
        'AP': _mean(precision[..., 0]),
        'AP50': _mean(precision[thresholds == 0.5][..., 0]),
        'AP75': _mean(precision[thresholds == 0.75][..., 0]),
        **{name: _mean(precision[..., i]) for i, name in enumerate(SIZES, 1)},
    }


def _plain(entry: dict) -> dict:
    """Return a copy with its mask as a dict and no kind of it, as pycocotools asks."""
    return dict(entry, segmentation=dict(entry['segmentation']))


def _mean(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float('nan')
