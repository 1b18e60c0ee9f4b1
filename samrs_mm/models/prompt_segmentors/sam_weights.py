"""Building a SAM, or a network in SAM's layout, and filling it with weights, safely."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors import tiny_vit
from samrs_mm.models.prompt_segmentors.hf_models import folder_sha256
from samrs_mm.models.prompt_segmentors.sam_families import SAM
from samrs_mm.models.prompt_segmentors.sam_folders import read_folder
from samrs_mm.models.prompt_segmentors.weights_files import (
    PublishedWeights,
    check_name,
    checked_sha256,
    load_strictly,
    read_weights,
)

_PATCH = 16
_PROMPT_DIM = 256


@dataclass(frozen=True, kw_only=True)
class PublishedSAM(PublishedWeights):
    """A published SAM; ``sizes`` are those of its image encoder, as ``sizes_of`` returns them."""

    sizes: Mapping[str, Any]


VIT_SIZES = {
    'vit_h': dict(embed_dim=1280, depth=32, img_size=1024),
    'vit_l': dict(embed_dim=1024, depth=24, img_size=1024),
    'vit_b': dict(embed_dim=768, depth=12, img_size=1024),
}
"""Of the image encoders of SAM and HQ-SAM."""
_VIT_HEADS = {
    'vit_h': dict(num_heads=16, global_attn_indexes=[7, 15, 23, 31], window_size=14),
    'vit_l': dict(num_heads=16, global_attn_indexes=[5, 11, 17, 23], window_size=14),
    'vit_b': dict(num_heads=12, global_attn_indexes=[2, 5, 8, 11], window_size=14),
}
"""What their weights don't tell."""

_HOST = 'https://dl.fbaipublicfiles.com/segment_anything/'
# Addresses: README of facebookresearch/segment-anything, which prints neither sizes nor hashes;
# these stand alike in a dozen unrelated public projects that pin the files.
PUBLISHED = {
    'vit_h': PublishedSAM(
        url=f'{_HOST}sam_vit_h_4b8939.pth',
        size=2_564_550_879,
        sha256='a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e',
        sizes=VIT_SIZES['vit_h'],
    ),
    'vit_l': PublishedSAM(
        url=f'{_HOST}sam_vit_l_0b3195.pth',
        size=1_249_524_607,
        sha256='3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622',
        sizes=VIT_SIZES['vit_l'],
    ),
    'vit_b': PublishedSAM(
        url=f'{_HOST}sam_vit_b_01ec64.pth',
        size=375_042_383,
        sha256='ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912',
        sizes=VIT_SIZES['vit_b'],
    ),
}

_REQUIRED = ('embed_dim', 'depth', 'num_heads', 'global_attn_indexes')
_OPTIONAL = ('img_size', 'window_size', 'seed')


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` of a SAM as plain data.

    Args:
        arch: A published name, or sizes (see ``check_vit_sizes``).
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        return check_name(arch, checkpoint, PUBLISHED)
    return check_vit_sizes(arch, checkpoint)


def check_keys(
    arch: Mapping[str, Any], checkpoint: str | None, required: Sequence[str],
    optional: Sequence[str],
) -> None:  # fmt: skip
    """Check the names of sizes; ``optional`` has ``seed``, that of random weights.

    Raises:
        RefusedError: A missing or unknown size, or neither a seed nor a checkpoint.
    """
    missing = [key for key in required if key not in arch]
    unknown = [key for key in arch if key not in (*required, *optional)]
    if missing or unknown:
        raise RefusedError(
            f'model.arch: {"missing" if missing else "unknown"} {", ".join(missing or unknown)}; '
            f'needed: {", ".join(required)}; optional: {", ".join(optional)}'
        )
    if checkpoint is None and arch.get('seed') is None:
        raise RefusedError('model.arch: random weights need a seed; add seed=0, or a checkpoint')


def check_vit_sizes(arch: Mapping[str, Any], checkpoint: str | None) -> dict[str, Any]:
    """Return the sizes of SAM's ViT as plain data.

    Args:
        arch: ``embed_dim``, ``depth``, ``num_heads``, ``global_attn_indexes``; optional
            ``img_size`` (1024, a multiple of 16), ``window_size`` (14), and ``seed`` for random
            weights.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: A missing or unknown size, or no source of weights.
    """
    check_keys(arch, checkpoint, _REQUIRED, _OPTIONAL)
    sizes = dict(img_size=1024, window_size=14) | dict(arch)
    if sizes['img_size'] % _PATCH:
        raise RefusedError(
            f'model.arch: img_size={sizes["img_size"]} is not a multiple of {_PATCH}'
        )
    return sizes | dict(global_attn_indexes=list(arch['global_attn_indexes']))


def import_segment_anything(needed_by: str) -> ModuleType:
    """Return the package ``segment_anything``.

    Raises:
        RefusedError: It is not installed.
    """
    try:
        import segment_anything
    except ImportError as error:
        raise RefusedError(
            f'{needed_by} needs segment_anything ({error}): pip install segment-anything==1.0'
        ) from error
    return segment_anything


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
    segment_anything = import_segment_anything('SAMSegmentor')

    def make() -> nn.Module:
        if isinstance(arch, str):
            return segment_anything.sam_model_registry[arch]()
        encoder = vit_of_sizes(segment_anything.modeling, arch)
        return sam_around(segment_anything.modeling, encoder)

    return build_and_fill(make, arch, checkpoint, SAM, PUBLISHED, mapped)


def build_and_fill(
    make: Callable[[], nn.Module], arch: str | Mapping[str, Any], checkpoint: str | None,
    family: str, published: Mapping[str, PublishedSAM], mapped: bool = False,
) -> tuple[nn.Module, str | None]:  # fmt: skip
    """Return a network in evaluation mode, on the CPU, and the sha256 of its weights file, if any.

    Args:
        make: Gives the network; its random weights follow the seed of ``arch``.
        arch: A name in ``published``, or checked sizes.
        checkpoint: Path of the weights; None for seeded random ones.
        family: One of ``sam_families``, whose weights are wanted.
        published: Its published weights by name.
        mapped: Leave the weights in their file, to be read when they are used.

    Raises:
        RefusedError: The weights are missing, corrupt, or of something else.
    """
    known = published[arch] if isinstance(arch, str) else None
    if checkpoint is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0 if isinstance(arch, str) else arch.get('seed') or 0)
            return make().eval(), None
    path = Path(checkpoint)
    state = _read(path, arch, family, published, mapped)
    sam = _without_weights(make) if mapped else make()
    load_strictly(sam, state, str(checkpoint), arch, assign=mapped)
    sha256 = folder_sha256(path) if path.is_dir() else checked_sha256(str(checkpoint), known)
    # After the weights: TinyViT keeps a table that it makes of them here.
    return sam.eval(), sha256


def _without_weights(make: Callable[[], nn.Module]) -> nn.Module:
    """Return a SAM whose weights take no memory and have no values."""
    with torch.device('meta'):
        sam = make()
    # The mean and deviation of pixels are in no file.
    return type(sam)(sam.image_encoder, sam.prompt_encoder, sam.mask_decoder)


def vit_of_sizes(modeling: Any, sizes: Mapping[str, Any]) -> nn.Module:
    """Return an image encoder as ``build_sam._build_sam`` makes it, with its sizes left open.

    Args:
        modeling: Of ``segment_anything``, or of ``segment_anything_hq``.
        sizes: As ``check_vit_sizes`` returns them.
    """
    return modeling.ImageEncoderViT(
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
    )


def sam_around(
    modeling: Any, encoder: nn.Module, decoder: type[nn.Module] | None = None, **options: Any
) -> nn.Module:
    """Return a SAM around an image encoder, as ``build_sam._build_sam`` makes it.

    Args:
        modeling: Of ``segment_anything``, or of ``segment_anything_hq``.
        encoder: Its ``img_size`` is the side of the square that it sees.
        decoder: Class of the mask decoder; None is ``modeling.MaskDecoder``.
        **options: Of the mask decoder.
    """
    grid = encoder.img_size // _PATCH
    return modeling.Sam(
        image_encoder=encoder,
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=_PROMPT_DIM,
            image_embedding_size=(grid, grid),
            input_image_size=(encoder.img_size, encoder.img_size),
            mask_in_chans=16,
        ),
        mask_decoder=(decoder or modeling.MaskDecoder)(
            transformer=modeling.TwoWayTransformer(
                depth=2, embedding_dim=_PROMPT_DIM, mlp_dim=2048, num_heads=8
            ),
            transformer_dim=_PROMPT_DIM,
            **options,
        ),
    )


def _read(
    path: Path, arch: str | Mapping[str, Any], family: str,
    published: Mapping[str, PublishedSAM], mapped: bool,
) -> dict[str, torch.Tensor]:  # fmt: skip
    known = published[arch] if isinstance(arch, str) else None
    if family == SAM and path.is_dir():
        vit = _VIT_HEADS[arch] if isinstance(arch, str) else arch
        state = read_folder(path, vit, known.advice if known else 'pass a folder of SAM')
    else:
        state = read_weights(path, family, known, mapped)
    try:
        found = sizes_of(state)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise RefusedError(f'checkpoint {path}: holds a {family} without {error}') from error
    wanted = known.sizes if known else {key: arch.get(key) for key in found}
    if found != wanted:
        raise RefusedError(
            f'checkpoint {path}: holds {_name(found, family, published)}, not '
            f'{arch if known else _name(wanted, family, published)}; set model.arch to what it '
            'holds, or pass the other checkpoint'
        )
    return state


def sizes_of(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return what a SAM's weights tell of its image encoder, a ViT or a TinyViT.

    Of a ViT they are embed_dim, depth and img_size, of a TinyViT see ``tiny_vit.sizes_of``.

    Raises:
        KeyError: A weight is missing.
    """
    if tiny_vit.is_tiny_vit(state):
        return tiny_vit.sizes_of(state)
    blocks = {key.split('.')[2] for key in state if str(key).startswith('image_encoder.blocks.')}
    return dict(
        embed_dim=state['image_encoder.patch_embed.proj.weight'].shape[0],
        depth=len(blocks),
        img_size=state['image_encoder.pos_embed'].shape[1] * _PATCH,
    )


def _name(sizes: Mapping[str, Any], family: str, published: Mapping[str, PublishedSAM]) -> str:
    other = f'a {family} of ' + ', '.join(f'{key}={value}' for key, value in sizes.items())
    return next((name for name, weights in published.items() if weights.sizes == sizes), other)
