"""Masks from SAM.

Source: Kirillov et al. 2023, arXiv:2304.02643; https://github.com/facebookresearch/segment-anything
(Apache-2.0), used as the package ``segment_anything``.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.exact_attention import use_attention_in_place
from samrs_mm.models.prompt_segmentors.fast_decoder import FastDecoder
from samrs_mm.models.prompt_segmentors.fast_encoder import use_fast_blocks
from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor
from samrs_mm.models.prompt_segmentors.sam_weights import build_sam, check_arch
from samrs_mm.models.prompt_segmentors.torch_device import fix_rounding, to_device
from samrs_mm.models.prompt_segmentors.weights_files import InFile, take_tensors
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class SAMSegmentor(SAMFamilySegmentor):
    """Prompts SAM with boxes, points and masks: one mask per prompt, as in the SAMRS paper.

    With ``images_per_pass=1``, ``precision='fp32'``, ``kernels='exact'`` and ``compile=False``
    masks and scores equal those that ``segment_anything.SamPredictor`` gives for the same chunks,
    threads and device, bit for bit. Other chunk sizes, batches, threads, devices, fast kernels and
    compilation change float rounding, so they are settings; ``precision`` changes more.

    Args:
        arch: ``'vit_h'``, ``'vit_l'``, ``'vit_b'``, or a dict of sizes (see
            ``sam_weights.check_arch``).
        checkpoint: Path of Meta's file (``.pth``), or of a folder of the Hugging Face hub's; may be
            None only for a dict of sizes with a ``seed``.

    The other arguments are those of ``SAMFamilySegmentor``.
    """

    renamed = dict(amp="model.precision='bf16' (amp=False: 'fp32', the default)")
    packages = ('segment-anything',)
    proposes = True
    default_arch = 'vit_h'
    check_arch = staticmethod(check_arch)

    def _network(self, mapped: bool) -> tuple[nn.Module, str | None]:
        """Return a network in SAM's layout, and the sha256 of its weights, if any."""
        return build_sam(self.arch, self.checkpoint, mapped)

    def _build(self, mapped: bool = False) -> tuple[nn.Module, str | None]:
        model, sha256 = self._network(mapped)
        from segment_anything.utils.transforms import ResizeLongestSide

        self.side = model.image_encoder.img_size
        self.mask_threshold = model.mask_threshold
        self.transform = ResizeLongestSide(self.side)
        return model, sha256

    def load_decoder(self) -> None:
        """See ``StorableEncoder``: the image encoder's weights are only looked at.

        They are read from their file, which is hashed and whose keys and shapes are checked, when
        an image is first encoded.

        Raises:
            RefusedError: As ``load``.
        """
        if self.checkpoint is None or os.path.isdir(self.checkpoint):
            self.load()
            return
        fix_rounding(self.threads)
        model, self.checkpoint_sha256 = self._build(mapped=True)
        self.model = model.requires_grad_(False)
        for part in (model.prompt_encoder, model.mask_decoder):
            take_tensors(part, self.device)
        model.pixel_mean, model.pixel_std = (
            each.to(self.device) for each in (model.pixel_mean, model.pixel_std)
        )
        self._encoder_in_file = InFile(model.image_encoder, self.checkpoint)
        self._finish_loading()

    def _finish_loading(self) -> None:
        exactly = all(getattr(self, name) == value for name, value in self.exact_options.items())
        if exactly and self.device.type == 'cpu' and hasattr(self.model.image_encoder, 'blocks'):
            use_attention_in_place(self.model.image_encoder)
        super()._finish_loading()

    def _use_fast_kernels(self) -> None:
        use_fast_blocks(self.model.image_encoder)
        self.fast_decoder = FastDecoder(self.model)

    def _compile_encoder(self) -> None:
        """Compile its blocks, of which there are two kinds, in place of all of them as one."""
        encoder = self.model.image_encoder
        if not hasattr(encoder, 'blocks'):  # a TinyViT
            super()._compile_encoder()
        elif self.kernels == 'fast':
            use_fast_blocks(encoder, compiled=True)
        else:
            for block in encoder.blocks:
                block.compile()

    def _preprocess(self, image: np.ndarray) -> torch.Tensor:
        """As ``SamPredictor.set_image`` does."""
        if max(image.shape[:2]) != self.side:
            image = self.transform.apply_image(image)
        pixels = to_device(image, self.device)
        return self.model.preprocess(pixels.permute(2, 0, 1).contiguous()[None])

    def _embed(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.model.image_encoder(batch),)

    def _predict(
        self, encoded: EncodedImage, prompts: SquarePrompts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same calls as ``SamPredictor.predict_torch``.

        That would scale all of a chunk up at once: 20 masks of a 10,000 px scene are 8 GB.
        """
        sparse, dense = self._embed_prompts(prompts)
        if self.kernels == 'fast':
            image, *more = encoded.features
            return self.fast_decoder(image, sparse, None if prompts.masks is None else dense, *more)
        return self._predict_exactly(encoded.features, sparse, dense)

    def _predict_exactly(
        self, features: Sequence[torch.Tensor], sparse: torch.Tensor, dense: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        low_res, scores = self._decoded(
            self.model.mask_decoder, features[0], sparse, dense, multimask_output=False
        )
        return low_res[:, 0], scores[:, 0]

    def _predict_three(
        self, encoded: EncodedImage, prompts: SquarePrompts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``GridProposer``; the fast decoder makes one mask only."""
        prompted = self._embed_prompts(prompts)
        decoder = self.model.mask_decoder
        return self._decoded(decoder, encoded.features[0], *prompted, multimask_output=True)

    def _decoded(
        self,
        decoder: Callable[..., tuple[torch.Tensor, torch.Tensor]],
        features: torch.Tensor,
        sparse: torch.Tensor,
        dense: torch.Tensor,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Call a mask decoder, which gives logits ``(n, m, S / 4, S / 4)`` and IoUs ``(n, m)``."""
        return decoder(
            image_embeddings=features,
            image_pe=self.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            **options,
        )

    def _embed_prompts(self, prompts: SquarePrompts) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens ``(n, t, C)`` and the map ``(n, C, S / 16, S / 16)`` of prompts."""
        points = None if prompts.points is None else (prompts.points, prompts.labels)
        return self.model.prompt_encoder(points=points, boxes=prompts.boxes, masks=prompts.masks)
