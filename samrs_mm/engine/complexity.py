"""What a network costs: weights, and multiply-adds of a forward."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import one_line


@dataclass(frozen=True)
class Cost:
    """What a part of a network costs.

    Args:
        name: As in ``named_modules``; '' of the whole.
        weights: Parameters, those that other parts share counted once.
        trained: Those of them that need a gradient.
        products: Multiply-adds of a forward of one image.
    """

    name: str
    weights: int
    trained: int
    products: int


@dataclass(frozen=True)
class Complexity:
    """The costs of a network's parts, and the operations that mmengine can't count.

    Args:
        parts: The whole first, then its parts in their order.
        uncounted: How often each operation is met that counts 0.
    """

    parts: list[Cost]
    uncounted: dict[str, int]


def complexity(model: nn.Module, shape: Sequence[int], depth: int = 2) -> Complexity:
    """Count a forward of one random image, in evaluation mode, by mmengine's ``FlopAnalyzer``.

    A multiply-add counts one, as in mmengine's ``get_model_complexity_info`` and in papers that
    say FLOPs. Attention, which mmengine leaves out where torch computes it in one operation, counts
    as its two products.

    Args:
        model: Its ``forward`` takes images alone, such as that of a segmentor or a detector.
        shape: ``(bands, height, width)`` of the image.
        depth: How deep parts are told, 0 for the whole alone.

    Raises:
        RefusedError: The forward fails on such an image.
    """
    model.eval()
    images = torch.randn(1, *shape, device=next(model.parameters()).device)
    analyzer = FlopAnalyzer(model, (images,))
    analyzer.set_op_handle('aten::scaled_dot_product_attention', _attention)
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    logging.getLogger('torch.jit').setLevel(logging.ERROR)
    try:
        with torch.no_grad():
            products = analyzer.by_module()
            uncounted = dict(analyzer.unsupported_ops())
    except (AssertionError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        size = ' x '.join(map(str, shape))
        raise RefusedError(
            f'the network cannot be counted on an image of {size}: {one_line(error)}'
        ) from error
    return Complexity([*_costs(model, products, depth)], uncounted)


def _costs(model: nn.Module, products: Any, depth: int) -> Iterator[Cost]:
    for name, module in model.named_modules():
        level = name.count('.') + 1 if name else 0
        weights = {id(weight): weight for weight in module.parameters()}.values()
        total = sum(weight.numel() for weight in weights)
        if level > depth or (name and not total and not products[name]):
            continue
        trained = sum(weight.numel() for weight in weights if weight.requires_grad)
        yield Cost(name, total, trained, int(products[name]))


def _attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Count queries ``(..., L, E)`` times keys ``(..., S, E)``, times values ``(..., S, V)``."""
    query, key, value = (each.type().sizes() for each in inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
