"""Backbones of Hugging Face's transformers, in any size that they come in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from samrs_mm.compat import refuse_missing_package
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import one_line

_UNUSED = ('mask_token', 'pooler', 'swin.layernorm', 'swinv2.layernorm')


@MODELS.register_module()
class HuggingFaceBackbone(BaseModule):
    """An ``AutoBackbone``: DINOv2, DINOv3, Swin, ConvNeXt V2, PVT v2, FocalNet, BEiT and others.

    Its maps are those of the stages, or of a plain transformer of four of its blocks, all of the
    stride of its patches: a neck such as mmseg's ``Feature2Pyramid`` makes levels of them. Nothing
    is downloaded: weights come from ``init_cfg``, written by ``convert_checkpoint.py``.

    Args:
        config: As in a ``config.json`` of the hub: ``model_type`` and what differs from its
            defaults; or the path of such a file, or of its folder.
        in_channels: Bands of the images, whatever ``num_channels`` the config says.
        out_indices: Which stages or blocks, counted from 1; None takes the four stages, or the
            blocks at the quarters of the depth.
        init_cfg: As for ``BaseModule``.

    ``out_channels`` are the channels of the maps.

    Raises:
        RefusedError: transformers is missing or has no backbone of that type, or the config can't
            be.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ):
        super().__init__(init_cfg)
        refuse_missing_package(type(self).__name__)
        import transformers

        values = dict(_read(config) if isinstance(config, str) else config)
        kind = values.pop('model_type', None)
        values['num_channels'] = in_channels
        try:
            made = transformers.AutoConfig.for_model(kind, **values)
            made.set_output_features_output_indices(
                out_features=None, out_indices=list(out_indices or _quarters(made))
            )
            self.model = transformers.AutoBackbone.from_config(made)
        except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
            raise RefusedError(
                f'HuggingFaceBackbone: config.model_type={kind!r}: {one_line(error)[:300]}; choose '
                'a type that transformers has a Backbone of, such as dinov2, dinov3_vit, swin, '
                'convnextv2'
            ) from error
        self.out_channels = tuple(self.model.channels)
        for name, weight in self.model.named_parameters():
            if any(part in name for part in _UNUSED):  # DDP would wait for their gradients
                weight.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, out_channels[i], h, w)`` of images ``(B, in_channels, H, W)``."""
        return tuple(self.model(images).feature_maps)


def _read(path: str) -> dict[str, Any]:
    from transformers import PretrainedConfig

    file = Path(path, 'config.json') if Path(path).is_dir() else Path(path)
    try:
        return PretrainedConfig._dict_from_json_file(file)
    except (OSError, ValueError) as error:
        raise RefusedError(
            f'HuggingFaceBackbone: config={path!r}: {one_line(error)}; give a config.json'
        ) from error


def _quarters(config: Any) -> list[int]:
    """Return the stages, of four, or else the blocks at the quarters of the depth."""
    last = len(config.stage_names) - 1
    return [last * quarter // 4 for quarter in range(1, 5)]
