"""Weights of the network as safetensors: tensors and a line of JSON, no code."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.models.boxnet.inputs import CHANNELS
from samrs_mm.models.boxnet.network import BoxNet

DEFAULT = 'boxnet_s.safetensors'
"""The weights that come with the package."""

_MOST_SIDE = 512
# Memory grows with the square of the side: 4,096 px took 19 GB.

_KEY = 'boxnet'
# One key: safetensors writes several in an order that changes from run to run.


@dataclass(frozen=True)
class WeightsInfo:
    """What belongs to weights, and stands in their file.

    Args:
        widths: Of ``BoxNet``.
        side: The crops' side in pixels that they were trained for.
        temperature: The score is ``sigmoid(logit / temperature + shift)`` of the IoU's logit, as
            fitted on validation crops; more than 0.
        shift: See ``temperature``.
        recipe: What made them: config, commit, seed, iterations, ...; plain data.
        channels: Names of the input's channels.
    """

    widths: tuple[int, ...] = (32, 48, 80, 112)
    side: int = 96
    temperature: float = 1.0
    shift: float = 0.0
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    channels: tuple[str, ...] = CHANNELS

    @classmethod
    def parse(cls, text: str) -> 'WeightsInfo':
        """Read the JSON of a file.

        Raises:
            ValueError: Something is missing, unknown or impossible; says what.
        """
        entry = load(text.encode())
        names = {each.name for each in dataclasses.fields(cls)}
        if not isinstance(entry, dict) or entry.keys() != names:
            raise ValueError(f'expected {", ".join(sorted(names))}')
        info = cls(**entry | {key: tuple(entry[key]) for key in ('widths', 'channels')})
        sizes = [*info.widths, info.side]
        if not info.widths or not all(isinstance(n, int) and n > 0 and n % 8 == 0 for n in sizes):
            raise ValueError(f'widths {info.widths} or side {info.side!r} are no multiples of 8')
        if info.side % 2 ** len(info.widths):
            raise ValueError(f'side {info.side} is no multiple of {2 ** len(info.widths)}')
        if not (math.isfinite(info.shift) and 0 < info.temperature < math.inf):
            raise ValueError(f'temperature {info.temperature!r} or shift {info.shift!r}')
        if not 16 <= info.side <= _MOST_SIDE:
            raise ValueError(f'side {info.side} is not from 16 to {_MOST_SIDE}')
        if info.channels != CHANNELS:
            raise ValueError('its input has other channels: it is of another version of samrs_mm')
        return info

    def score(self, logits: Tensor) -> Tensor:
        """Return predicted IoUs in [0, 1] of the network's logits."""
        return (logits / self.temperature + self.shift).sigmoid()


def default_weights() -> Path:
    """Return the file that comes with the package.

    Raises:
        RefusedError: This copy of the package has none.
    """
    path = Path(str(resources.files(__package__) / DEFAULT))
    if not path.is_file():
        raise RefusedError(
            f'{path}: no such file: this copy of samrs_mm comes without weights; pass your own as '
            'model.checkpoint=FILE (--checkpoint FILE)'
        )
    return path


def checked_side(side: int | None, name: str, network: BoxNet, info: WeightsInfo) -> int:
    """Return the crops' side in pixels; None gives that of the weights.

    Raises:
        RefusedError: The network can't take it; ``name`` is the option's.
    """
    if side is None:
        return info.side
    if not 16 <= side <= _MOST_SIDE or side % network.multiple:
        raise RefusedError(
            f'{name}={side}: a multiple of {network.multiple} from 16 to {_MOST_SIDE} is needed, '
            f'such as {info.side}, which the weights were trained for'
        )
    return side


def save_weights(path: Path, network: BoxNet, info: WeightsInfo, half: bool = True) -> None:
    """Write weights; equal weights, equal bytes.

    Args:
        path: The file; it is whole or not there.
        network: Of ``info.widths``.
        info: Stands in the file.
        half: As float16, which takes half the bytes; else as float32.

    Raises:
        OSError: It can't be written.
        ValueError: ``info`` has other widths, or the weights are not finite.
    """
    if network.widths != tuple(info.widths):
        raise ValueError(f'a network of widths {network.widths}, not {info.widths}')
    dtype = torch.float16 if half else torch.float32
    state = {
        name: value.detach().to('cpu', dtype).contiguous()
        for name, value in network.state_dict().items()
    }
    broken = _not_finite(state)
    if broken:
        raise ValueError(f'{broken} holds NaN or values beyond {str(dtype).split(".")[1]}')
    text = dump(dataclasses.asdict(info)).decode().strip()
    atomic_write(path, save(state, {_KEY: text}))


def load_weights(path: Path) -> tuple[BoxNet, WeightsInfo]:
    """Return a network in evaluation mode, float32 on the CPU, and what its file says.

    Raises:
        RefusedError: There is no such file, it is damaged, of something else, or its tensors are
            not exactly those of the network that it says it is.
    """
    if not path.is_file():
        raise RefusedError(f'checkpoint {path}: no such file; pass weights of BoxNet, or None')
    if path.suffix == '.pth':
        raise RefusedError(
            f'checkpoint {path}: a checkpoint of torch; training writes the weights beside it, as '
            'CONFIG.safetensors: pass that file'
        )
    try:
        with safe_open(path, framework='pt') as file:
            text = (file.metadata() or {}).get(_KEY)
            state = {} if text is None else {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise RefusedError(
            f'checkpoint {path}: truncated, corrupt or no safetensors file '
            f'({" ".join(str(error).split())[:120]}); fetch or export it again'
        ) from error
    if text is None:
        raise RefusedError(
            f"checkpoint {path}: holds no BoxNet: its metadata have no '{_KEY}'; pass a file that "
            'training with configs/boxnet wrote'
        )
    try:
        info = WeightsInfo.parse(text)
    except (TypeError, KeyError, ValueError) as error:
        raise RefusedError(f"checkpoint {path}: metadata '{_KEY}': {error}") from error
    network = BoxNet(info.widths)
    problem = _misfit(network.state_dict(), state)
    if problem:
        raise RefusedError(
            f'checkpoint {path}: is not the BoxNet of widths {list(info.widths)} that it says it '
            f'is: {problem}'
        )
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network.eval(), info


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Return the first thing that is wrong with tensors by name, or None."""
    for what, names in (('lacks', wanted.keys() - found), ('has also', found.keys() - wanted)):
        if names:
            return f'it {what} {min(names)}' + f' and {len(names) - 1} more' * (len(names) > 1)
    for name, value in wanted.items():
        shape = list(found[name].shape)
        if shape != list(value.shape):
            return f'{name} is {shape} instead of {list(value.shape)}'
        if not found[name].is_floating_point():
            return f'{name} is {found[name].dtype}'
    broken = _not_finite(found)
    return f'{broken} holds NaN or infinity' if broken else None


def _not_finite(state: Mapping[str, Tensor]) -> str | None:
    return next((name for name, value in state.items() if not value.isfinite().all()), None)
