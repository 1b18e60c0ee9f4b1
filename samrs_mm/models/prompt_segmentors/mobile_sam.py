"""Masks from MobileSAM: SAM with a TinyViT as its image encoder.

Source: Zhang et al. 2023, arXiv:2306.14289; https://github.com/ChaoningZhang/MobileSAM
(Apache-2.0). Its network is put together from the packages ``segment_anything``, of which it is a
copy but for the image encoder, and ``segment_anything_hq``, which has the same TinyViT.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from samrs_mm.models.prompt_segmentors import tiny_vit
from samrs_mm.models.prompt_segmentors.fast_decoder import FastDecoder
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.sam_families import MOBILE
from samrs_mm.models.prompt_segmentors.sam_weights import (
    PublishedSAM,
    build_and_fill,
    check_keys,
    check_name,
    import_segment_anything,
    sam_around,
)
from samrs_mm.registry import PROMPT_SEGMENTORS

# Size and hash stand alike in several unrelated public projects that pin the file.
PUBLISHED = {
    'vit_t': PublishedSAM(
        url='https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt',
        size=40_728_226,
        sha256='6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f',
        sizes=tiny_vit.PUBLISHED_SIZES,
    ),
}


def check_arch(arch: str | Mapping[str, Any], checkpoint: str | None) -> str | dict[str, Any]:
    """Return ``arch`` of a MobileSAM as plain data.

    Args:
        arch: ``'vit_t'``, or the sizes of a TinyViT (see ``tiny_vit.check_sizes``) with an
            optional ``seed``.
        checkpoint: Path of the weights, or None.

    Raises:
        RefusedError: An unknown name, a missing or unknown size, or no source of weights.
    """
    if isinstance(arch, str):
        return check_name(arch, checkpoint, PUBLISHED)
    check_keys(arch, checkpoint, tuple(tiny_vit.PUBLISHED_SIZES), ('seed',))
    return dict(arch) | tiny_vit.check_sizes(arch)


@PROMPT_SEGMENTORS.register_module()
class MobileSAMSegmentor(SAMSegmentor):
    """Prompts MobileSAM, a small SAM for a CPU: one mask per prompt.

    With ``images_per_pass=1``, ``precision='fp32'``, ``kernels='exact'`` and ``compile=False``
    masks and scores equal those that ``mobile_sam.SamPredictor`` gives for the same chunks, threads
    and device, bit for bit.

    Args:
        arch: ``'vit_t'``, or a dict of sizes (see ``check_arch``).

    The other arguments are those of ``SAMFamilySegmentor``; fast ``kernels`` are those of the
    decoder.
    """

    family = MOBILE
    packages = ('segment-anything', 'segment-anything-hq')
    default_arch = 'vit_t'
    check_arch = staticmethod(check_arch)

    def load_decoder(self) -> None:
        """Load all: the image encoder is small."""
        self.load()

    def _network(self, mapped: bool) -> tuple[nn.Module, str | None]:
        name = type(self).__name__
        modeling = import_segment_anything(name).modeling
        hq_modeling = tiny_vit.import_segment_anything_hq(name).modeling

        def make() -> nn.Module:
            sizes = tiny_vit.PUBLISHED_SIZES if isinstance(self.arch, str) else self.arch
            return sam_around(modeling, tiny_vit.build_tiny_vit(hq_modeling, sizes))

        return build_and_fill(make, self.arch, self.checkpoint, MOBILE, PUBLISHED)

    def _use_fast_kernels(self) -> None:
        self.fast_decoder = FastDecoder(self.model)

    def _embed(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Leave out the early features, which only HQ-SAM reads."""
        features, _ = self.model.image_encoder(batch)
        return (features,)
