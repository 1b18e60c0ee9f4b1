"""The two-way transformer of SAM's mask decoder, rewritten by algebra that spares work on pixels.

Few tokens (about 7 a prompt) and many pixels (4,096) look at each other in it. Equal to
``segment_anything``'s up to float rounding, with the same modules and parameters:

* Before a prompt has been looked at, the pixels are the same for all prompts of an image, and so
  are their projections in the first layer (``ImageSide``); all prompts' tokens are one long query.
* Later a projection of pixels that only tokens meet is applied to the tokens instead:
  ``q . (W x) = (W^T q) . x`` and ``sum p (W x) = W (sum p x)``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Attention:
    """The layers of an attention between tokens and pixels; ``heads`` each see c channels of C."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    heads: int

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(n, length, heads * c)`` as ``(n, heads, length, c)``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def by_head(self, layer: nn.Linear) -> torch.Tensor:
        """Return the weights of a projection into heads as ``(heads, c, C)``."""
        return layer.weight.unflatten(0, (self.heads, -1))

    def values_out(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values of tokens ``(n, t, C)``, already through ``out``: ``(n, heads*t, C)``.

        Without the bias of ``out``.
        """
        weight = self.out.weight.t().unflatten(0, (self.heads, -1))
        return torch.matmul(self.split(self.value(x)), weight).flatten(1, 2)


@dataclass(frozen=True)
class Layer:
    """A layer of the transformer; its modules in the order in which they are called."""

    self_attention: Callable[..., torch.Tensor]
    norm1: nn.Module
    to_image: Attention
    norm2: nn.Module
    mlp: nn.Module
    norm3: nn.Module
    to_tokens: Attention
    norm4: nn.Module


@dataclass(frozen=True)
class ImageSide:
    """What is the same for all prompts of an image without mask prompts, P pixels.

    Args:
        pixels: ``(1, P, C)``.
        key: Of the first layer's ``to_image``, ``(1, heads, P, c)``.
        value: The same.
        query: Of the first layer's ``to_tokens``, ``(1, heads, P, c)``.
    """

    pixels: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    query: torch.Tensor


class TwoWayTransformer:
    """Runs the modules of a two-way transformer; holds no weights of its own.

    Args:
        layers: Its layers.
        final: The last attention of the tokens to the pixels.
        final_norm: The norm after it.
        positions: Position encoding of the pixels ``(1, P, C)``; to be made anew, as is this, when
            the modules move to another device or their weights change.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        final: Attention,
        final_norm: nn.Module,
        positions: torch.Tensor,
    ):
        self.layers, self.final, self.final_norm = tuple(layers), final, final_norm
        self.positions = positions
        self._run = self._look
        self._as_key = [a.split(a.key(positions)) for a in (*self._to_image, final)]
        self._as_query = [
            layer.to_tokens.split(layer.to_tokens.query(positions)) for layer in layers
        ]

    @property
    def _to_image(self) -> list[Attention]:
        return [layer.to_image for layer in self.layers]

    def image_side(self, pixels: torch.Tensor) -> ImageSide:
        """Return what the first layer makes of pixels ``(1, P, C)`` that all prompts share."""
        first = self.layers[0]
        placed = pixels + self.positions
        return ImageSide(
            pixels,
            first.to_image.split(first.to_image.key(placed)),
            first.to_image.split(first.to_image.value(pixels)),
            first.to_tokens.split(first.to_tokens.query(placed)),
        )

    def compile(self) -> None:
        """Run what is done for each prompt through ``torch.compile``, for any number of them."""
        self._run = torch.compile(self._run, dynamic=True)

    def __call__(
        self, image: ImageSide | torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens ``(n, t, C)`` and pixels ``(n, P, C)`` of n prompts after all layers.

        Args:
            image: What the prompts share, or pixels of each ``(n, P, C)``.
            tokens: ``(n, t, C)``.
        """
        return self._run(image, tokens)

    def _look(
        self, image: ImageSide | torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        shared = image if isinstance(image, ImageSide) else None
        pixels = image.pixels if isinstance(image, ImageSide) else image
        queries = tokens
        for i, layer in enumerate(self.layers):
            if i == 0:
                queries = layer.self_attention(queries, queries, queries)
            else:
                placed = queries + tokens
                queries = queries + layer.self_attention(placed, placed, queries)
            queries = layer.norm1(queries)
            if i == 0 and shared:
                seen = _shared_to_image(layer.to_image, queries + tokens, shared)
            else:
                seen = _to_image(layer.to_image, queries + tokens, pixels, self._as_key[i])
            queries = layer.norm2(queries + seen)
            queries = layer.norm3(queries + layer.mlp(queries))
            if i == 0 and shared:
                told = _shared_to_tokens(layer.to_tokens, shared, queries + tokens, queries)
            else:
                told = _to_tokens(
                    layer.to_tokens, pixels, self._as_query[i], queries + tokens, queries
                )
            pixels = layer.norm4(pixels + told)
        queries = queries + _to_image(self.final, queries + tokens, pixels, self._as_key[-1])
        return self.final_norm(queries), pixels


def _shared_to_image(a: Attention, placed: torch.Tensor, image: ImageSide) -> torch.Tensor:
    """Return what n prompts' tokens ``(n, t, C)`` see of the pixels that they share."""
    count, length = placed.shape[:2]
    query = a.split(a.query(placed)).transpose(0, 1).flatten(1, 2)[None]
    seen = F.scaled_dot_product_attention(query, image.key, image.value)[0]
    return a.out(seen.unflatten(1, (count, length)).permute(1, 2, 0, 3).flatten(2))


def _shared_to_tokens(
    a: Attention, image: ImageSide, placed: torch.Tensor, tokens: torch.Tensor
) -> torch.Tensor:
    """Return what the pixels that n prompts share see of each one's tokens ``(n, P, C)``."""
    key = a.split(a.key(placed))
    scores = torch.matmul(image.query, key.transpose(-1, -2) * key.shape[-1] ** -0.5)
    weights = scores.softmax(-1).transpose(1, 2).flatten(2)
    return torch.baddbmm(a.out.bias, weights, a.values_out(tokens))


def _to_image(
    a: Attention, placed: torch.Tensor, pixels: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Return what tokens ``(n, t, C)`` see of pixels ``(n, P, C)``, which are never projected.

    ``positions`` are the keys of the pixels' places ``(1, heads, P, c)``. The bias of ``key``,
    which is in them, adds the same to all scores of a token.
    """
    query = a.split(a.query(placed))
    query = query * query.shape[-1] ** -0.5
    scores = torch.baddbmm(
        torch.matmul(query, positions.transpose(-1, -2)).flatten(1, 2),
        torch.matmul(query, a.by_head(a.key)).flatten(1, 2),
        pixels.transpose(1, 2),
    )
    mixed = torch.bmm(scores.softmax(-1), pixels).unflatten(1, (a.heads, -1))
    seen = torch.matmul(mixed, a.by_head(a.value).transpose(1, 2))
    seen = seen.transpose(1, 2).flatten(2) + a.value.bias
    return a.out(seen)


def _to_tokens(
    a: Attention,
    pixels: torch.Tensor,
    positions: torch.Tensor,
    placed: torch.Tensor,
    tokens: torch.Tensor,
) -> torch.Tensor:
    """Return what pixels ``(n, P, C)``, which are never projected, see of tokens: ``(n, P, C)``.

    ``positions`` are the queries of the pixels' places ``(1, heads, P, c)``, the bias of ``query``
    included.
    """
    key = a.split(a.key(placed))
    key = key * key.shape[-1] ** -0.5
    scores = torch.baddbmm(
        torch.matmul(positions, key.transpose(-1, -2)).transpose(1, 2).flatten(2),
        pixels,
        torch.matmul(key, a.by_head(a.query)).flatten(1, 2).transpose(1, 2),
    )
    weights = scores.unflatten(-1, (a.heads, -1)).softmax(-1).flatten(2)
    return torch.baddbmm(a.out.bias, weights, a.values_out(tokens))
