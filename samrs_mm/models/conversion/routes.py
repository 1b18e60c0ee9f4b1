"""From what a checkpoint holds to the rules that convert it, and what they must yield."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion import key_maps, networks
from samrs_mm.models.conversion.conversion import (
    MISSING,
    Conversion,
    Row,
    convert,
    has,
    new_name,
    without_module,
)
from samrs_mm.models.conversion.key_maps import DECODERS, LAYOUTS, NETWORKS, Network, State
from samrs_mm.models.conversion.outside import outside_network

AUTO, AUTHORS = 'auto', 'authors'
ORIGINS = (AUTO, *(name for name in LAYOUTS if name != key_maps.PLAIN), *key_maps.PLAIN_ORIGINS)
TARGETS = (AUTO, *NETWORKS, AUTHORS)


class Route(NamedTuple):
    """What is converted: the layout, the backbone, and the decoder of a whole model."""

    layout: str
    network: str
    decoder: str = ''

    @property
    def title(self) -> str:
        """The same in words."""
        parts = [self.decoder, self.network] if self.decoder else [self.network]
        return f'{" + ".join(parts)}, from the layout {self.layout!r}'


def convert_state(
    state: State,
    origin: str = AUTO,
    target: str = AUTO,
    model: Mapping[str, Any] | None = None,
    allowed: Sequence[str] = (),
    bands: Sequence[int] | None = None,
) -> tuple[Route, Conversion]:
    """Convert the weights of a checkpoint.

    Args:
        state: Weights by name.
        origin: One of `ORIGINS`.
        target: One of `TARGETS`: the backbone, or ``'authors'`` for a model of ours back into
            their names.
        model: Config of the segmentor that the weights are for; without it, it is the paper's.
        allowed: Shell patterns of names that may be missing or left over.
        bands: Which band of the file each band of the model gets, from 1; see ``fit_bands``.

    Raises:
        RefusedError: The weights are not of that origin, or not known what they are of.
    """
    plain = without_module(state)
    layout = _find_layout(plain, origin)
    find = _whole if layout in (key_maps.SAMRS, key_maps.OURS) else _backbone
    route, *arguments = find(plain, layout, origin, target, model)

    def image() -> list[str]:
        backbone = model['backbone'] if model else networks.backbone_config(route.network)
        prefix = 'backbone.' if route.decoder else ''
        return [prefix + name for name in networks.image_weights(backbone)]

    conversion = convert(state, *arguments, allowed=allowed, bands=bands, image=image)
    if target == AUTHORS:
        conversion.rows.extend(_dead_rows(conversion.state, route.network))
    return route, conversion


def _find_layout(names: Collection[str], origin: str) -> str:
    if origin == AUTO:
        return next(key for key, layout in LAYOUTS.items() if has(layout.mark, names))
    key = key_maps.PLAIN if origin in key_maps.PLAIN_ORIGINS else origin
    if not has(LAYOUTS[key].mark, names):
        mark = LAYOUTS[key].mark.replace('\\', '')
        raise RefusedError(
            f'--from {origin}: it has no weight named like {mark} (it has '
            f'{", ".join([*names][:3])}, ...)'
        )
    return key


def _backbone(
    state: State, layout: str, origin: str, target: str, model: Mapping[str, Any] | None
) -> tuple:
    """Return the route of a backbone, and rules, wanted and fresh as for ``convert``."""
    if target == AUTHORS:
        raise RefusedError(
            '--to authors: it needs a whole model of ours, with backbone.* and decode_head.*'
        )
    known = LAYOUTS[layout]
    names = {new_name(name, known.rules): value for name, value in state.items()}
    key, network = _find_network(names, target, model, known.network)
    if origin in key_maps.PLAIN_ORIGINS and key not in key_maps.PLAIN_ORIGINS[origin]:
        raise RefusedError(
            f'--from {origin}: its names are of {key}; there is '
            f'{", ".join(key_maps.PLAIN_ORIGINS[origin])} of that origin'
        )
    wanted = networks.shapes_of(
        model['backbone'] if model else networks.backbone_config(key, names)
    )
    if model and (found := outside_network(model['backbone'], wanted)):
        network = found
    rules = known.rules + network.rules
    return Route(layout, key), rules, wanted, {**known.fresh, **network.fresh}


def _whole(
    state: State, layout: str, origin: str, target: str, model: Mapping[str, Any] | None
) -> tuple:
    """Return the route of a whole model, and rules and wanted as for ``convert``."""
    prefixes = (
        ('encoder.', 'decoder.') if layout == key_maps.SAMRS else ('backbone.', 'decode_head.')
    )
    backbone, trunk = (
        {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        for prefix in prefixes
    )
    key, network = _find_network(backbone, target, model)
    decoder = next((key for key, (mark, *_) in DECODERS.items() if has(mark, trunk)), None)
    if decoder is None:
        raise RefusedError(f'its decoder is none of {", ".join(DECODERS)}')
    if target == AUTHORS and layout == key_maps.SAMRS:
        raise RefusedError("--to authors: it has the authors' names already")
    route = Route(layout, key, decoder)
    if target == AUTHORS:
        return route, key_maps.whole_rules(network, decoder, back=True)
    rules = key_maps.whole_rules(network, decoder) if layout == key_maps.SAMRS else []
    if model:
        return route, rules, networks.shapes_of(model)
    found = {new_name(name, rules): value.shape for name, value in state.items()}
    return route, rules, networks.whole_shapes(key, backbone, decoder, found)


def _find_network(
    state: State, target: str, model: Mapping[str, Any] | None, usual: str = ''
) -> tuple[str, Network]:
    """Return what backbone weights are of, by flags, by default, or by their names."""
    if model and target not in NETWORKS:
        return networks.network_of(model['backbone'])
    key = target if target in NETWORKS else usual or networks.find_network(state)
    return key, NETWORKS[key]


def _dead_rows(converted: Iterable[str], network: str) -> Iterator[Row]:
    """Name what the authors' models have beside live weights and nothing uses."""
    reason = "never used by the authors' model: it works without"
    dead = NETWORKS[network].dead if network in NETWORKS else {}
    for pattern, templates in dead.items():
        for name in converted:
            if match := re.fullmatch(pattern, name.removeprefix('encoder.')):
                for template in templates:
                    yield Row(MISSING, '', match.expand(f'encoder.{template}'), (), reason)
