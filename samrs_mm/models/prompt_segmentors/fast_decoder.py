"""SAM's mask decoder for one mask a prompt: equal up to float rounding, and about twice as fast.

See ``two_way.py`` for its transformer. Beside that, the up-scaling is two products of matrices on
``(pixels, channels)``, of which only the last numbers are brought into the order of an image, and
of the four masks only the one that is wanted is made.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import nn

from samrs_mm.models.prompt_segmentors.two_way import (
    Attention,
    ImageSide,
    Layer,
    TwoWayTransformer,
)

PIXELS_AT_ONCE = 2**13
"""Of feature maps; those of more prompts at once don't fit into a CPU's cache."""


class FastDecoder:
    """Runs the prompt side of a ``segment_anything.modeling.Sam``; holds no weights of its own.

    Args:
        model: A SAM; this is to be made anew when it moves to another device.
    """

    def __init__(self, model: nn.Module):
        self.prompt_encoder, self.decoder = model.prompt_encoder, model.mask_decoder
        with torch.no_grad():
            positions = as_pixels(self.prompt_encoder.get_dense_pe())
            self.transformer = two_way(self.decoder.transformer, positions)
        self._upscaled = upscaled
        self._last: tuple[torch.Tensor, ImageSide] | None = None

    def compile(self) -> None:
        """Run what is done for each prompt through ``torch.compile``."""
        self.transformer.compile()
        self._upscaled = torch.compile(upscaled, dynamic=True)

    def image_side(self, features: torch.Tensor) -> ImageSide:
        """Return what prompts without masks share of features ``(1, C, h, w)``; kept for the next.

        It is the same object until other features are asked for.
        """
        if self._last is None or self._last[0] is not features:
            nothing = self.prompt_encoder.no_mask_embed.weight
            self._last = features, self.transformer.image_side(as_pixels(features) + nothing)
        return self._last[1]

    def __call__(
        self,
        features: torch.Tensor,
        sparse: torch.Tensor,
        dense: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(n, 4 h, 4 w)`` and predicted IoUs ``(n,)``.

        Args:
            features: Of one image ``(1, C, h, w)``.
            sparse: Embeddings of points and boxes ``(n, t, C)``.
            dense: Embeddings of mask prompts ``(n, C, h, w)``, or None without mask prompts.
        """
        step = len(sparse)
        if features.device.type == 'cpu':
            step = max(1, PIXELS_AT_ONCE // features[0, 0].numel())
        masks = repeat(None) if dense is None else dense.split(step)
        parts = [self._decoded(features, *each) for each in zip(sparse.split(step), masks)]  # noqa: B905
        logits, scores = zip(*parts, strict=True)
        return torch.cat(logits), torch.cat(scores)

    def _decoded(
        self, features: torch.Tensor, sparse: torch.Tensor, dense: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        decoder = self.decoder
        tokens, pixels = self._transformed(features, sparse, dense)
        weights = decoder.output_hypernetworks_mlps[0](tokens[:, 1])
        logits = self._upscaled(
            decoder.output_upscaling, pixels, weights[:, None], features.shape[-2:]
        )
        return logits[:, 0], decoder.iou_prediction_head(tokens[:, 0])[:, 0]

    @property
    def _own_tokens(self) -> list[torch.Tensor]:
        return [self.decoder.iou_token.weight, self.decoder.mask_tokens.weight]

    def _transformed(
        self, features: torch.Tensor, sparse: torch.Tensor, dense: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens ``(n, t, C)``, its own first, and the pixels ``(n, h * w, C)``."""
        own = torch.cat(self._own_tokens).expand(len(sparse), -1, -1)
        image = self.image_side(features) if dense is None else as_pixels(features + dense)
        return self.transformer(image, torch.cat([own, sparse], 1))


class FastHQDecoder(FastDecoder):
    """The same for a ``segment_anything_hq.modeling.Sam``: its transformer is fast.

    Args:
        model: An HQ-SAM.
        hq_token_only: Give the mask of the new token alone.
    """

    def __init__(self, model: nn.Module, hq_token_only: bool):
        super().__init__(model)
        self.hq_token_only = hq_token_only

    def __call__(
        self,
        features: torch.Tensor,
        sparse: torch.Tensor,
        dense: torch.Tensor | None,
        fine: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same; ``fine`` are HQ-SAM's features ``(1, C / 8, 4 h, 4 w)``."""
        self._fine = fine
        return super().__call__(features, sparse, dense)

    @property
    def _own_tokens(self) -> list[torch.Tensor]:
        return [*super()._own_tokens, self.decoder.hf_token.weight]

    def _decoded(
        self, features: torch.Tensor, sparse: torch.Tensor, dense: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        decoder = self.decoder
        tokens, pixels = self._transformed(features, sparse, dense)
        grid = pixels.transpose(1, 2).unflatten(2, features.shape[-2:])
        large = decoder.output_upscaling(grid)
        # Its token comes after that of the IoU and those of all masks, among which it is counted.
        logits = _dot(
            decoder.hf_mlp(tokens[:, decoder.num_mask_tokens]),
            decoder.embedding_maskfeature(large) + self._fine,
        )
        if not self.hq_token_only:
            logits = logits + _dot(decoder.output_hypernetworks_mlps[0](tokens[:, 1]), large)
        return logits, decoder.iou_prediction_head(tokens[:, 0])[:, 0]


def _dot(weights: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Return the sum ``(n, h, w)`` of maps ``(n, C, h, w)`` by weights ``(n, C)``."""
    return torch.matmul(weights[:, None], maps.flatten(2))[:, 0].unflatten(1, maps.shape[-2:])


def two_way(transformer: nn.Module, positions: torch.Tensor) -> TwoWayTransformer:
    """Return a ``TwoWayTransformer`` of the modules of ``segment_anything``'s."""
    layers = [
        Layer(
            layer.self_attn,
            layer.norm1,
            _attention(layer.cross_attn_token_to_image),
            layer.norm2,
            layer.mlp,
            layer.norm3,
            _attention(layer.cross_attn_image_to_token),
            layer.norm4,
        )
        for layer in transformer.layers
    ]
    final = _attention(transformer.final_attn_token_to_image)
    return TwoWayTransformer(layers, final, transformer.norm_final_attn, positions)


def _attention(module: nn.Module) -> Attention:
    return Attention(module.q_proj, module.k_proj, module.v_proj, module.out_proj, module.num_heads)


def upscaled(
    layers: Iterable[nn.Module],
    pixels: torch.Tensor,
    weights: torch.Tensor,
    grid: torch.Size,
    added: Sequence[torch.Tensor] | None = None,
) -> torch.Tensor:
    """Return the logits ``(n, m, 4 h, 4 w)`` of SAM's up-scaling, of m masks.

    Args:
        layers: ConvTranspose2d, LayerNorm2d, GELU, ConvTranspose2d, GELU; both convolutions have
            kernel and stride 2, so that each pixel makes four, of itself alone.
        pixels: ``(n, h * w, C)``.
        weights: Of the masks, for the channels of the last layer ``(n, m, C / 8)``.
        grid: h and w.
        added: To what the convolutions give, ``(h * w, 4, C / 4)`` and ``(h * w, 4, 4, C / 8)``.
    """
    first, norm, activation, second, _ = layers
    x = _quadrupled(first, pixels)
    x = x if added is None else x + added[0]
    x = activation(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
    x = _quadrupled(second, x)
    x = activation(x if added is None else x + added[1])
    x = torch.matmul(x.flatten(1, -2), weights.transpose(1, 2))
    x = x.view(-1, *grid, 2, 2, 2, 2, x.shape[-1])  # row and column within four, then within each
    return x.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(-1, x.shape[-1], 4 * grid[0], 4 * grid[1])


def _quadrupled(layer: nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """Return the four pixels that each of ``(..., C)`` becomes: ``(..., 4, D)``, row by row."""
    weight = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return F.linear(x, weight, layer.bias.repeat(4)).unflatten(-1, (4, -1))


def as_pixels(x: torch.Tensor) -> torch.Tensor:
    """Return ``(n, C, h, w)`` as ``(n, h * w, C)``."""
    return x.flatten(2).transpose(1, 2)
