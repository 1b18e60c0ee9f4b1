"""A network whose masks are known, and pictures for it."""

import cv2
import numpy as np
import torch
from torch import nn

from samrs_mm.models.boxnet.inputs import CHANNELS
from samrs_mm.models.boxnet.maker import MaskMaker
from samrs_mm.models.boxnet.network import BoxNet
from samrs_mm.models.boxnet.weights import WeightsInfo, save_weights

AT = {name: i for i, name in enumerate(CHANNELS)}
SMALL = WeightsInfo(widths=(8, 16), side=32, recipe=dict(seed=0))


class Painted(nn.Module):
    """Takes for the object what a channel is above 0 in; remembers the crops that it saw."""

    multiple = 4

    def __init__(self, channel='box'):
        super().__init__()
        self.channel, self.seen = channel, []

    def forward(self, crops):
        """Return logits as ``BoxNet`` does; the IoU's is the share of the crop that is object."""
        self.seen.append(crops)
        if self.channel == 'box':
            logits = torch.minimum(crops[:, AT['across_x']], crops[:, AT['across_y']])
        else:
            logits = crops[:, AT[self.channel]]
        return 4 * logits, (logits > 0).float().mean(dim=(1, 2))


def painter(channel='box', side=64, **options):
    """Return a maker of masks by ``Painted``."""
    return MaskMaker(Painted(channel), WeightsInfo(), side, torch.device('cpu'), **options)


def random_weights(path, info=SMALL, seed=0):
    """Write random weights of a small network, whose masks are neither empty nor whole."""
    torch.manual_seed(seed)
    network = BoxNet(info.widths)
    with torch.no_grad():
        network.mask.weight *= 8
    save_weights(path, network, info)
    return path


def bright_ellipses(height=120, width=160, count=6, seed=0):
    """Bright ellipses on dark noise: image, masks ``(N, H, W)`` bool, R-Boxes ``(N, 4, 2)``."""
    rng = np.random.default_rng(seed)
    image = rng.integers(20, 60, (height, width, 3), dtype=np.uint8)
    masks, boxes = [], []
    for _ in range(count):
        centre, half = rng.uniform(25, (width - 25, height - 25)), rng.uniform(6, 20, 2)
        angle = rng.uniform(0, 180)
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, (tuple(centre), tuple(2 * half), angle), 1, -1)
        image[mask > 0] = 220
        masks.append(mask > 0)
        boxes.append(cv2.boxPoints((tuple(centre), tuple(2 * half), angle)))
    return image, np.array(masks), np.array(boxes, float)


def iou(first, second):
    """Return the IoU of two masks."""
    return (first & second).sum() / max((first | second).sum(), 1)


def whole(found, height, width):
    """Return an ``ObjectMask`` at the picture's size."""
    mask = np.zeros((height, width), bool)
    y, x = found.corner
    mask[y : y + found.mask.shape[0], x : x + found.mask.shape[1]] = found.mask
    return mask
