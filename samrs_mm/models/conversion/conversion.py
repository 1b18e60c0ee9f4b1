"""Checkpoints of other code bases into ours: each weight by rules, each key accounted for."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.conversion.key_maps import Rule, Shapes, State
from samrs_mm.models.conversion.outside import fit_bands
from samrs_mm.models.layers.vit import resize_pos_embed

KEPT, RENAMED, RESIZED, DROPPED = 'kept', 'renamed', 'resized', 'dropped'
MISSING, LEFT_OVER = 'missing', 'left over'
STATUSES = (KEPT, RENAMED, RESIZED, DROPPED, MISSING, LEFT_OVER)

PLAIN_ENTRIES = ('state_dict', 'model')
EMA_ENTRIES = ('state_dict_ema', 'model_ema')


class Row(NamedTuple):
    """The account of one key.

    ``source`` is its name in the file, empty if missing; ``target`` its name in the model, empty if
    dropped or left over; ``shape`` that in the file, or where it is missing, in the model. A row
    that isn't ``expected`` makes the conversion fail.
    """

    status: str
    source: str
    target: str
    shape: tuple[int, ...]
    reason: str = ''
    expected: bool = True


class Conversion(NamedTuple):
    """The weights under their new names, and a row for every key of the file and of the model."""

    state: dict[str, Tensor]
    rows: list[Row]

    @property
    def failures(self) -> list[Row]:
        """The rows that nobody expected."""
        return [row for row in self.rows if not row.expected]


def convert(
    state: State,
    rules: Iterable[Rule],
    wanted: Shapes | None = None,
    fresh: Mapping[str, str] | None = None,
    allowed: Sequence[str] = (),
    bands: Sequence[int] | None = None,
    image: Callable[[], Collection[str]] = tuple,
) -> Conversion:
    """Rename, resize and drop weights.

    Args:
        state: Weights by name. ``module.`` of data-parallel wrappers is taken out wherever it is.
        rules: A name goes through all of them in order, under its new name after each that matches.
        wanted: Names and shapes of the model's weights. Without it, what no rule matches is left
            over and nothing is missing.
        fresh: What may be missing, if none of it is there: by regular expression of whole names
            what it starts as.
        allowed: Shell patterns of names that may be missing or left over besides.
        bands: Which band of the file each band of the model gets, from 1; None: see ``fit_bands``.
        image: Finds the model's weights that the image meets: those that are fitted to its bands.

    Raises:
        RefusedError: Two weights come out under one name, one that another needs is missing, or
            it is not known which weights bands are for.
    """
    image = cache(image)
    if bands and wanted is not None and not image():
        raise RefusedError('--bands: it is not known which convolution of the model sees the image')
    plain = without_module(state)
    converted, rows = {}, []
    for source, (name, tensor) in zip(state, plain.items(), strict=True):
        row, result = _convert_one(name, tensor, plain, rules, wanted, bands, image)
        if result is not None:
            if row.target in converted:
                raise RefusedError(f'{source}: a second weight that becomes {row.target}')
            converted[row.target] = result
        renamed = RENAMED if row.status == KEPT and row.target != source else row.status
        rows.append(row._replace(status=renamed, source=source))
    rows += _missing_rows(wanted or {}, converted, fresh or {})
    for number, row in enumerate(rows):
        name = row.source or row.target
        if not row.expected and any(fnmatchcase(name, pattern) for pattern in allowed):
            rows[number] = row._replace(reason=f'{row.reason}; allowed', expected=True)
    return Conversion(converted, rows)


def _convert_one(
    name: str,
    tensor: Tensor,
    state: State,
    rules: Iterable[Rule],
    wanted: Shapes | None,
    bands: Sequence[int] | None,
    image: Callable[[], Collection[str]],
) -> tuple[Row, Tensor | None]:
    """Return the row of a weight, whose name has no ``module.``, and the new tensor if any."""

    def row(status: str, reason: str = '', target: str = '') -> Row:
        return Row(status, name, target, tuple(tensor.shape), reason, status != LEFT_OVER)

    new, result, reasons, ruled = name, tensor, [], False
    for rule in rules:
        if not (match := re.fullmatch(rule.pattern, new)):
            continue
        if rule.target is None:
            if rule.change:
                rule.change(result, new, state)  # refuses what is not to be dropped
            return row(DROPPED, rule.reason), None
        before, new, ruled = new, match.expand(rule.target), True
        if rule.change:
            reasons.append(rule.reason)
            result = rule.change(result, before, state)
            if result is None:
                return row(RENAMED, rule.reason, new), None
    if new not in wanted if wanted is not None else not ruled:
        return row(LEFT_OVER, 'not of this model'), None
    size = tuple(result.shape) if wanted is None else wanted[new]
    resized = None
    alike = len(size) in (4, 5) and result.shape[:1] + result.shape[2:] == size[:1] + size[2:]
    if alike and (bands or result.shape != size) and new in image():
        resized = fit_bands(result, size[1], bands)
        reasons.append(
            'bands ' + (','.join(map(str, bands)) if bands else 'by number, else their mean')
        )
    elif result.shape == size:
        reasons = [reason for reason in reasons if reason]
        return row(RENAMED if reasons else KEPT, ', '.join(reasons), new), result
    elif new.endswith('pos_embed'):
        resized = fit_pos_embed(result, size)
    if resized is None:
        text = _unlike(result.shape, size)
        if alike:
            text += f'; bands are fitted where the image goes in: {", ".join(image()) or "unknown"}'
        return row(LEFT_OVER, text), None
    reasons.append(f'from {shape_text(tensor.shape)} to {shape_text(size)}')
    return row(RESIZED, ', '.join(filter(None, reasons)), new), resized


def _unlike(shape: Sequence[int], size: Sequence[int]) -> str:
    """Say how a weight that doesn't fit differs from the model's."""
    text = f'of another shape than {shape_text(size)} in the model'
    if len(shape) == len(size) == 4 and tuple(shape[:2]) == tuple(size[:2]):
        text += f': patches or kernels of {shape[-1]} px, the model has {size[-1]}'
    return text


def new_name(name: str, rules: Iterable[Rule]) -> str:
    """Return what rules make of a name, whether they drop its weight or not."""
    for rule in rules:
        if rule.target and (match := re.fullmatch(rule.pattern, name)):
            name = match.expand(rule.target)
    return name


def has(pattern: str, names: Iterable[str]) -> bool:
    """Return whether a regular expression matches a name as a whole."""
    return any(re.fullmatch(pattern, name) for name in names)


def _missing_rows(wanted: Shapes, found: State, fresh: Mapping[str, str]) -> Iterator[Row]:
    absent = {pattern: why for pattern, why in fresh.items() if not has(pattern, found)}
    for name, size in wanted.items():
        if name not in found:
            reason = next((why for pattern, why in absent.items() if has(pattern, [name])), '')
            yield Row(MISSING, '', name, tuple(size), reason or 'not in the file', bool(reason))


def without_module(state: State) -> dict[str, Tensor]:
    """Take the ``module.`` of data-parallel wrappers out of names, wherever it is in them.

    Raises:
        RefusedError: Two names become one.
    """
    plain = {}
    for name, tensor in state.items():
        short = '.'.join(part for part in name.split('.') if part != 'module')
        if short in plain:
            raise RefusedError(f'{name}: the file holds {short} twice, with and without module.')
        plain[short] = tensor
    return plain


def fit_pos_embed(pos_embed: Tensor, shape: Sequence[int]) -> Tensor | None:
    """Bring a position embedding to another grid, with or without a class token.

    Args:
        pos_embed: ``(1, N, C)``, class token first, then positions row by row.
        shape: ``(1, M, C)``.

    Returns:
        Of that shape, the grid resized bicubically; None where that can't be: other channels,
        grids that are not square, or a class token that is not in ``pos_embed``.
    """
    given, needed = position_grid(pos_embed.shape), position_grid(shape)
    if given is None or needed is None or pos_embed.shape[2] != shape[2]:
        return None
    (given_tokens, _), (tokens, side) = given, needed
    if given_tokens < tokens:
        return None
    token, grid = pos_embed[:, :tokens], pos_embed[:, given_tokens:]
    return torch.cat([token, resize_pos_embed(grid, (side, side))], dim=1)


def position_grid(shape: Sequence[int]) -> tuple[int, int] | None:
    """Return class tokens and side of the grid of a position embedding's shape.

    A length that is a square has no class token; one that is a square and one more has.
    """
    if len(shape) != 3 or shape[0] != 1:
        return None
    sides = {extra: math.isqrt(shape[1] - extra) for extra in (0, 1)}
    return next(((e, side) for e, side in sides.items() if side**2 + e == shape[1] > e), None)


def find_weights(checkpoint: Any, ema: bool | None = None) -> tuple[str, dict[str, Tensor]]:
    """Return the entry of a checkpoint that holds weights, empty without one, and the weights.

    Args:
        checkpoint: What ``torch.load`` returned.
        ema: Whether to take the moving average of the weights; None takes them as they are where
            the file has both, as the authors do.

    Raises:
        RefusedError: No weights, not those asked for, or something among them is no tensor.
    """
    if not isinstance(checkpoint, Mapping) or not checkpoint:
        raise RefusedError('it holds no weights by name')
    order = {True: EMA_ENTRIES, False: PLAIN_ENTRIES, None: PLAIN_ENTRIES + EMA_ENTRIES}[ema]
    entry = next((entry for entry in order if isinstance(checkpoint.get(entry), Mapping)), '')
    if not entry and (ema or any(isinstance(value, Mapping) for value in checkpoint.values())):
        entries = ', '.join([*map(str, checkpoint)][:6]) + (', ...' if len(checkpoint) > 6 else '')
        raise RefusedError(f'it has no entry {" or ".join(order)}; its entries: {entries}')
    state = checkpoint[entry] if entry else checkpoint
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise RefusedError(f'{name}: {type(value).__name__} where a tensor should be')
    if not state:
        raise RefusedError(f'its {entry} is empty')
    return entry, dict(state)


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as ``2x3``, or ``scalar``."""
    return 'x'.join(map(str, shape)) or 'scalar'
