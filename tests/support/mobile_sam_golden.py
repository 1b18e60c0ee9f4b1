"""What the package ``mobile_sam`` predicts with small random weights, for where it is missing.

``python tests/support/mobile_sam_golden.py`` writes ``tests/data/sam_family/mobile_sam.json`` anew;
it needs ``pip install mobilesam-mirror``.
"""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
from sam_cases import predictions, prompts_of, scene
from sam_hq_cases import SIZES, SMALL_TINY, enliven

from samrs_mm.core.prompts import PAPER_SETTINGS
from samrs_mm.models.prompt_segmentors.sam_weights import sam_around
from samrs_mm.models.prompt_segmentors.tiny_vit import build_tiny_vit

FILE = Path(__file__).resolve().parents[1] / 'data/sam_family/mobile_sam.json'
CHUNK = 2
# Every setting on one of the shapes, and a box on all.
SHOWN = {shape: sorted({'hbox', *PAPER_SETTINGS[i :: len(SIZES)]}) for i, shape in enumerate(SIZES)}


def reference():
    """Return the predictor of ``mobile_sam`` around a network with lively random weights."""
    modeling = import_module('mobile_sam.modeling')
    network = sam_around(modeling, build_tiny_vit(modeling, SMALL_TINY))
    return import_module('mobile_sam').SamPredictor(enliven(network).requires_grad_(False))


def sample(values, count=12):
    """Return a few of the values of an array, and their mean and deviation."""
    flat = np.asarray(values).ravel()
    some = flat[np.linspace(0, len(flat) - 1, count).astype(int)]
    return [*some.tolist(), float(flat.mean()), float(flat.std())]


def described(masks, scores, logits):
    """Return what is kept of the predictions of a setting."""
    return dict(
        scores=scores.tolist(), logits=sample(logits), pixels=masks.sum(axis=(1, 2)).tolist()
    )


def main():
    predictor, golden = reference(), {}
    for shape, names in SHOWN.items():
        size = SIZES[shape]
        image, polygons = scene(*size, count=CHUNK)
        predictor.set_image(image)
        golden[shape] = dict(features=sample(predictor.features, 24))
        for name in names:
            prompts = prompts_of(name, polygons, *size)
            golden[shape][name] = described(*predictions(predictor, prompts, *size, CHUNK))
    rows = (
        f'"{shape}": {{\n'
        + ',\n'.join(f'  "{name}": {json.dumps(kept)}' for name, kept in rows.items())
        + '\n}'
        for shape, rows in golden.items()
    )
    FILE.write_text('{' + ',\n'.join(rows) + '}\n')


if __name__ == '__main__':
    main()
