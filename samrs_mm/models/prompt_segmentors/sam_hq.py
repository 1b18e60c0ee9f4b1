"""Masks from HQ-SAM.

Source: Ke et al. 2023, arXiv:2306.01567; https://github.com/SysCV/sam-hq (Apache-2.0), used as the
package ``segment_anything_hq``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from samrs_mm.models.prompt_segmentors.base import check_switches, passes_on_to
from samrs_mm.models.prompt_segmentors.fast_decoder import FastHQDecoder
from samrs_mm.models.prompt_segmentors.fast_encoder import use_fast_blocks
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.models.prompt_segmentors.sam_families import HQ
from samrs_mm.models.prompt_segmentors.sam_hq_weights import build_hq, check_arch
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class HQSAMSegmentor(SAMSegmentor):
    """Prompts HQ-SAM, SAM with a second token for finer borders: one mask per prompt.

    With ``images_per_pass=1``, ``precision='fp32'``, ``kernels='exact'`` and ``compile=False``
    masks and scores equal those that ``segment_anything_hq.SamPredictor`` gives for the same
    chunks, threads and device, bit for bit. Its fine features depend on the image only: they are
    made once, in ``encode``.

    Args:
        arch: ``'vit_h'``, ``'vit_l'``, ``'vit_b'``, ``'vit_tiny'`` (Light HQ-SAM), or a dict of
            sizes (see ``sam_hq_weights.check_arch``).
        checkpoint: Path of the weights; may be None only for a dict of sizes with a ``seed``.
        hq_token_only: Take the mask of the new token alone, not added to that of SAM's. Its
            authors recommend it for images with one object; their predictor's default is False.

    The other arguments are those of ``SAMFamilySegmentor``; fast ``kernels`` are those of the
    decoder and the ViTs, TinyViT has none.
    """

    family = HQ
    packages = ('segment-anything', 'segment-anything-hq')
    proposes = False  # its network makes one mask of a prompt
    feature_names = ('image', 'hq')
    check_arch = staticmethod(check_arch)

    @passes_on_to(SAMSegmentor)
    def __init__(
        self,
        arch: str | Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        hq_token_only: bool = False,
        **options: Any,
    ):
        check_switches(hq_token_only=hq_token_only)
        super().__init__(arch, checkpoint, **options)
        self.hq_token_only = hq_token_only

    @property
    def own_settings(self) -> dict[str, Any]:
        """Settings beside those that all members have."""
        return super().own_settings | dict(hq_token_only=self.hq_token_only)

    def _network(self, mapped: bool) -> tuple[nn.Module, str | None]:
        return build_hq(self.arch, self.checkpoint, mapped)

    def load_decoder(self) -> None:
        """As of SAM; a TinyViT is small, and loaded with the rest."""
        if self.arch == 'vit_tiny' or 'embed_dims' in self.arch:
            self.load()
        else:
            super().load_decoder()

    def _use_fast_kernels(self) -> None:
        if hasattr(self.model.image_encoder, 'blocks'):
            use_fast_blocks(self.model.image_encoder)
        self.fast_decoder = FastHQDecoder(self.model, self.hq_token_only)

    def _embed(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return SAM's features and the fine ones, as ``MaskDecoderHQ.forward`` makes these."""
        features, early = self.model.image_encoder(batch)
        decoder = self.model.mask_decoder
        fine = decoder.embedding_encoder(features) + decoder.compress_vit_feat(
            early[0].permute(0, 3, 1, 2)
        )
        return features, fine

    def _predict_exactly(
        self, features: Sequence[torch.Tensor], sparse: torch.Tensor, dense: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        decoder = self.model.mask_decoder.predict_masks
        image, fine = features
        masks, scores = self._decoded(decoder, image, sparse, dense, hq_features=fine)
        # The first is SAM's single mask, the last that of the new token.
        low_res = masks[:, -1] if self.hq_token_only else masks[:, 0] + masks[:, -1]
        return low_res, scores[:, 0]
