"""What the parts of gpu_check.py share: pictures, boxes, masks and how far these agree."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as coco

from samrs_mm.core.errors import describe
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor


@dataclass(frozen=True)
class Scale:
    """How much is done: sizes in pixels, counts of images."""

    device: str
    arch: str | dict[str, Any]
    side: int
    boxes: int
    staged: int
    seconds: float
    workers: int


@contextmanager
def guarded(rows: dict, row: str) -> Iterator[None]:
    """Let a row fail alone: it says why."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is, the other rows are of use)
        rows[row] = f'failed: {describe(error)}'[:300]
        rows.setdefault('problem', f'{row} failed')


def wait(device: str) -> None:
    """Wait for the device's work."""
    if device == 'cuda':
        torch.cuda.synchronize()


def enliven(model: torch.nn.Module) -> None:
    """Fill what is zero in a fresh SAM, and smooth its masks, which would be noise."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if 'rel_pos' in name or name.endswith('pos_embed'):
                weight.copy_(torch.randn(weight.shape) * 0.3)
            if 'output_upscaling' in name and weight.ndim == 4:
                weight.copy_(weight.mean((2, 3), keepdim=True).expand_as(weight))


def untouched(model: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a SAM that computes as its package does: attention in place is ours."""
    model = copy.deepcopy(model)
    for block in getattr(model.image_encoder, 'blocks', ()):
        vars(block.attn).pop('forward', None)
    return model


def draw(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth picture ``(height, width, 3)`` uint8."""
    noise = rng.integers(0, 255, (48, 48, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def draw_boxes(height: int, width: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return boxes ``(count, 4)``: x0, y0, x1, y1 of some 2 to 20 % of the sides."""
    low = rng.random((count, 2)) * 0.75
    high = low + 0.02 + rng.random((count, 2)) * 0.2
    return np.hstack([low, high]) * [width, height, width, height]


def prompts_of(boxes: np.ndarray) -> PromptBatch:
    """Return the prompts of upright boxes ``(N, 4)``."""
    return PromptBatch(PromptSetting('hbox'), boxes, None, None)


def masks_of(segmentor: PromptSegmentor, image: np.ndarray, boxes: np.ndarray) -> list[dict]:
    """Return the masks of boxes as COCO's run-length codes."""
    return decoded(segmentor, segmentor.encode([image])[0], boxes)


def decoded(segmentor: PromptSegmentor, encoded: Any, boxes: np.ndarray) -> list[dict]:
    """Return the same of an image that is encoded."""
    chunks = segmentor.decode(encoded, prompts_of(boxes))
    return [code for chunk in chunks for code in chunk.encoded()]


def predictor_masks(predictor: Any, boxes: np.ndarray) -> np.ndarray:
    """Return the masks ``(N, H, W)`` bool that ``SamPredictor`` makes of its image, in chunks."""
    found = []
    for start in range(0, len(boxes), 20):
        scaled = predictor.transform.apply_boxes(boxes[start : start + 20], predictor.original_size)
        scaled = torch.as_tensor(scaled, device=predictor.device).float()
        masks = predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)[0]
        found.append(masks[:, 0].cpu().numpy())
    return np.concatenate(found)


def encode(mask: np.ndarray) -> dict:
    """Return a mask ``(H, W)`` bool as COCO's run-length code, with text, as ours."""
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return code | dict(counts=code['counts'].decode())


def agreement(ours: list[dict], theirs: list[dict]) -> dict[str, Any]:
    """Return how far two runs' masks agree: pixels that differ, and IoU."""
    differ = total = 0
    for one, other in zip(ours, theirs, strict=True):
        differ += int((coco.decode(one) != coco.decode(other)).sum())
        total += one['size'][0] * one['size'][1]
    pairs = ((dict(a), dict(b)) for a, b in zip(ours, theirs, strict=True))  # no subclasses
    ious = [float(coco.iou([a], [b], [0])[0, 0]) for a, b in pairs if coco.area([a, b]).any()]
    return dict(
        pixels=f'{differ} of {total}',
        iou_mean=round(float(np.mean(ious)), 5) if ious else None,
        iou_least=round(min(ious), 4) if ious else None,
        below_099=f'{sum(iou < 0.99 for iou in ious)} of {len(ious)}',
    )
