"""From what a checkpoint holds to the rules that convert it, and what they must yield."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.conversion import (
    MISSING,
    Conversion,
    Row,
    convert,
    first_match,
    without_module,
)
from samrs_mm.models.conversion.key_maps import vit
from samrs_mm.models.conversion.key_maps.samrs import DECODERS, whole_rules
from samrs_mm.models.conversion.networks import (
    NETWORKS,
    VITS,
    backbone_config,
    find_network,
    has,
    network_of,
    shapes_of,
    whole_shapes,
)
from samrs_mm.models.conversion.rules import Network, Rule, Shapes, State

AUTO, AUTHORS, SAMRS, OURS, PLAIN = 'auto', 'authors', 'samrs', 'ours', 'plain'


@dataclass(frozen=True)
class Layout:
    """A way of naming weights.

    Args:
        mark: Regular expression of a name that only it has.
        rules: To the plain names of a backbone.
        network: What such weights are for by default; empty: what the names say.
        fresh: What they lack beside what others for that backbone lack.
    """

    mark: str
    rules: tuple[Rule, ...] = ()
    network: str = ''
    fresh: Mapping[str, str] = field(default_factory=dict)


_QUERY_BIAS = r'blocks\.0\.attn\.q_bias'
# In the order in which they are tried
LAYOUTS = {
    SAMRS: Layout(r'semseghead(_\d)?\..+'),
    OURS: Layout(r'decode_head\..+'),
    'beit': Layout(_QUERY_BIAS, vit.FROM_BEIT, 'vit-beit'),
    'beit-lossy': Layout(_QUERY_BIAS, vit.FROM_BEIT_LOSSY, 'vit', vit.FRESH_BEIT_LOSSY),
    'mae': Layout(
        r'(.+\.)?mask_token|decoder_embed\..+|(backbone\.)?layers\.0\.ln1\.weight',
        vit.FROM_MAE,
        'vit-rvsa',
    ),
    PLAIN: Layout(r'.+', (Rule(r'backbone\.(.+)', r'\1'),)),
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
    fresh: Mapping[str, str] = field(default_factory=dict)

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
    plain = without_module(state)
    layout = _find_layout(plain, origin)
    whole = layout in (SAMRS, OURS)
    route = (_whole_route if whole else _backbone_route)(plain, layout, origin, target, model)
    conversion = convert(state, route.stages, route.wanted, route.fresh, [*allowed])
    if target == AUTHORS:
        conversion.rows.extend(_dead_rows(conversion.state, route.network))
    return route, conversion


def _find_layout(names: Collection[str], origin: str) -> str:
    if origin == AUTO:
        return next(key for key, layout in LAYOUTS.items() if has(layout.mark, names))
    key = PLAIN if origin in PLAIN_ORIGINS else origin
    if not has(LAYOUTS[key].mark, names):
        mark = LAYOUTS[key].mark.replace('\\', '')
        raise RefusedError(
            f'--from {origin}: it has no weight named like {mark} (it has '
            f'{", ".join([*names][:3])}, ...)'
        )
    return key


def _backbone_route(
    state: State, layout: str, origin: str, target: str, model: Mapping[str, Any] | None
) -> Route:
    """Return how to convert a backbone; arguments as for ``convert_state``."""
    if target == AUTHORS:
        raise RefusedError(
            '--to authors: it needs a whole model of ours, with backbone.* and decode_head.*'
        )
    known = LAYOUTS[layout]
    names = {_renamed(name, known.rules): value for name, value in state.items()}
    key, network = _find_network(names, target, model, known.network)
    if origin in PLAIN_ORIGINS and key not in PLAIN_ORIGINS[origin]:
        raise RefusedError(
            f'--from {origin}: its names are of {key}; there is '
            f'{", ".join(PLAIN_ORIGINS[origin])} of that origin'
        )
    wanted = shapes_of(model['backbone'] if model else backbone_config(key, names))
    fresh = {**known.fresh, **network.fresh}
    return Route(layout, key, '', (known.rules, network.rules), wanted, fresh)


def _whole_route(
    state: State, layout: str, origin: str, target: str, model: Mapping[str, Any] | None
) -> Route:
    """Return how to convert backbone, decoder and heads; arguments as for ``convert_state``."""
    prefixes = ('encoder.', 'decoder.') if layout == SAMRS else ('backbone.', 'decode_head.')
    backbone, trunk = (
        {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        for prefix in prefixes
    )
    key, network = _find_network(backbone, target, model)
    decoder = next((key for key, known in DECODERS.items() if has(known.mark, trunk)), None)
    if decoder is None:
        raise RefusedError(f'its decoder is none of {", ".join(DECODERS)}')
    if target == AUTHORS:
        if layout == SAMRS:
            raise RefusedError("--to authors: it has the authors' names already")
        rules = whole_rules(network.to_authors, DECODERS[decoder], back=True)
        return Route(layout, key, decoder, (rules,), None)
    rules = whole_rules(network.rules, DECODERS[decoder]) if layout == SAMRS else ()
    if model:
        return Route(layout, key, decoder, (rules,), shapes_of(model))
    found = {_renamed(name, rules): value.shape for name, value in state.items()}
    return Route(layout, key, decoder, (rules,), whole_shapes(key, backbone, decoder, found))


def _find_network(
    names: State, target: str, model: Mapping[str, Any] | None, usual: str = ''
) -> tuple[str, Network]:
    """Return what backbone weights are of.

    Args:
        names: Weights by plain names.
        target: As for ``convert_state``.
        model: As for ``convert_state``.
        usual: Key of what they are by default; empty: what the names say.

    Returns:
        Its key in `NETWORKS`, or its type; and its names.
    """
    if target in NETWORKS:
        return target, NETWORKS[target]
    if model:
        return network_of(model['backbone'])
    key = usual or find_network(names)
    return key, NETWORKS[key]


def _renamed(name: str, rules: Iterable[Rule]) -> str:
    found = first_match(name, (rule for rule in rules if rule.target))
    return found[1].expand(found[0].target or '') if found else name


def _dead_rows(converted: Iterable[str], network: str) -> Iterator[Row]:
    """Name what the authors' models have beside live weights and nothing uses."""
    reason = "never used by the authors' model: it works without"
    dead = NETWORKS[network].dead if network in NETWORKS else {}
    for pattern, templates in dead.items():
        for name in converted:
            if match := re.fullmatch(pattern, name.removeprefix('encoder.')):
                for template in templates:
                    yield Row(MISSING, '', match.expand(f'encoder.{template}'), (), reason)
