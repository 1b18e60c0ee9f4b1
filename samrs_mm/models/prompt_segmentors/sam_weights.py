"""Building a SAM and filling it with weights, safely."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.sam_families import SAM
from samrs_mm.models.prompt_segmentors.weights_files import (
    PublishedWeights,
    checked_sha256,
    load_strictly,
    read_weights,
)

_PATCH = 16
_PROMPT_DIM = 256


@dataclass(frozen=True, kw_only=True)
class PublishedSAM(PublishedWeights):
    """A published SAM, and the sizes of its image encoder."""

    embed_dim: int
    depth: int

    @property
    def sizes(self) -> dict[str, int]:
        """As ``sizes_of`` returns them."""
        return dict(embed_dim=self.embed_dim, depth=self.depth, img_size=1024)


_HOST = 'https://dl.fbaipublicfiles.com/segment_anything/'
# Addresses: README of facebookresearch/segment-anything, which prints neither sizes nor hashes;
# these stand alike in a dozen unrelated public projects that pin the files.
PUBLISHED = {
    'vit_h': PublishedSAM(
        url=f'{_HOST}sam_vit_h_4b8939.pth',
        size=2_564_550_879,
        sha256='a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e',
        embed_dim=1280,
        depth=32,
    ),
    'vit_l': PublishedSAM(
        url=f'{_HOST}sam_vit_l_0b3195.pth',
        size=1_249_524_607,
        sha256='3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622',
        embed_dim=1024,
        depth=24,
    ),
    'vit_b': PublishedSAM(
        url=f'{_HOST}sam_vit_b_01ec64.pth',
        size=375_042_383,
        sha256='ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912',
        embed_dim=768,
        depth=12,
    ),
}

_REQUIRED = ('embed_dim', 'depth', 'num_heads', 'global_attn_indexes')
_OPTIONAL = ('img_size', 'window_size', 'seed')


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` as plain data.

    Args:
        arch: A published name, or sizes: ``embed_dim``, ``depth``, ``num_heads``,
            ``global_attn_indexes``; optional ``img_size`` (1024, a multiple of 16),
            ``window_size`` (14), and ``seed`` for random weights.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        if arch not in PUBLISHED:
            raise RefusedError(
                f'model.arch={arch!r}; allowed: {", ".join(PUBLISHED)}, or a dict of sizes'
            )
        published = PUBLISHED[arch]
        if checkpoint is None:
            raise RefusedError(
                f'model.arch={arch!r} without weights: {published.advice} as '
                f'checkpoints/{published.file} and pass it as checkpoint (--checkpoint)'
            )
        return arch
    missing = [key for key in _REQUIRED if key not in arch]
    unknown = [key for key in arch if key not in _REQUIRED + _OPTIONAL]
    if missing or unknown:
        raise RefusedError(
            f'model.arch: {"missing" if missing else "unknown"} {", ".join(missing or unknown)}; '
            f'needed: {", ".join(_REQUIRED)}; optional: {", ".join(_OPTIONAL)}'
        )
    if checkpoint is None and arch.get('seed') is None:
        raise RefusedError('model.arch: random weights need a seed; add seed=0, or a checkpoint')
    sizes = dict(img_size=1024, window_size=14) | dict(arch)
    if sizes['img_size'] % _PATCH:
        raise RefusedError(
            f'model.arch: img_size={sizes["img_size"]} is not a multiple of {_PATCH}'
        )
    return sizes | dict(global_attn_indexes=list(arch['global_attn_indexes']))


def build_sam(
    arch: str | dict[str, Any], checkpoint: str | None, mapped: bool = False
) -> tuple[nn.Module, str | None]:
    """Return a SAM in evaluation mode, on the CPU, and the sha256 of its weights file, if any.

    Args:
        arch: As ``check_arch`` returns it.
        checkpoint: Path of the weights; None for seeded random ones.
        mapped: Leave the weights in their file, to be read when they are used.

    Raises:
        RefusedError: ``segment_anything`` is not installed, or the weights are missing, corrupt,
            or of another architecture.
    """
    try:
        import segment_anything
    except ImportError as error:
        raise RefusedError(
            f'SAMSegmentor needs segment_anything ({error}): pip install segment-anything==1.0'
        ) from error
    state = None if checkpoint is None else _read(Path(checkpoint), arch, mapped)
    if mapped and state is not None:
        sam = _without_weights(arch)
    elif isinstance(arch, str):
        sam = segment_anything.sam_model_registry[arch]()
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(arch.get('seed') or 0)
            sam = _sam_of_sizes(arch)
    if state is None:
        return sam.eval(), None
    load_strictly(sam, state, str(checkpoint), arch, assign=mapped)
    return sam.eval(), checked_sha256(str(checkpoint), _published(arch))


def _without_weights(arch: str | dict[str, Any]) -> nn.Module:
    """Return a SAM whose weights take no memory and have no values."""
    from segment_anything import modeling, sam_model_registry

    with torch.device('meta'):
        sam = sam_model_registry[arch]() if isinstance(arch, str) else _sam_of_sizes(arch)
    # The mean and deviation of pixels are in no file.
    return modeling.Sam(sam.image_encoder, sam.prompt_encoder, sam.mask_decoder)


def _sam_of_sizes(sizes: dict[str, Any]) -> nn.Module:
    """As ``segment_anything.build_sam._build_sam``, with the encoder's sizes left open."""
    from segment_anything import modeling

    grid = sizes['img_size'] // _PATCH
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            depth=sizes['depth'],
            embed_dim=sizes['embed_dim'],
            img_size=sizes['img_size'],
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            num_heads=sizes['num_heads'],
            patch_size=_PATCH,
            use_rel_pos=True,
            global_attn_indexes=sizes['global_attn_indexes'],
            window_size=sizes['window_size'],
            out_chans=_PROMPT_DIM,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=_PROMPT_DIM,
            image_embedding_size=(grid, grid),
            input_image_size=(sizes['img_size'], sizes['img_size']),
            mask_in_chans=16,
        ),
        mask_decoder=modeling.MaskDecoder(
            transformer=modeling.TwoWayTransformer(
                depth=2, embedding_dim=_PROMPT_DIM, mlp_dim=2048, num_heads=8
            ),
            transformer_dim=_PROMPT_DIM,
        ),
    )


def _read(path: Path, arch: str | dict[str, Any], mapped: bool) -> dict[str, torch.Tensor]:
    published = _published(arch)
    state = read_weights(path, SAM, published, mapped)
    try:
        found = sizes_of(state)
    except (KeyError, IndexError, AttributeError) as error:
        raise RefusedError(f'checkpoint {path}: holds a SAM without {error}') from error
    wanted = published.sizes if published else {key: arch[key] for key in found}
    if found != wanted:
        raise RefusedError(
            f'checkpoint {path}: holds {_name(found)}, not {_name(wanted)}; set model.arch to '
            'what it holds, or pass the other checkpoint'
        )
    return state


def _published(arch: str | dict[str, Any]) -> PublishedSAM | None:
    return PUBLISHED.get(arch) if isinstance(arch, str) else None


def sizes_of(state: dict[str, torch.Tensor]) -> dict[str, int]:
    """Return embed_dim, depth and img_size of a SAM's weights."""
    blocks = {key.split('.')[2] for key in state if str(key).startswith('image_encoder.blocks.')}
    return dict(
        embed_dim=state['image_encoder.patch_embed.proj.weight'].shape[0],
        depth=len(blocks),
        img_size=state['image_encoder.pos_embed'].shape[1] * _PATCH,
    )


def _name(sizes: dict[str, int]) -> str:
    other = 'a SAM of ' + ', '.join(f'{key}={value}' for key, value in sizes.items())
    return next((name for name, weights in PUBLISHED.items() if weights.sizes == sizes), other)
