"""Masks from SAM.

Source: Kirillov et al. 2023, arXiv:2304.02643; https://github.com/facebookresearch/segment-anything
(Apache-2.0), used as the package ``segment_anything``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from samrs_mm.core.errors import SegmentorError
from samrs_mm.core.prompts import PromptBatch, PromptSetting, mask_prompt
from samrs_mm.core.wording import counted
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor, check_whole_numbers
from samrs_mm.models.prompt_segmentors.sam_weights import build_sam, check_arch
from samrs_mm.models.prompt_segmentors.torch_device import fix_rounding, torch_device
from samrs_mm.registry import PROMPT_SEGMENTORS

PIXELS_AT_ONCE = 2**25
"""Logits scaled up to image size at once; doesn't change them, so it is no setting."""


@dataclass(frozen=True)
class EncodedImage:
    """What SAM's decoder needs of an image.

    ``features`` are ``(1, 256, S / 16, S / 16)`` float32, on the model's device. Sizes are height
    and width in pixels, those of the input after scaling the longer side to S.
    """

    features: torch.Tensor
    input_size: tuple[int, int]
    original_size: tuple[int, int]


@PROMPT_SEGMENTORS.register_module()
class SAMSegmentor(PromptSegmentor):
    """Prompts SAM with boxes, points and masks: one mask per prompt, as in the SAMRS paper.

    With ``images_per_pass=1`` and ``amp=False`` masks and scores equal those that
    ``segment_anything.SamPredictor`` gives for the same chunks, threads and device, bit for bit.
    Other chunk sizes, batches, threads and devices change float rounding, so they are settings.

    Args:
        arch: ``'vit_h'``, ``'vit_l'``, ``'vit_b'``, or a dict of sizes (see
            ``sam_weights.check_arch``).
        checkpoint: Path of the weights; may be None only for a dict of sizes with a ``seed``.
        chunk: Prompts decoded at once; halved when memory runs out, as the record then notes.
        images_per_pass: Images encoded at once; an incomplete pass is filled up.
        amp: Encode under bfloat16 autocast: faster on recent GPUs, not SAM's exact output.
        threads: CPU threads of torch, set for the process in ``load``.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ...; None takes a GPU where there is one.

    Raises:
        RefusedError: A value that can't be, or weights that are named nowhere.
    """

    provided_scores = ('score', 'stability')

    def __init__(
        self,
        arch: str | Mapping[str, Any] = 'vit_h',
        checkpoint: str | None = None,
        chunk: int = 20,
        images_per_pass: int = 1,
        amp: bool = False,
        threads: int = 4,
        device: str | None = None,
    ):
        check_whole_numbers(
            chunk=(chunk, 1), images_per_pass=(images_per_pass, 1), threads=(threads, 1)
        )
        self.arch = check_arch(arch, checkpoint)
        self.checkpoint = checkpoint
        self.chunk, self.images_per_pass, self.threads = chunk, images_per_pass, threads
        self.amp = amp
        self.device = torch_device(device)
        self.model: nn.Module | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the weights' hash that may change a bit of a mask, as plain data."""
        return dict(
            type=type(self).__name__,
            arch=self.arch,
            chunk=self.chunk,
            images_per_pass=self.images_per_pass,
            amp=self.amp,
            threads=self.threads,
            device=self.device.type,
        )

    def unsupported(self, setting: PromptSetting) -> str | None:
        """SAM takes every setting of the paper, but no oriented box itself."""
        return 'SAM takes no oriented box' if setting.box == 'rbox' else None

    def load(self) -> None:
        """Build the model, load its weights and move it to the device.

        Also fixes, for the process, what decides float rounding: threads, no TF32, deterministic
        cuDNN.

        Raises:
            RefusedError: ``segment_anything`` or the weights are missing, corrupt, or the weights
                are of another architecture.
        """
        fix_rounding(self.threads)
        model, self.checkpoint_sha256 = build_sam(self.arch, self.checkpoint)
        from segment_anything.utils.transforms import ResizeLongestSide

        self.model = model.requires_grad_(False).to(self.device)
        self.transform = ResizeLongestSide(model.image_encoder.img_size)

    @torch.no_grad()
    def encode(self, images: Sequence[np.ndarray]) -> list[EncodedImage]:
        """Embed images, as ``SamPredictor.set_image`` does.

        Raises:
            SegmentorError: Memory ran out.
        """
        inputs = []
        for image in images:
            pixels = torch.as_tensor(self.transform.apply_image(image), device=self.device)
            inputs.append(pixels.permute(2, 0, 1).contiguous()[None])
        batch = [self.model.preprocess(pixels) for pixels in inputs]
        # Rounding follows the shape of a pass, so a pass of left-over images keeps it.
        batch += [torch.zeros_like(batch[0])] * (self.images_per_pass - len(batch))
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
                features = self.model.image_encoder(torch.cat(batch)).float()
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            raise SegmentorError(
                f'out of memory while encoding {counted(self.images_per_pass, "image")} '
                'at once; lower '
                'model.images_per_pass, take a smaller model.arch, or model.device=cpu'
            ) from error
        return [
            EncodedImage(features[i : i + 1], tuple(pixels.shape[-2:]), tuple(image.shape[:2]))
            for i, (image, pixels) in enumerate(zip(images, inputs, strict=True))
        ]

    def decode(self, encoded: EncodedImage, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield masks, predicted IoUs and stability scores (AMG's, offset 1), in prompt order.

        Raises:
            SegmentorError: Memory ran out for a single prompt, or the weights give no numbers.
        """
        height, width = encoded.original_size
        at_once = max(1, PIXELS_AT_ONCE // (height * width))
        predict = partial(self._predict, encoded, prompts)
        notes: list[str] = []
        for _, (low_res, scores) in _in_parts(predict, len(prompts), self.chunk, notes):
            scale_up = partial(self._scale_up, encoded, low_res)
            for part, (masks, stability) in _in_parts(scale_up, len(low_res), at_once):
                yield MaskChunk(masks, scores[part], stability, tuple(notes))

    @torch.no_grad()
    def _predict(
        self, encoded: EncodedImage, prompts: PromptBatch, part: slice
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Return logits ``(n, 1, S / 4, S / 4)`` on the device and predicted IoUs ``(n,)``.

        The same calls as ``SamPredictor.predict_torch``, which would scale all of a chunk up at
        once: 20 masks of a 10,000 px scene are 8 GB.
        """
        points, boxes, masks = self._inputs(encoded, prompts[part])
        sparse, dense = self.model.prompt_encoder(points=points, boxes=boxes, masks=masks)
        low_res, scores = self.model.mask_decoder(
            image_embeddings=encoded.features,
            image_pe=self.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        scores = scores[:, 0].cpu().numpy()
        if not np.isfinite(scores).all():
            raise SegmentorError('the predicted IoU is NaN; are the weights whole?')
        return low_res, scores

    def _inputs(self, encoded: EncodedImage, prompts: PromptBatch) -> tuple:
        """Return points with labels, boxes and masks as SAM's prompt encoder takes them."""
        transform = self.transform
        points = boxes = masks = None
        if prompts.points is not None:
            coords = transform.apply_coords(prompts.points[:, None], encoded.original_size)
            labels = torch.ones((len(coords), 1), dtype=torch.int, device=self.device)
            points = self._tensor(coords), labels
        if prompts.boxes is not None:
            boxes = self._tensor(transform.apply_boxes(prompts.boxes, encoded.original_size))
        if prompts.regions is not None:
            size = *encoded.original_size, self.model.image_encoder.img_size
            made = [mask_prompt(region, *size, prompts.style) for region in prompts.regions]
            masks = np.stack(made)
            masks = self._tensor(masks)[:, None]
        return points, boxes, masks

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float, device=self.device)

    @torch.no_grad()
    def _scale_up(
        self, encoded: EncodedImage, low_res: torch.Tensor, part: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return masks ``(n, H, W)`` bool, each in Fortran order, and stability scores ``(n,)``."""
        from segment_anything.utils.amg import calculate_stability_score

        logits = self.model.postprocess_masks(
            low_res[part], encoded.input_size, encoded.original_size
        )[:, 0]
        threshold = self.model.mask_threshold
        stability = calculate_stability_score(logits, threshold, 1.0).nan_to_num(0)
        masks = (logits > threshold).transpose(1, 2).contiguous()
        return masks.cpu().numpy().transpose(0, 2, 1), stability.cpu().numpy()


def _in_parts(
    work: Callable[[slice], Any], total: int, size: int, notes: list[str] | None = None
) -> Iterator[tuple[slice, Any]]:
    """Yield each part of ``range(total)`` with its result; on out of memory the parts are halved.

    Parts have ``size`` items at first; ``notes`` gets a line for each halving.

    Raises:
        SegmentorError: Out of memory with a single item.
    """
    start = 0
    while start < total:
        part = slice(start, min(start + size, total))
        count = part.stop - start
        try:
            result = work(part)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if count == 1:
                raise SegmentorError(
                    'out of memory with a single prompt; cut tiles, or use model.device=cpu'
                ) from error
            result = None
        if result is None:
            # Only here, past the except block, has the traceback let go of its tensors.
            torch.cuda.empty_cache()
            size = count // 2
            if notes is not None:
                notes.append(
                    f'out of memory with {counted(count, "prompt")} at once: went on with {size}'
                )
            continue
        yield part, result
        start = part.stop


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or any(
        sign in str(error) for sign in ('DefaultCPUAllocator', 'CUBLAS_STATUS_ALLOC_FAILED')
    )
