"""Logits of drawn objects, and their masks at the image's size by torch on the whole."""

import numpy as np
import torch
import torch.nn.functional as F

SIZES = {
    'of the network': (1024, 1024),
    'small': (300, 421),
    'wide': (120, 1300),
    'tall': (500, 90),
    'tiny': (20, 33),
    'large': (1150, 1400),
}


def scaled_by_torch(low_res, frame):
    """``Sam.postprocess_masks``, and what SAM 2 does where the image is stretched."""
    logits, size = low_res[:, None], frame.input_size
    if not frame.stretched:
        logits = F.interpolate(logits, (frame.side,) * 2, mode='bilinear', align_corners=False)
        logits = logits[..., : size[0], : size[1]]
    logits = F.interpolate(logits, frame.original_size, mode='bilinear', align_corners=False)
    return logits[:, 0]


def slow(low_res, frame, threshold=0.0):
    """Masks and stability scores by definition, on all pixels."""
    logits = scaled_by_torch(low_res, frame)
    smaller = (logits > threshold + 1.0).sum((1, 2), dtype=torch.int32)
    larger = (logits > threshold - 1.0).sum((1, 2), dtype=torch.int32)
    return (logits > threshold).numpy(), (smaller / larger).nan_to_num(0).numpy()


def objects(rng, side, places, noise=0.4):
    """Logits ``(n, side, side)`` of noisy blobs: centre x, y and radii in cells."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    made = [
        np.clip(12 * (1 - np.hypot((x - cx) / rx, (y - cy) / ry)), -18, 10)
        + rng.normal(0, noise, (side, side))
        for cx, cy, rx, ry in places
    ]
    return torch.as_tensor(np.array(made), dtype=torch.float32)


def gathered(made, frame):
    """Return masks ``(n, H, W)`` and stability scores of windows."""
    masks, stability = [], []
    for window in made:
        mask = np.zeros(frame.original_size, bool)
        h, w = window.mask.shape
        mask[window.y : window.y + h, window.x : window.x + w] = window.mask
        masks.append(mask)
        stability.append(window.stability)
    return np.array(masks), np.concatenate(stability)
