"""From what a checkpoint holds to the rules that convert it, and what they must yield."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import (
    MISSING,
    Conversion,
    Fresh,
    Row,
    Rule,
    Shapes,
    State,
    convert,
    without_module,
)
from samrs_mm.models.conversion.decoders import DECODERS, whole_shapes
from samrs_mm.models.conversion.key_maps import samrs, vit
from samrs_mm.models.conversion.networks import (
    NETWORKS,
    VITS,
    Network,
    backbone_config,
    find_network,
    has,
    network_of,
    shapes_of,
)

AUTO, AUTHORS, OURS, PLAIN = 'auto', 'authors', 'ours', 'plain'


@dataclass(frozen=True)
class Layout:
    """A way of naming weights.

    Args:
        mark: Regular expression of a name that tells it.
        rules: To the plain names of a backbone.
        network: What such weights are for unless told otherwise; empty: what the names tell.
        fresh: What they lack beside what others for that backbone lack.
    """

    mark: str
    rules: tuple[Rule, ...] = ()
    network: str = ''
    fresh: tuple[Fresh, ...] = ()


_UNPREFIXED = (Rule(r'backbone\.(.+)', r'\1'),)
# In the order in which they are tried
LAYOUTS = {
    'samrs': Layout(r'semseghead(_\d)?\..+'),
    OURS: Layout(r'decode_head\..+'),
    'beit': Layout(r'blocks\.0\.attn\.q_bias', vit.FROM_BEIT, 'vit-beit'),
    'beit-lossy': Layout(
        r'blocks\.0\.attn\.q_bias', vit.FROM_BEIT_LOSSY, 'vit', vit.BEIT_LOSSY_FRESH
    ),
    'mae': Layout(
        r'(.+\.)?mask_token|decoder_embed\..+|(backbone\.)?layers\.0\.ln1\.weight',
        vit.FROM_MAE,
        'vit-rvsa',
    ),
    PLAIN: Layout(r'.+', _UNPREFIXED),
}
# Whose files with plain names may be of which networks
PLAIN_ORIGINS = {
    'timm': VITS,
    'rsp': ('resnet50', 'swin', 'vitae'),
    'torchvision': ('resnet50',),
    'swin': ('swin',),
    'vitae': ('vitae',),
    'internimage': ('internimage',),
}
ORIGINS = (AUTO, *(name for name in LAYOUTS if name != PLAIN), *PLAIN_ORIGINS)
TARGETS = (AUTO, *NETWORKS, AUTHORS)


@dataclass(frozen=True)
class Route:
    """How a checkpoint is converted: the arguments of ``convert``, and what they stand for."""

    layout: str
    network: str
    decoder: str
    stages: tuple[tuple[Rule, ...], ...]
    wanted: Shapes | None
    fresh: tuple[Fresh, ...] = ()

    @property
    def title(self) -> str:
        """What is converted into what, in words."""
        parts = [self.decoder, self.network] if self.decoder else [self.network]
        return f'{" + ".join(parts)}, from the layout {self.layout!r}'


def convert_state(
    state: State,
    origin: str = AUTO,
    target: str = AUTO,
    model: Mapping[str, Any] | None = None,
    allowed: Iterable[str] = (),
) -> tuple[Route, Conversion]:
    """Convert the weights of a checkpoint.

    Args:
        state: Weights by name.
        origin: One of `ORIGINS`.
        target: One of `TARGETS`: the backbone, or ``'authors'`` for a model of ours back into
            their names.
        model: Config of the segmentor that the weights are for; without it, it is the paper's.
        allowed: Shell patterns of names that may be missing or left over.

    Raises:
        RefusedError: The weights are not of that origin, or not known what they are of.
    """
    route = find_route(state, origin, target, model)
    conversion = convert(state, route.stages, route.wanted, route.fresh, [*allowed])
    if target == AUTHORS:
        conversion.rows.extend(_dead_rows(conversion.state, route.network))
    return route, conversion


def find_route(
    state: State, origin: str = AUTO, target: str = AUTO, model: Mapping[str, Any] | None = None
) -> Route:
    """Return how to convert a checkpoint; arguments and errors as for ``convert_state``."""
    plain = without_module(state)
    key = _find_layout(plain, origin)
    if key in ('samrs', OURS):
        return _whole_route(plain, key, target, model)
    if target == AUTHORS:
        raise RefusedError(
            '--to authors: it needs a whole model of ours, with backbone.* and decode_head.*'
        )
    layout = LAYOUTS[key]
    names = {_renamed(name, layout.rules): value for name, value in plain.items()}
    network, known = _find_network(names, target, model, layout.network)
    if origin in PLAIN_ORIGINS and network not in PLAIN_ORIGINS[origin]:
        raise RefusedError(
            f'--from {origin}: its names are of {network}; there is '
            f'{", ".join(PLAIN_ORIGINS[origin])} of that origin'
        )
    wanted = shapes_of(model['backbone'] if model else backbone_config(network, names))
    rules, fresh = (known.rules, known.fresh) if known else ((), ())
    return Route(key, network, '', (layout.rules, rules), wanted, fresh + layout.fresh)


def _find_network(
    names: Iterable[str], target: str, model: Mapping[str, Any] | None, usual: str = ''
) -> tuple[str, Network | None]:
    if target in NETWORKS:
        return target, NETWORKS[target]
    if model:
        return network_of(model['backbone'])
    key = usual or find_network(names)
    return key, NETWORKS[key]


def _find_layout(names: Collection[str], origin: str) -> str:
    if origin == AUTO:
        return next(key for key, layout in LAYOUTS.items() if has(layout.mark, names))
    key = PLAIN if origin in PLAIN_ORIGINS else origin
    if not has(LAYOUTS[key].mark, names):
        raise RefusedError(
            f'--from {origin}: it has no weight named like {_readable(LAYOUTS[key].mark)} (it has '
            f'{", ".join([*names][:3])}, ...)'
        )
    return key


def _readable(pattern: str) -> str:
    return pattern.replace('\\', '')


def _renamed(name: str, rules: Iterable[Rule]) -> str:
    for rule in rules:
        if rule.target and (match := re.fullmatch(rule.pattern, name)):
            return match.expand(rule.target)
    return name


def _whole_route(state: State, layout: str, target: str, model: Mapping[str, Any] | None) -> Route:
    theirs = layout == 'samrs'
    prefixes = ('encoder.', 'decoder.') if theirs else ('backbone.', 'decode_head.')
    backbone, trunk = (_below(state, prefix) for prefix in prefixes)
    network, known = _find_network(backbone, target, model)
    decoder = next((key for key, known in DECODERS.items() if has(known.mark, trunk)), None)
    if decoder is None:
        raise RefusedError(f'its decoder is none of {", ".join(DECODERS)}')
    if target == AUTHORS:
        if theirs:
            raise RefusedError("--to authors: it has the authors' names already")
        rules = samrs.to_authors(known.to_authors if known else (), decoder)
        return Route(layout, network, decoder, (rules,), None)
    rules = samrs.to_ours(known.rules if known else (), decoder) if theirs else ()
    if model:
        return Route(layout, network, decoder, (rules,), shapes_of(model))
    wanted = whole_shapes(
        backbone_config(network, backbone),
        known.channels,
        decoder,
        {_renamed(name, rules): value.shape for name, value in state.items()},
    )
    return Route(layout, network, decoder, (rules,), wanted)


def _below(state: State, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _dead_rows(converted: Iterable[str], network: str) -> list[Row]:
    """Name what the authors' models have beside live weights and nothing uses."""
    reason = "never used by the authors' model: it works without"
    known = NETWORKS.get(network)
    return [
        Row(MISSING, '', match.expand(f'encoder.{template}'), (), reason)
        for pattern, templates in (known.dead if known else ())
        for name in converted
        if (match := re.fullmatch(pattern, name.removeprefix('encoder.')))
        for template in templates
    ]
