"""A small SAM with random weights, pictures and prompts for the tests of SAMSegmentor."""

import copy

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

from samrs_mm.core import boxes as box_ops
from samrs_mm.core.prompts import CLIPPED, PromptBatch, PromptSetting, mask_prompt
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

SMALL = dict(embed_dim=96, depth=2, num_heads=3, global_attn_indexes=(1,), img_size=128, seed=3)

SIZES = {
    'square': (128, 128),
    'wide': (40, 120),
    'tall': (120, 40),
    'tiny': (20, 33),
    'larger than the model': (400, 350),
}


def loaded(device='cpu', **options):
    segmentor = SAMSegmentor(**dict(arch=SMALL, threads=1, device=device) | options)
    segmentor.load()
    return segmentor


def as_published(model):
    """A copy of a SAM whose image encoder attends by the package's own code."""
    model = copy.deepcopy(model)
    for block in model.image_encoder.blocks:
        vars(block.attn).pop('forward', None)
    return model


def lively(model, seed=1):
    """Fill what starts at zero or one, and sharpen the rest: else half of a fresh SAM is dead."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if 'rel_pos' in name or name.endswith('pos_embed'):
                parameter.copy_(0.3 * noise)
            elif parameter.ndim == 1 and name.endswith('bias'):
                parameter.copy_(0.05 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.mul_(1.6)


def scene(height, width, seed=0, count=5):
    """A noisy picture with bright slanted boxes, and the boxes' corners ``(count, 4, 2)``."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(20, 90, (height, width, 3), dtype=np.uint8))
    polygons = []
    for _ in range(count):
        centre = rng.uniform((0, 0), (width, height))
        half = rng.uniform(0.1, 0.3, 2) * min(height, width)
        angle = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        polygon = centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ axes
        ImageDraw.Draw(image).polygon([tuple(p) for p in polygon], tuple(rng.integers(120, 255, 3)))
        polygons.append(polygon)
    return np.asarray(image), np.array(polygons)


def prompts_of(name, polygons, height, width, style=CLIPPED):
    setting = PromptSetting.parse(name)
    hulls = box_ops.bounding_boxes(polygons)
    regions = None
    if setting.mask:
        regions = polygons if setting.mask == 'rbox' else box_ops.corners(hulls)
    return PromptBatch(
        setting,
        boxes=(box_ops.clip(hulls, width, height) if style == CLIPPED else hulls)
        if setting.box
        else None,
        points=polygons.mean(axis=1) if setting.point else None,
        regions=regions,
        style=style,
    )


def authors_mask(region, height, width, side):
    """A mask prompt as the scripts of the paper's authors make it: OpenCV draws and resizes."""
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas = cv2.fillPoly(canvas, [region.astype(np.int32)], (9,) * 3)
    scores = np.where((canvas == 9).all(axis=2), 1000.0, -1000.0)
    scale = side / max(height, width)
    size = int(width * scale + 0.5), int(height * scale + 0.5)
    scores = cv2.resize(scores, size, interpolation=cv2.INTER_LINEAR)
    low, right = side - scores.shape[0], side - scores.shape[1]
    scores = cv2.copyMakeBorder(scores, 0, low, 0, right, cv2.BORDER_CONSTANT, value=-1000)
    return cv2.resize(scores, (side // 4,) * 2, interpolation=cv2.INTER_LINEAR).astype(np.float32)


def gathered(chunks):
    """Return masks, scores and stability of all chunks."""
    parts = zip(*((chunk.whole(), chunk.scores, chunk.stability) for chunk in chunks), strict=True)
    return tuple(np.concatenate(part) for part in parts)


def whole_masks(chunk):
    """Return the masks of a chunk ``(n, H, W)`` at the size of the image."""
    if chunk.window is None:
        return chunk.masks
    y, x, height, width = chunk.window
    rows, columns = chunk.masks.shape[1:]
    masks = np.zeros((len(chunk.masks), height, width), bool)
    masks[:, y : y + rows, x : x + columns] = chunk.masks
    return masks


def results(segmentor, image, prompts):
    return gathered(segmentor.decode(segmentor.encode([image])[0], prompts))


def in_chunks(predictor, prompts, height, width, size):
    """Return masks and scores of ``predictions``."""
    return predictions(predictor, prompts, height, width, size)[:2]


def predictions(predictor, prompts, height, width, size, **options):
    """``SamPredictor.predict_torch``, as its notebook calls it: prompts in batches.

    Returns masks ``(n, H, W)``, scores ``(n,)`` and logits ``(n, S / 4, S / 4)``.
    """
    side = predictor.model.image_encoder.img_size
    device, to = predictor.device, predictor.transform
    parts = []
    for start in range(0, len(prompts), size):
        part = prompts[start : start + size]
        points = labels = boxes = regions = None
        if part.points is not None:
            scaled = to.apply_coords(part.points[:, None], (height, width))
            points = torch.as_tensor(scaled, device=device).float()
            labels = torch.ones(len(part), 1, device=device)
        if part.boxes is not None:
            scaled = to.apply_boxes(part.boxes, (height, width))
            boxes = torch.as_tensor(scaled, device=device).float()
        if part.regions is not None:
            make = mask_prompt if part.style == CLIPPED else authors_mask
            regions = [make(region, height, width, side) for region in part.regions]
            regions = torch.as_tensor(np.array(regions), device=device)[:, None]
        made = predictor.predict_torch(points, labels, boxes, regions, False, **options)
        parts.append([values[:, 0].cpu().numpy() for values in made])
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True))
