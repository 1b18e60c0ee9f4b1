"""The parts of gpu_check.py, which runs `gpu_parts.py PART OUT.json` for each."""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_masks import (
    Scale,
    agreement,
    draw,
    draw_boxes,
    encode,
    enliven,
    guarded,
    masks_of,
    predictor_masks,
    untouched,
)
from gpu_tiles import part_tiles
from gpu_training import part_ranks, part_sep

from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS

SMALL = dict(embed_dim=96, depth=2, num_heads=3, global_attn_indexes=[1], img_size=256)
HIERA = dict(embed_dim=24, stages=[1, 1, 2, 1], num_heads=1, global_attn_indexes=[3])
ROPE = dict(embed_dim=64, depth=4, num_heads=2, mlp_dim=128, global_attn_indexes=[1, 3])
TINY = dict(
    embed_dims=[64, 128, 160, 320],
    depths=[1, 1, 2, 1],
    num_heads=[4, 5, 10],
    window_sizes=[7, 14, 7],
)
NETWORKS: dict[str, dict[str, Any]] = dict(
    SAMSegmentor=dict(SMALL, seed=0),
    SAM2Segmentor=dict(HIERA, img_size=256, seed=0),
    SAM3Segmentor=dict(ROPE, img_size=224, window_size=4, pretrain_size=112, seed=0),
    HQSAMSegmentor=dict(SMALL, seed=0),
    MobileSAMSegmentor=dict(TINY, seed=0),
)
"""Small random networks of the family, by its members' names."""
PREDICTORS = dict(
    SAMSegmentor='segment_anything',
    HQSAMSegmentor='segment_anything_hq',
)
"""Packages whose ``SamPredictor`` a member's exact way equals."""
SHAPES = dict(square=(256, 256), wide=(200, 600), tall=(600, 200), tiny=(30, 40))
FULL = Scale('cuda', 'vit_h', side=1024, boxes=16, staged=16, seconds=7, workers=8)
REHEARSAL = Scale('cpu', SMALL, side=256, boxes=3, staged=2, seconds=0.2, workers=0)


def part_parity(scale: Scale, rows: dict) -> None:
    """Compare each member of the family on the device with the CPU, SAM with its predictor too."""
    kinds = PROMPT_SEGMENTORS.load_all().items()
    for name, kind in kinds:
        if not issubclass(kind, SAMFamilySegmentor):
            continue
        if name not in NETWORKS:
            rows[name] = 'no small network of it here'
        else:
            with guarded(rows, name):
                compare_devices(name, kind, scale, rows)


def compare_devices(name: str, kind: type, scale: Scale, rows: dict) -> None:
    """Add a row for each shape of image to those of a member of the family."""
    made = [kind(arch=NETWORKS[name], device=device) for device in (scale.device, 'cpu')]
    for segmentor in made:
        segmentor.load()
        enliven(segmentor.model.cpu())
        segmentor.model.to(segmentor.device)
    plain = untouched(made[0].model) if name in PREDICTORS else None
    rng, exact = np.random.default_rng(1), {}
    for shape, (height, width) in SHAPES.items():
        image, boxes = draw(height, width, rng), draw_boxes(height, width, 12, rng)
        here, there = (masks_of(each, image, boxes) for each in made)
        exact[shape] = image, boxes, here
        row = agreement(here, there)
        if name in PREDICTORS:
            theirs = predicted(PREDICTORS[name], plain, image, boxes)
            row['as_predictor'] = here == theirs
        rows[f'{name}, {shape}'] = row
    made[0].kernels = 'fast'
    made[0]._use_fast_kernels()
    for shape, (image, boxes, here) in exact.items():
        fast = agreement(masks_of(made[0], image, boxes), here)
        rows[f'{name}, {shape}'] |= dict(fast_pixels=fast['pixels'], fast_least=fast['iou_least'])


def predicted(
    package: str, model: torch.nn.Module, image: np.ndarray, boxes: np.ndarray
) -> list[dict]:
    """Return the run-length codes of the masks of a package's ``SamPredictor``."""
    predictor = importlib.import_module(package).SamPredictor(model)
    predictor.set_image(image)
    return [encode(mask) for mask in predictor_masks(predictor, boxes)]


PARTS: dict[str, Callable[[Any, dict], None]] = dict(
    parity=part_parity, tiles=part_tiles, sep=part_sep, ranks=part_ranks
)


def main(argv: list[str] | None = None) -> int:
    """Run a part and write its rows, also those of a part that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('out', type=Path)
    parser.add_argument('--small', action='store_true')
    args = parser.parse_args(argv)
    rows: dict[str, Any] = {}
    with guarded(rows, args.part):
        PARTS[args.part](REHEARSAL if args.small else FULL, rows)
    args.out.write_bytes(json.dumps(rows).encode())
    return 0


if __name__ == '__main__':
    sys.exit(main())
