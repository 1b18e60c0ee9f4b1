"""What mask makers make of labels' masks that are spoiled: a table in Markdown.

True masks of drawn scenes are spoiled, each in the ways that people's masks are, and prompt GrabCut
and BoxNet alone and with the box around them. Sizes are in shares of the root of a mask's area.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from boxnet_table import Picture, iou_of, pictures_of, table, whole

from samrs_mm.core import masks
from samrs_mm.core.mask_boxes import box_of_mask
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.drawn.dataset import write_demo_dataset
from samrs_mm.models.prompt_segmentors.boxnet import BoxNetSegmentor
from samrs_mm.models.prompt_segmentors.grabcut import GrabCutSegmentor

SHARE, CORNERS = 0.12, 0.25
PROMPTS = ('hbox', 'mask', 'hbox+mask')


def few_corners(mask: np.ndarray) -> np.ndarray:
    """Return a mask as a polygon of a few corners."""
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    made = np.zeros(mask.shape, np.uint8)
    allowed = CORNERS * np.sqrt(mask.sum())
    cv2.fillPoly(made, [cv2.approxPolyDP(each, allowed, True) for each in outlines], 1)
    return made.view(bool)


def resized(mask: np.ndarray, share: float) -> np.ndarray:
    """Return a mask whose edge is moved outwards, or inwards where negative."""
    moved = share * np.sqrt(mask.sum())
    outside = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inside = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, inside > -moved, outside <= moved)


def shifted(mask: np.ndarray) -> np.ndarray:
    """Return a mask that is moved, down and to the right."""
    step = SHARE * np.sqrt(mask.sum()) / np.sqrt(2)
    matrix = np.array([[1, 0, step], [0, 1, step]])
    moved = cv2.warpAffine(mask.view(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)
    return moved.view(bool)


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'exact': lambda mask: mask,
    'polygons of a few corners': few_corners,
    f'grown by {SHARE:.0%}': lambda mask: resized(mask, SHARE),
    f'shrunk by {SHARE:.0%}': lambda mask: resized(mask, -SHARE),
    f'shifted by {SHARE:.0%}': shifted,
}


def prompts_of(prompt: str, spoiled: list[np.ndarray]) -> PromptBatch:
    """Return prompts of masks, as the annotating tool makes them of labels."""
    setting = PromptSetting.parse(prompt, masks=True)
    corners = np.array([box_of_mask(mask, oriented=False) for mask in spoiled])
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return PromptBatch(
        setting,
        boxes=boxes if setting.box else None,
        masks=[masks.encode(mask) for mask in spoiled] if setting.of_labels else None,
    )


def score(picture: Picture, segmentors: dict, ious: dict[tuple, list[float]]) -> None:
    """Add the IoUs of a picture's objects by way, segmentor and prompt."""
    size = picture.pixels.shape[:2]
    for way, spoil in WAYS.items():
        pairs = [(item.mask, spoil(item.mask)) for item in picture.objects]
        true, spoiled = zip(*[pair for pair in pairs if pair[1].any()], strict=True)
        ious[way, 'labels', ''] += map(iou_of, spoiled, true)
        for name, segmentor in segmentors.items():
            encoded = segmentor.encode([picture.pixels])[0]
            for prompt in PROMPTS:
                chunks = segmentor.decode(encoded, prompts_of(prompt, list(spoiled)))
                made = [mask for chunk in chunks for mask in whole(chunk, size)]
                ious[way, name, prompt] += map(iou_of, made, true)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scenes', type=int, default=3, help='of each domain of the demo')
    parser.add_argument('--seed', type=int, default=0, help='of the scenes')
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    boxnet = BoxNetSegmentor(threads=1, device='cpu')
    boxnet.load()
    segmentors = {'GrabCut': GrabCutSegmentor(threads=1), 'BoxNet': boxnet}
    ious: dict[tuple, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for domain in 'ab':
            root = Path(scratch, domain)
            for _ in write_demo_dataset(root, args.scenes, seed=args.seed, domain=domain):
                pass
            for picture in pictures_of('drawn', COCOBoxDataset(str(root), ground_truth=True), 1):
                score(picture, segmentors, ious)
                print(f'{picture.name}: {len(picture.objects)} objects', file=sys.stderr)
    columns = [(name, prompt) for name in segmentors for prompt in PROMPTS]
    header = ['masks of the labels', 'objects', 'as they are', *map(' '.join, columns)]
    rows = []
    for way in WAYS:
        shown = [ious[(way, *key)] for key in [('labels', ''), *columns]]
        rows.append([way, str(len(shown[0])), *(f'{np.mean(each):.3f}' for each in shown)])
    print(table(header, rows))
    return 0


if __name__ == '__main__':
    sys.exit(main())
