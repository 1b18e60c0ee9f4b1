"""Networks that see no further than known, and scenes for them."""

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules
from PIL import Image
from torch import nn

CLASSES = ('ground', 'roof', 'road', 'tree', 'water')


@MODELS.register_module()
class ShortSighted(BaseModule):
    """Layers of 3 x 3 px; with a stride, then a mean over it and one more layer.

    Without a stride the output at a pixel depends on ``layers`` pixels to each side.
    """

    def __init__(self, layers: int, stride: int = 1, channels: int = 8):
        super().__init__()
        sizes = [3] + [channels] * layers
        parts = [nn.Conv2d(sizes[i], sizes[i + 1], 3, padding=1) for i in range(layers)]
        if stride > 1:
            parts += [nn.AvgPool2d(stride), nn.Conv2d(channels, channels, 3, padding=1)]
        self.layers = nn.Sequential(*(item for part in parts for item in (part, nn.Tanh())))

    def forward(self, inputs):
        return [self.layers(inputs)]


def network(layers: int = 2, stride: int = 1, divisor: int = 4, slide: dict | None = None) -> dict:
    """Return the config of an ``EncoderDecoder``."""
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[120.0, 110.0, 100.0], std=[60.0, 55.0, 50.0],
            bgr_to_rgb=True, pad_val=0, seg_pad_val=255, size_divisor=divisor,
            test_cfg=dict(size_divisor=divisor),
        ),
        backbone=dict(type='ShortSighted', layers=layers, stride=stride),
        decode_head=dict(
            type='FCNHead', in_channels=8, channels=8, in_index=0, num_convs=0, concat_input=False,
            dropout_ratio=0.0, num_classes=len(CLASSES), align_corners=False,
        ),
        test_cfg=dict(mode='slide', **slide) if slide else dict(mode='whole'),
    )  # fmt: skip


def build(seed: int = 0, **options) -> nn.Module:
    register_all_modules(init_default_scope=False)
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    # float64, so that rounding can't be taken for a seam
    model = MODELS.build(ConfigDict(network(**options))).eval().double()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.4)  # far from a tie between classes
    return model


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return blotches ``(height, width, 3)`` uint8 RGB."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    noise = rng.integers(-20, 21, (height, width, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
