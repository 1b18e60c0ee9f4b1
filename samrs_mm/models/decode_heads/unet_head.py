"""The UNet decoder of the SAMRS models.

Source: Ronneberger et al. 2015, arXiv:1505.04597; block structure and parameter names as in
https://github.com/qubvel-org/segmentation_models.pytorch (MIT), which the authors' weights follow.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from samrs_mm.core.errors import RefusedError


class UNetBlock(nn.Module):
    """Doubles a map, joins the skip connection (of 0 channels: none), and convolves twice."""

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        out_channels: int,
        norm_cfg: dict[str, Any],
        act_cfg: dict[str, Any],
    ):
        super().__init__()

        def conv(channels: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
                build_norm_layer(norm_cfg, out_channels)[1],
                build_activation_layer(act_cfg),
            )

        self.conv1 = conv(in_channels + skip_channels)
        self.conv2 = conv(out_channels)

    def forward(self, inputs: Tensor, skip: Tensor | None = None) -> Tensor:
        """Decode ``(N, in_channels, H, W)`` into ``(N, out_channels, 2 H, 2 W)``.

        The ``skip``, ``(N, skip_channels, h, w)``, is resized where it isn't of that size.
        """
        features = resize(inputs, scale_factor=2, mode='nearest')
        if skip is not None:
            skip = resize(skip, size=features.shape[2:], mode='bilinear', align_corners=False)
            features = torch.cat([features, skip], dim=1)
        return self.conv2(self.conv1(features))


@MODELS.register_module()
class UNetHead(BaseDecodeHead):
    """Decodes a feature pyramid by UNet blocks, up to twice the size after the last of them.

    With levels at strides 4 to 32 the blocks end at stride 2, and the features are doubled
    bilinearly to the image's size. Then ``conv_seg``, 3x3, classifies, as in the released weights;
    the paper describes a 1x1 convolution before the doubling.

    Args:
        in_channels: Channels of the levels, finest first.
        decoder_channels: Channels of the blocks, coarsest first, one per level; the last is the
            width that the classifier sees.
        norm_cfg: Config of the norm layers.
        dropout_ratio: Dropout before the classifier; the authors use none.
        **kwargs: As for ``BaseDecodeHead``: ``num_classes``, ``in_index``, ``loss_decode``, ...

    Raises:
        RefusedError: Not as many blocks as levels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        decoder_channels: Sequence[int] = (512, 256, 128, 64),
        norm_cfg: dict[str, Any] | None = None,
        dropout_ratio: float = 0.0,
        **kwargs: Any,
    ):
        if len(decoder_channels) != len(in_channels):
            raise RefusedError(
                f'UNetHead: decoder_channels={tuple(decoder_channels)} for in_channels='
                f'{tuple(in_channels)}; give one decoder width per level'
            )
        super().__init__(
            in_channels,
            decoder_channels[-1],
            input_transform='multiple_select',
            norm_cfg=norm_cfg or dict(type='BN'),
            dropout_ratio=dropout_ratio,
            **kwargs,
        )
        self.conv_seg = nn.Conv2d(self.channels, self.out_channels, kernel_size=3, padding=1)
        *skips, deepest = in_channels
        below = [deepest, *decoder_channels[:-1]]
        self.blocks = nn.ModuleList(
            UNetBlock(inputs, skip, outputs, self.norm_cfg, self.act_cfg)
            for inputs, skip, outputs in zip(
                below, [*skips[::-1], 0], decoder_channels, strict=True
            )
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, out_channels, 4 H_0, 4 W_0)`` for levels at strides 4, 8, 16, 32.

        Args:
            inputs: Levels ``(N, in_channels[i], H_i, W_i)``, finest first.
        """
        *skips, features = self._transform_inputs(inputs)  # coarsest last: (N, C, H_3, W_3)
        for block, skip in zip(self.blocks, [*skips[::-1], None], strict=True):
            features = block(features, skip)  # twice as high and wide, at last (N, C, 2 H_0, 2 W_0)
        features = resize(
            features, scale_factor=2, mode='bilinear', align_corners=self.align_corners
        )
        return self.cls_seg(features)
