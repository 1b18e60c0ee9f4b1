"""What SAM 2 and SAM 3 share: an image stretched to a square, and networks of ``transformers``.

The networks' parts are called here, not their ``forward``: that ties mask prompts to images, and
adds an empty point to a mask without one, which Meta's predictors of images do not.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from samrs_mm.models.prompt_segmentors.base import check_switches, passes_on_to
from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage, SquarePrompts
from samrs_mm.models.prompt_segmentors.fast_levels_decoder import FastLevelsDecoder
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.hf_models import installed_version
from samrs_mm.models.prompt_segmentors.sam_base import SAMFamilySegmentor
from samrs_mm.models.prompt_segmentors.torch_device import to_device

_DELTA, _STABLE = 0.05, 0.98
"""Of Meta's choice of a mask: the offset of its stability score, and the least that is stable."""


class StretchedSegmentor(SAMFamilySegmentor):
    """Prompts a network of ``transformers`` whose encoder gives three levels.

    Args:
        arch: As of ``SAMFamilySegmentor``.
        checkpoint: Meta's file (``.pt``) or a folder of the Hugging Face hub's.
        dynamic_multimask: Where the single mask is unstable (its score with offset 0.05 is below
            0.98), take the best of the three others, as Meta's predictor does.
        options: The other arguments of ``SAMFamilySegmentor``.

    Attributes:
        build: Returns the network and the sha256 of its weights; given ``arch``, ``checkpoint`` and
            the type that needs it.
        mean: Of the pixels, by channel, for values in [0, 1].
        std: Their standard deviation.
    """

    stretched = True
    feature_names = ('high_res_0', 'high_res_1', 'image')
    proposes = True
    packages = ('transformers',)
    build: Callable[..., tuple[nn.Module, str | None]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @passes_on_to(SAMFamilySegmentor)
    def __init__(
        self,
        arch: str | Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        dynamic_multimask: bool = True,
        **options: Any,
    ):
        check_switches(dynamic_multimask=dynamic_multimask)
        super().__init__(arch, checkpoint, **options)
        self.dynamic_multimask = dynamic_multimask

    @property
    def own_settings(self) -> dict[str, Any]:
        """Also the version of the package: its numerics are not ours."""
        return dict(dynamic_multimask=self.dynamic_multimask, transformers=installed_version())

    def _build(self) -> tuple[nn.Module, str | None]:
        model, sha256 = self.build(self.arch, self.checkpoint, type(self).__name__)
        self.side = model.config.prompt_encoder_config.image_size
        return model, sha256

    def load(self) -> None:
        """As of the family."""
        super().load()
        decoder = self.model.mask_decoder
        # With these it returns all of its masks, so that the choice is made, and told, here.
        decoder.dynamic_multimask_via_stability = True
        decoder._dynamic_multimask_via_stability = lambda masks, scores: (masks, scores)

    def _use_fast_kernels(self) -> None:
        """The decoder's; the image encoders attend fast already."""
        self.fast_decoder = FastLevelsDecoder(self.model)

    @property
    def _image_encoder(self) -> nn.Module:
        return self.model.vision_encoder

    def _preprocess(self, image: np.ndarray) -> torch.Tensor:
        """As Meta's transforms: floats are resized, on the CPU, then normalised."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        pixels = pixels.contiguous().float().div(255)
        if pixels.shape[-2:] != (self.side, self.side):
            pixels = F.interpolate(
                pixels, (self.side, self.side), mode='bilinear', align_corners=False, antialias=True
            )
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return to_device(pixels.sub_(mean).div_(std), self.device)

    def _scaled(self, coords: np.ndarray, frame: Frame) -> np.ndarray:
        """With the rounding of Meta's transforms."""
        height, width = frame.original_size
        return coords.astype(np.float32) / np.array([width, height], np.float32) * self.side

    def _embed(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.model.get_image_embeddings(batch))

    def _predict(self, encoded: EncodedImage, prompts: SquarePrompts) -> tuple[torch.Tensor, ...]:
        masks, scores = self._predict_all(encoded, prompts, 4 if self.dynamic_multimask else 1)
        if not self.dynamic_multimask:
            return masks[:, 0], scores[:, 0]
        chosen, each = _choice(masks[:, 0], scores), torch.arange(len(masks), device=masks.device)
        return masks[each, chosen], scores[each, chosen], chosen

    def _predict_three(
        self, encoded: EncodedImage, prompts: SquarePrompts
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``GridProposer``: all but the single mask."""
        masks, scores = self._predict_all(encoded, prompts)
        return masks[:, 1:], scores[:, 1:]

    def _predict_all(
        self, encoded: EncodedImage, prompts: SquarePrompts, needed: int = 4
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits ``(n, 4, S / 4, S / 4)`` and predicted IoUs ``(n, 4)`` of all masks.

        The prompts are put into the batch: so each may have a mask of its own. Logits beyond the
        first ``needed`` masks may be missing.
        """
        count, model = len(prompts), self.model
        sparse, dense = model.prompt_encoder(
            input_points=None if prompts.points is None else prompts.points[:, None],
            input_labels=None if prompts.labels is None else prompts.labels[:, None],
            input_boxes=None if prompts.boxes is None else prompts.boxes[:, None],
            input_masks=prompts.masks,
        )
        if sparse is None:
            sparse = dense.new_zeros((count, 1, 0, dense.shape[1]))
        if self.kernels == 'fast':
            dense = None if prompts.masks is None else dense
            return self.fast_decoder.masks(encoded.features, sparse[:, 0], dense, needed)
        *high_res, image = (level.expand(count, -1, -1, -1) for level in encoded.features)
        masks, scores, *_ = model.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self._positions().expand(count, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            high_resolution_features=high_res,
        )
        return masks[:, 0], scores[:, 0]

    def _positions(self) -> torch.Tensor:
        return self.model.get_image_wide_positional_embeddings()


def _choice(single: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return which mask Meta's predictor takes: the single one, 0, if it is stable.

    Else the best by score of the others, 1 to 3.

    Args:
        single: Logits of the single masks ``(n, h, w)``.
        scores: Predicted IoUs of all masks ``(n, 4)``.
    """
    inner = (single > _DELTA).sum((1, 2)).float()
    outer = (single > -_DELTA).sum((1, 2)).float()
    stable = torch.where(outer > 0, inner / outer, 1.0) >= _STABLE
    return torch.where(stable, 0, scores[:, 1:].argmax(1) + 1)
