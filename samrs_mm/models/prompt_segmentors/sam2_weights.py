"""Building a SAM 2 or 2.1 of ``transformers`` and filling it with weights, safely.

Meta's files say nothing of windows and global blocks: those are a table here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.hf_models import (
    check_computing,
    check_folder,
    folder_keys,
    folder_sha256,
    import_transformers,
    load_folder,
    read_config,
)
from samrs_mm.models.prompt_segmentors.meta_keys import sam2_state
from samrs_mm.models.prompt_segmentors.sam_families import SAM2, recognise
from samrs_mm.models.prompt_segmentors.weights_files import (
    PublishedWeights,
    check_name,
    checked_sha256,
    load_strictly,
    read_weights,
)

_ONLY_IN_2_1 = 'occlusion_spatial_embedding_parameter'
"""A key of folders."""
_STEP = 32
"""A side is a multiple of it: the coarsest level has one cell for it."""


@dataclass(frozen=True)
class Hiera:
    """Sizes of SAM 2's image encoder.

    Args:
        embed_dim: Width of the first stage; it doubles with each.
        stages: Blocks of each of the four stages.
        num_heads: Of the first stage; they double with each.
        global_attn_indexes: Blocks that see the whole image.
        window_size: Side of the windows of the other blocks, for each stage.
        pos_size: Side of the position embedding that is scaled to the image.
    """

    embed_dim: int
    stages: tuple[int, ...]
    num_heads: int
    global_attn_indexes: tuple[int, ...]
    window_size: tuple[int, ...] = (8, 4, 14, 7)
    pos_size: int = 7


# As in the yaml files of https://github.com/facebookresearch/sam2 (sam2/configs).
_TINY = Hiera(96, (1, 2, 7, 2), 1, (5, 7, 9))
_SMALL = Hiera(96, (1, 2, 11, 2), 1, (7, 10, 13))
_BASE_PLUS = Hiera(112, (2, 3, 16, 3), 2, (12, 16, 20), pos_size=14)
_LARGE = Hiera(144, (2, 6, 36, 4), 2, (23, 33, 43), window_size=(8, 4, 16, 8))


@dataclass(frozen=True, kw_only=True)
class PublishedSAM2(PublishedWeights):
    """A published SAM 2: its name, as ``recognise`` gives it, and its image encoder."""

    name: str
    hiera: Hiera

    @property
    def folder(self) -> str:
        """Its name on the Hugging Face hub."""
        return f'facebook/{self.file.removesuffix(".pt").replace("_", "-")}'

    @property
    def advice(self) -> str:
        """Where to get them: Meta's file, or the folder of the Hugging Face hub."""
        return f'{super().advice}, or the folder {self.folder} of the Hugging Face hub'


def _published(*args: Any) -> dict[str, PublishedSAM2]:
    file, size, sha256, name, hiera = args
    url = f'https://dl.fbaipublicfiles.com/segment_anything_2/{file}.pt'
    made = PublishedSAM2(url=url, size=size, sha256=sha256, name=name, hiera=hiera)
    return {made.file.removesuffix('.pt'): made}


# Addresses: README of facebookresearch/sam2, which prints neither sizes nor hashes; these stand
# alike in unrelated public projects that pin the files.
PUBLISHED = (
    _published(
        '092824/sam2.1_hiera_tiny',
        156_008_466,
        '7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69',
        'SAM 2.1 tiny',
        _TINY,
    )
    | _published(
        '092824/sam2.1_hiera_small',
        184_416_285,
        '6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38',
        'SAM 2.1 small',
        _SMALL,
    )
    | _published(
        '092824/sam2.1_hiera_base_plus',
        323_606_802,
        'a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5',
        'SAM 2.1 base+',
        _BASE_PLUS,
    )
    | _published(
        '092824/sam2.1_hiera_large',
        898_083_611,
        '2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318',
        'SAM 2.1 large',
        _LARGE,
    )
    | _published(
        '072824/sam2_hiera_tiny',
        155_906_050,
        '65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125',
        'SAM 2 tiny',
        _TINY,
    )
    | _published(
        '072824/sam2_hiera_small',
        184_309_650,
        '95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3',
        'SAM 2 small',
        _SMALL,
    )
    | _published(
        '072824/sam2_hiera_base_plus',
        None,
        'd0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071',
        'SAM 2 base+',
        _BASE_PLUS,
    )
    | _published(
        '072824/sam2_hiera_large',
        897_952_466,
        '7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b',
        'SAM 2 large',
        _LARGE,
    )
)

_REQUIRED = ('embed_dim', 'stages', 'num_heads', 'global_attn_indexes')
_OPTIONAL = ('window_size', 'pos_size', 'img_size', 'seed')


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` as plain data.

    Args:
        arch: A published name, or sizes: those of ``Hiera``; optional ``img_size`` (1024, a
            multiple of 32) and ``seed`` for random weights.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        return check_name(arch, checkpoint, PUBLISHED)
    sizes = dict(img_size=1024) | check_sizes(arch, _REQUIRED, _OPTIONAL, checkpoint)
    if sizes['img_size'] % _STEP:
        raise RefusedError(f'model.arch: img_size={sizes["img_size"]} is not a multiple of {_STEP}')
    _check_stages(Hiera(**{key: sizes[key] for key in sizes.keys() - {'img_size', 'seed'}}))
    return sizes


def _check_stages(hiera: Hiera) -> None:
    """Refuse what Meta's code builds and then cannot run: the first block of a stage pools.

    It does so in the windows of the stage before.
    """
    if len(hiera.stages) != 4 or len(hiera.window_size) != 4:
        raise RefusedError(
            f'model.arch: stages={list(hiera.stages)}, window_size={list(hiera.window_size)}; '
            'there are four stages'
        )
    for start, window in zip(accumulate(hiera.stages[:-1]), hiera.window_size, strict=False):
        if start in hiera.global_attn_indexes:
            raise RefusedError(
                f'model.arch: global_attn_indexes has {start}, the first block of a stage, which '
                'needs windows; take another block'
            )
        if window < 2:
            raise RefusedError(
                f'model.arch: window_size={list(hiera.window_size)}; all but the last are halved, '
                'so they are 2 or more'
            )


def check_sizes(
    arch: Mapping[str, Any],
    required: tuple[str, ...],
    optional: tuple[str, ...],
    checkpoint: str | None,
) -> dict[str, Any]:
    """Return sizes as plain data, sequences as lists.

    Raises:
        RefusedError: A missing or unknown size, or neither a checkpoint nor a seed.
    """
    missing = [key for key in required if key not in arch]
    unknown = [key for key in arch if key not in required + optional]
    if missing or unknown:
        raise RefusedError(
            f'model.arch: {"missing" if missing else "unknown"} {", ".join(missing or unknown)}; '
            f'needed: {", ".join(required)}; optional: {", ".join(optional)}'
        )
    if checkpoint is None and arch.get('seed') is None:
        raise RefusedError('model.arch: random weights need a seed; add seed=0, or a checkpoint')
    return {
        key: list(value) if isinstance(value, (list, tuple)) else value
        for key, value in arch.items()
    }


def build_sam2(
    arch: str | dict[str, Any], checkpoint: str | None, who: str
) -> tuple[nn.Module, str | None]:
    """Return a ``Sam2Model`` in evaluation mode, on the CPU, and the sha256 of its weights, if any.

    Args:
        arch: As ``check_arch`` returns it.
        checkpoint: Meta's file or a Hugging Face folder; None for seeded random weights.
        who: The type that needs it, for messages.

    Raises:
        RefusedError: ``transformers`` is missing or was not tried, or the weights are missing,
            corrupt, or of another architecture.
    """
    transformers = import_transformers(who)
    hiera, side = encoder_of(arch)
    if checkpoint is None:
        assert isinstance(arch, dict)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(arch['seed'])
            return _network(transformers, hiera, side).eval(), None
    path = Path(checkpoint)
    if path.suffix in ('.pt', '.pth') or path.is_file():
        state = _read(path, arch)
        with torch.device('meta'):  # no time for random weights that are replaced
            model = _network(transformers, hiera, side)
        load_strictly(model, sam2_state(state), checkpoint, arch, assign=True)
        published = PUBLISHED[arch] if isinstance(arch, str) else None
        return model.float().eval(), checked_sha256(checkpoint, published)  # of any type
    return _from_folder(transformers, path, arch), folder_sha256(path)


def encoder_of(arch: str | dict[str, Any]) -> tuple[Hiera, int]:
    """Return the image encoder of an arch, and the side of its square in pixels."""
    if isinstance(arch, str):
        return PUBLISHED[arch].hiera, 1024
    sizes = {key: value for key, value in arch.items() if key not in ('img_size', 'seed')}
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in sizes.items()}
    return Hiera(**plain), arch['img_size']


def _network(transformers: Any, hiera: Hiera, side: int) -> nn.Module:
    """Return a ``Sam2Model`` of those sizes."""
    config = _config(transformers, hiera, side)
    return transformers.Sam2Model._from_config(config, attn_implementation='sdpa')


def _config(transformers: Any, hiera: Hiera, side: int) -> Any:
    """Return the config of a ``Sam2Model`` that computes as Meta's network of those sizes."""
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=hiera.embed_dim,
        image_size=[side, side],
        blocks_per_stage=list(hiera.stages),
        embed_dim_per_stage=[hiera.embed_dim << i for i in range(4)],
        num_attention_heads_per_stage=[hiera.num_heads << i for i in range(4)],
        window_size_per_stage=list(hiera.window_size),
        global_attention_blocks=list(hiera.global_attn_indexes),
        window_positional_embedding_background_size=[hiera.pos_size] * 2,
    )
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[hiera.embed_dim << i for i in reversed(range(4))],
        backbone_feature_sizes=[[side // step] * 2 for step in (4, 8, 16)],
    )
    return transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam2PromptEncoderConfig(image_size=side),
        mask_decoder_config=transformers.Sam2MaskDecoderConfig(),
    )


def _read(path: Path, arch: str | dict[str, Any]) -> dict[str, torch.Tensor]:
    published = PUBLISHED[arch] if isinstance(arch, str) else None
    state = read_weights(path, SAM2, published)
    member = recognise(state)
    if published and member and member.name != published.name:
        raise RefusedError(
            f'checkpoint {path}: holds {member.name}, not {published.name}; '
            f'{_arch_advice(member.name)}'
        )
    return state


def _arch_advice(name: str) -> str:
    right = next((key for key, weights in PUBLISHED.items() if weights.name == name), None)
    change = f'set model.arch={right!r}' if right else 'set model.arch to its sizes'
    return f'{change}, or pass the other checkpoint'


def _from_folder(transformers: Any, path: Path, arch: str | dict[str, Any]) -> nn.Module:
    published = PUBLISHED[arch] if isinstance(arch, str) else None
    check_folder(path, SAM2, published.advice if published else 'pass a folder of SAM 2')
    config = read_config(transformers.Sam2Config, transformers, path)
    try:
        held = _hiera_of(config.vision_config.backbone_config)
    except (AttributeError, TypeError, IndexError) as error:
        raise RefusedError(f'checkpoint {path}: config.json is not of a SAM 2: {error}') from error
    wanted, side = encoder_of(arch)
    if held != wanted:
        names = [weights.name for weights in PUBLISHED.values() if weights.hiera == held]
        raise RefusedError(
            f'checkpoint {path}: holds {" or ".join(names) or held}, not {arch}; set model.arch to '
            'what it holds, or pass the other checkpoint'
        )
    if published:
        _check_version(path, published)
    ours = _config(transformers, wanted, side)
    check_computing(path, config, ours)
    return load_folder(transformers, transformers.Sam2Model, ours, path)


def _check_version(path: Path, published: PublishedSAM2) -> None:
    """Refuse 2.0 for 2.1 and the other way round, as far as a folder has the part for videos."""
    keys = folder_keys(path)
    if not any(key.startswith('memory_attention.') for key in keys):
        return
    version, size = 'SAM 2.1' if _ONLY_IN_2_1 in keys else 'SAM 2', published.name.split()[-1]
    if (held := f'{version} {size}') != published.name:
        raise RefusedError(
            f'checkpoint {path}: holds {held}, not {published.name}; {_arch_advice(held)}'
        )


def _hiera_of(config: Any) -> Hiera:
    return Hiera(
        config.hidden_size,
        tuple(config.blocks_per_stage),
        config.num_attention_heads_per_stage[0],
        tuple(config.global_attention_blocks),
        tuple(config.window_size_per_stage),
        config.window_positional_embedding_background_size[0],
    )
