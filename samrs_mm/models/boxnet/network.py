"""The network: a U-Net on crops whose pixels are unshuffled, with a head for the mask's IoU."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samrs_mm.models.boxnet.inputs import CHANNELS

_GROUPS = 8
_IOU_FEATURES = 48


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.GroupNorm(_GROUPS, outputs),
    ]


class Residual(nn.Module):
    """Two convolutions beside an identity, of any number of channels that 8 divides."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, channels), nn.SiLU(), *_convolution(channels, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        return F.silu(features + self.layers(features))


class BoxNet(nn.Module):
    """Makes a mask, and what it thinks of it, of each crop.

    ::

        input ─ unshuffle ─ stem ──────────────────────── + ─ Residual ─ shuffle ─ mask
        (14, S)            (S / 2) ─ down ─────────── + ─ Residual ↗       └────┐
                                    (S / 4) ─ ... ↗                   deepest ─ IoU

    Args:
        widths: Channels of the levels, at S / 2, S / 4, ...; multiples of 8.

    Attributes:
        widths: The same.
    """

    def __init__(self, widths: Sequence[int] = (32, 48, 80, 112)):
        super().__init__()
        self.widths = tuple(widths)
        first, last = self.widths[0], self.widths[-1]
        steps = list(pairwise(self.widths))
        self.stem = nn.Sequential(
            *_convolution(4 * len(CHANNELS), first), nn.SiLU(), Residual(first)
        )
        self.down = nn.ModuleList(
            nn.Sequential(*_convolution(fine, coarse, stride=2), nn.SiLU(), Residual(coarse))
            for fine, coarse in steps
        )
        self.deep = Residual(last)
        self.lift = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in steps)
        self.up = nn.ModuleList(Residual(fine) for fine, _ in steps)
        self.mask = nn.Conv2d(first, 4, 3, padding=1)
        self.iou = nn.Sequential(
            nn.Linear(last + first + 2, _IOU_FEATURES), nn.SiLU(), nn.Linear(_IOU_FEATURES, 1)
        )

    @property
    def multiple(self) -> int:
        """The sides of crops are multiples of it, in pixels."""
        return 2 ** len(self.widths)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Compute masks and IoUs; the IoU's gradient stays in its own head.

        Args:
            crops: ``(N, 14, S, S)``, see ``inputs.network_input``; S a multiple of ``multiple``.

        Returns:
            Logits of the masks ``(N, S, S)`` and of their IoUs ``(N,)``, float32.
        """
        features = self.stem(F.pixel_unshuffle(crops, 2))
        levels = []
        for down in self.down:
            levels.append(features)
            features = down(features)
        features = self.deep(features)
        deepest = features.mean(dim=(2, 3))
        for lift, up, level in zip(
            reversed(self.lift), reversed(self.up), reversed(levels), strict=True
        ):
            lifted = F.interpolate(
                lift(features), scale_factor=2.0, mode='bilinear', align_corners=False
            )
            features = up(level + lifted)
        logits = F.pixel_shuffle(self.mask(features), 2)[:, 0].float()
        return logits, self._iou(logits.detach(), features.detach(), deepest.detach())

    def _iou(self, logits: Tensor, features: Tensor, deepest: Tensor) -> Tensor:
        """Return the logits ``(N,)`` of the IoUs, from the mask and what lies under it."""
        chances = logits.sigmoid()
        area = chances.mean(dim=(1, 2))[:, None] + 1e-4
        sureness = (chances * chances).mean(dim=(1, 2))[:, None] / area
        under = F.avg_pool2d(chances[:, None], 2)
        inside = (features * under).mean(dim=(2, 3)) / area
        return self.iou(torch.cat([deepest, inside, area, sureness], 1).float())[:, 0]
