"""The mask decoder of SAM 2 and SAM 3, equal up to float rounding, and faster.

See ``fast_decoder.py``. To what the up-scaling makes of the coarsest level of features, the finer
two are added, which are the same for all prompts, too.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from samrs_mm.models.prompt_segmentors.fast_decoder import FastDecoder, as_pixels, upscaled
from samrs_mm.models.prompt_segmentors.two_way import Attention, Layer, TwoWayTransformer


class FastLevelsDecoder(FastDecoder):
    """Runs the mask decoder of a ``Sam2Model`` or ``Sam3TrackerModel`` of ``transformers``.

    Args:
        model: The network; this is to be made anew when it moves to another device.
    """

    def __init__(self, model: nn.Module):
        self.prompt_encoder, self.decoder = model.prompt_encoder, model.mask_decoder
        with torch.no_grad():
            positions = as_pixels(model.get_image_wide_positional_embeddings())
            self.transformer = _two_way(self.decoder.transformer, positions)
        self._upscaled, self._last = upscaled, None
        self._last_added: tuple[torch.Tensor, Sequence[torch.Tensor]] | None = None

    def masks(
        self,
        features: Sequence[torch.Tensor],
        sparse: torch.Tensor,
        dense: torch.Tensor | None,
        count: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the first logits ``(n, count, 4 h, 4 w)`` and all predicted IoUs ``(n, 4)``.

        Args:
            features: Of one image: ``(1, C / 8, 4 h, 4 w)``, ``(1, C / 4, 2 h, 2 w)``,
                ``(1, C, h, w)``.
            sparse: Embeddings of points and boxes ``(n, t, C)``.
            dense: Embeddings of mask prompts ``(n, C, h, w)``, or None without mask prompts.
            count: 1, the single mask, to 4.
        """
        *finer, image = features
        if self._last_added is None or self._last_added[0] is not finer[0]:
            added = _in_blocks(finer[1], 1), _in_blocks(finer[0], 2)
            self._last_added = finer[0], added
        self._count = count
        return self(image, sparse, dense)

    @property
    def _own_tokens(self) -> list[torch.Tensor]:
        return [self.decoder.obj_score_token.weight, *super()._own_tokens]

    def _decoded(
        self, features: torch.Tensor, sparse: torch.Tensor, dense: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        decoder, (_, added) = self.decoder, self._last_added
        tokens, pixels = self._transformed(features, sparse, dense)
        heads = decoder.output_hypernetworks_mlps[: self._count]
        # The tokens of masks come after those of the object's presence and of the IoUs.
        weights = torch.stack([head(tokens[:, 2 + i]) for i, head in enumerate(heads)], 1)
        layers = (
            decoder.upscale_conv1, decoder.upscale_layer_norm, decoder.activation,
            decoder.upscale_conv2, decoder.activation,
        )  # fmt: skip
        logits = self._upscaled(layers, pixels, weights, features.shape[-2:], added)
        return logits, decoder.iou_prediction_head(tokens[:, 1])


def _in_blocks(level: torch.Tensor, times: int) -> torch.Tensor:
    """Return a finer level in the order in which ``upscaled`` makes pixels.

    That is ``(1, C, 2 h, 2 w)`` as ``(h * w, 4, C)``, or, halved two times, ``(1, C, 4 h, 4 w)`` as
    ``(h * w, 4, 4, C)``.
    """
    level = level[0]
    for _ in range(times):  # C, rows, columns, ... -> C, rows / 2, columns / 2, ..., 4
        level = level.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).movedim((2, 4), (-2, -1))
        level = level.flatten(-2)
    order = range(level.ndim - 1, 2, -1)  # the coarsest split was made last
    return level.permute(1, 2, *order, 0).flatten(0, 1).contiguous()


def _two_way(transformer: nn.Module, positions: torch.Tensor) -> TwoWayTransformer:
    layers = [
        Layer(
            partial(_attend, layer.self_attn),
            layer.layer_norm1,
            _attention(layer.cross_attn_token_to_image),
            layer.layer_norm2,
            layer.mlp,
            layer.layer_norm3,
            _attention(layer.cross_attn_image_to_token),
            layer.layer_norm4,
        )
        for layer in transformer.layers
    ]
    final = _attention(transformer.final_attn_token_to_image)
    return TwoWayTransformer(layers, final, transformer.layer_norm_final_attn, positions)


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """Call an attention of ``transformers``, which has a second dimension for prompts."""
    return module(query=query[:, None], key=key[:, None], value=value[:, None])[0][:, 0]


def _attention(module: nn.Module) -> Attention:
    return Attention(
        module.q_proj, module.k_proj, module.v_proj, module.o_proj, module.num_attention_heads
    )
