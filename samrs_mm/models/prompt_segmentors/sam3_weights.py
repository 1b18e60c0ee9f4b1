"""Building SAM 3's tracker of ``transformers`` and filling it with weights, safely."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.hf_models import (
    check_computing,
    check_folder,
    folder_sha256,
    import_transformers,
    load_folder,
    read_config,
)
from samrs_mm.models.prompt_segmentors.meta_keys import sam3_state
from samrs_mm.models.prompt_segmentors.sam2_weights import check_sizes
from samrs_mm.models.prompt_segmentors.sam_families import SAM3
from samrs_mm.models.prompt_segmentors.weights_files import (
    PublishedWeights,
    check_name,
    checked_sha256,
    load_strictly,
    read_weights,
)

PATCH = 14
_LEVELS = (4.0, 2.0, 1.0)
# With the fourth level that the published config has, transformers adds the embedding that says
# "no memory" to it instead of the third, the one that is decoded.
_FOURTH = 'vision_encoder.neck.fpn_layers.3.'
# Meta's image encoder adds this to variances; transformers, and so the published config, says
# another number.
_EPSILON, _EPSILON_THERE = 1e-5, 1e-6


@dataclass(frozen=True, kw_only=True)
class _PublishedSAM3(PublishedWeights):
    @property
    def advice(self) -> str:
        """Where to get them: both are given after a request there."""
        return f'{super().advice}, or the folder facebook/sam3 of the Hugging Face hub'


# Size and hash stand alike in unrelated public projects that pin the file.
PUBLISHED = {
    'sam3': _PublishedSAM3(
        url='https://huggingface.co/facebook/sam3/resolve/main/sam3.pt',
        size=3_450_062_241,
        sha256='9999e2341ceef5e136daa386eecb55cb414446a00ac2b55eb2dfd2f7c3cf8c9e',
        licence="given on request; under Meta's SAM License, which is no open-source licence: "
        'it forbids some uses, and its terms go with the weights',
    )
}
_SAM3 = dict(
    embed_dim=1024, depth=32, num_heads=16, mlp_dim=4736, global_attn_indexes=[7, 15, 23, 31]
)
_REQUIRED = tuple(_SAM3)
_DEFAULTS = dict(img_size=1008, window_size=24, pretrain_size=336)


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` as plain data.

    Args:
        arch: ``'sam3'``, or sizes of the image encoder: ``embed_dim``, ``depth``, ``num_heads``,
            ``mlp_dim``, ``global_attn_indexes``; optional ``img_size`` (1008, a multiple of 14),
            ``window_size`` (24), ``pretrain_size`` (336, of the position embedding), and ``seed``
            for random weights.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        return check_name(arch, checkpoint, PUBLISHED)
    sizes = _DEFAULTS | check_sizes(arch, _REQUIRED, (*_DEFAULTS, 'seed'), checkpoint)
    if sizes['img_size'] % PATCH:
        raise RefusedError(f'model.arch: img_size={sizes["img_size"]} is not a multiple of {PATCH}')
    return sizes


def build_sam3(
    arch: str | dict[str, Any], checkpoint: str | None, who: str
) -> tuple[nn.Module, str | None]:
    """Return a ``Sam3TrackerModel`` in evaluation mode and the sha256 of its weights, if any.

    Args:
        arch: As ``check_arch`` returns it.
        checkpoint: Meta's file or a Hugging Face folder; None for seeded random weights.
        who: The type that needs it, for messages.

    Raises:
        RefusedError: ``transformers`` is missing or was not tried, or the weights are missing,
            corrupt, or of another architecture.
    """
    transformers = import_transformers(who)
    published = PUBLISHED[arch] if isinstance(arch, str) else None
    path = None if checkpoint is None else Path(checkpoint)
    if path and not path.is_file() and path.suffix not in ('.pt', '.pth'):
        return _from_folder(transformers, path, arch), folder_sha256(path)
    state = None if path is None else read_weights(path, SAM3, published)
    sizes = _DEFAULTS | _SAM3 if isinstance(arch, str) else arch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sizes.get('seed') or 0)
        model = _network(transformers, sizes)
    if state is None:
        return model.eval(), None
    load_strictly(model, sam3_state(state), str(path), arch)
    return model.eval(), checked_sha256(str(path), published)


def _network(transformers: Any, sizes: dict[str, Any]) -> nn.Module:
    """Return a ``Sam3TrackerModel`` of those sizes."""
    config = _config(transformers, sizes)
    return transformers.Sam3TrackerModel._from_config(config, attn_implementation='sdpa')


def _config(transformers: Any, sizes: dict[str, Any]) -> Any:
    """Return the config of a ``Sam3TrackerModel`` that computes as Meta's of those sizes."""
    side, grid = sizes['img_size'], sizes['img_size'] // PATCH
    backbone = transformers.Sam3ViTConfig(
        hidden_size=sizes['embed_dim'],
        intermediate_size=sizes['mlp_dim'],
        num_hidden_layers=sizes['depth'],
        num_attention_heads=sizes['num_heads'],
        image_size=side,
        window_size=sizes['window_size'],
        global_attn_indexes=sizes['global_attn_indexes'],
        pretrain_image_size=sizes['pretrain_size'],
        layer_norm_eps=_EPSILON,
    )
    vision = transformers.Sam3VisionConfig(
        backbone_config=backbone,
        backbone_feature_sizes=[[int(grid * scale)] * 2 for scale in _LEVELS],
        scale_factors=list(_LEVELS),
    )
    prompts = transformers.Sam3TrackerPromptEncoderConfig(image_size=side, patch_size=PATCH)
    return transformers.Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config=prompts,
        mask_decoder_config=transformers.Sam3TrackerMaskDecoderConfig(),
    )


def _from_folder(transformers: Any, path: Path, arch: str | dict[str, Any]) -> nn.Module:
    published = PUBLISHED[arch] if isinstance(arch, str) else None
    check_folder(path, SAM3, published.advice if published else 'pass a folder of SAM 3')
    config = read_config(transformers.Sam3TrackerConfig, transformers, path)
    whole = getattr(config, 'tracker_config', None)
    try:
        if whole is not None:  # the published folder: of the video network around the tracker
            config = transformers.Sam3TrackerConfig(**dict(whole))
        backbone = config.vision_config.backbone_config
        held = _sizes_of(backbone)
        if backbone.layer_norm_eps == _EPSILON_THERE:
            backbone.layer_norm_eps = _EPSILON
    except (AttributeError, TypeError, ValueError) as error:
        raise RefusedError(f'checkpoint {path}: config.json is not of a SAM 3: {error}') from error
    wanted = _DEFAULTS | _SAM3 if isinstance(arch, str) else arch
    wrong = [
        f'{key}={held[key]} instead of {wanted[key]}' for key in held if held[key] != wanted[key]
    ]
    if wrong:
        raise RefusedError(
            f'checkpoint {path}: holds a SAM 3 of {", ".join(wrong)}; set model.arch'
        )
    ours = _config(transformers, wanted)
    check_computing(path, config, ours)
    return load_folder(transformers, transformers.Sam3TrackerModel, ours, path, (_FOURTH,))


def _sizes_of(config: Any) -> dict[str, Any]:
    return dict(
        embed_dim=config.hidden_size,
        depth=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        mlp_dim=config.intermediate_size,
        global_attn_indexes=list(config.global_attn_indexes),
        img_size=config.image_size,
        window_size=config.window_size,
        pretrain_size=config.pretrain_image_size,
    )
