"""Building an HQ-SAM and filling it with weights, safely."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from samrs_mm.models.prompt_segmentors import tiny_vit
from samrs_mm.models.prompt_segmentors.sam_families import HQ
from samrs_mm.models.prompt_segmentors.sam_weights import (
    VIT_SIZES,
    PublishedSAM,
    build_and_fill,
    check_keys,
    check_name,
    check_vit_sizes,
    sam_around,
    vit_of_sizes,
)

_HOST = 'https://huggingface.co/lkeab/hq-sam/resolve/main/'
# Addresses: README of SysCV/sam-hq, which prints neither sizes nor hashes. Those here stand alike
# in several unrelated public projects that pin the files; of vit_l and vit_b none was found.
PUBLISHED = {
    'vit_h': PublishedSAM(
        url=f'{_HOST}sam_hq_vit_h.pth',
        size=2_570_940_653,
        sha256='a7ac14a085326d9fa6199c8c698c4f0e7280afdbb974d2c4660ec60877b45e35',
        sizes=VIT_SIZES['vit_h'],
    ),
    'vit_l': PublishedSAM(url=f'{_HOST}sam_hq_vit_l.pth', sizes=VIT_SIZES['vit_l']),
    'vit_b': PublishedSAM(url=f'{_HOST}sam_hq_vit_b.pth', sizes=VIT_SIZES['vit_b']),
    'vit_tiny': PublishedSAM(
        url=f'{_HOST}sam_hq_vit_tiny.pth',
        sha256='0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196',
        sizes=tiny_vit.PUBLISHED_SIZES,
    ),
}


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` of an HQ-SAM as plain data.

    Args:
        arch: A published name, the sizes of a ViT (see ``sam_weights.check_vit_sizes``) or of a
            TinyViT (see ``tiny_vit.check_sizes``), these with an optional ``seed``.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        return check_name(arch, checkpoint, PUBLISHED)
    if 'embed_dims' not in arch:
        return check_vit_sizes(arch, checkpoint)
    check_keys(arch, checkpoint, tuple(tiny_vit.PUBLISHED_SIZES), ('seed',))
    return dict(arch) | tiny_vit.check_sizes(arch)


def build_hq(
    arch: str | dict[str, Any], checkpoint: str | None, mapped: bool = False
) -> tuple[nn.Module, str | None]:
    """Return an HQ-SAM in evaluation mode, on the CPU, and the sha256 of its weights file, if any.

    Args:
        arch: As ``check_arch`` returns it.
        checkpoint: Path of the weights; None for seeded random ones.
        mapped: Leave the weights in their file, to be read when they are used; not of a TinyViT.

    Raises:
        RefusedError: ``segment_anything_hq`` is not installed, or the weights are missing, corrupt,
            or of something else.
    """
    package = tiny_vit.import_segment_anything_hq('HQSAMSegmentor')
    modeling = package.modeling

    def make() -> nn.Module:
        if isinstance(arch, str):
            # Without weights: the package would load them with code, and pass over what differs.
            return package.sam_model_registry[arch]()
        if 'embed_dims' in arch:
            encoder, width = tiny_vit.build_tiny_vit(modeling, arch), arch['embed_dims'][2]
        else:
            encoder, width = vit_of_sizes(modeling, arch), arch['embed_dim']
        return sam_around(modeling, encoder, modeling.MaskDecoderHQ, vit_dim=width)

    return build_and_fill(make, arch, checkpoint, HQ, PUBLISHED, mapped)
