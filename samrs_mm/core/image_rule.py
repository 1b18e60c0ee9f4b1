"""How the bands of scenes are shown where a config says it: the key ``image``."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from samrs_mm.core.channels import Channel
from samrs_mm.core.errors import RefusedError

PERCENTILE, RANGE = 'percentile', 'range'
FILE = 'file'
RGB, BANDS, VALUES = FORMS = ('rgb', 'bands', 'values')
LIMITS = (1.0, 99.0)
"""Percentiles of the stretch ``percentile`` where none are given."""


@dataclass(frozen=True)
class ImageRule:
    """Which bands of a scene are shown, and how; what is left out is decided by the file.

    Args:
        bands: One to three channels, see ``Channel.parse``: one is shown grey, two get their mean
            as the third. None takes the bands that the file says, see ``rendering.shown_bands``.
            In other forms than ``rgb`` any number; None takes all but alpha.
        stretch: ``percentile`` and ``range`` say what ``limits`` are; None leaves 8 bits as they
            are and scales others as ``rendering`` tells.
        limits: What becomes 0 and 255: percentiles of the scene's pixels with data, channel by
            channel, or values; one pair, or one for each channel.
        gamma: Values from 0 to 1 are raised to ``1 / gamma``: above 1 brightens what is dark.
        nodata: Where there is no data: ``file`` goes by the file (nodata value, alpha, mask), a
            number is the value that stands for none, whatever the file says; None says that all
            pixels have data. Pixels that are NaN never have.
        form: ``rgb``, a picture: three channels of 8 bits; ``bands``, each band a channel of 8
            bits, stretched alike; ``values``, each band a channel as it is stored, float32. The
            last two are for networks, not for annotation. Without data all channels are 0.
    """

    bands: tuple[int | str, ...] | None = None
    stretch: str | None = None
    limits: tuple = ()
    gamma: float = 1.0
    nodata: float | str | None = FILE
    form: str = RGB

    @classmethod
    def from_config(cls, entry: Any) -> 'ImageRule | None':
        """Read the key ``image`` of a config; None, or nothing in it, is no rule.

        Raises:
            RefusedError: Unknown key or impossible value.
        """
        if entry is not None and not isinstance(entry, dict):
            raise RefusedError(f'image={entry!r}; allowed: None or dict(bands=..., ...)')
        for key in entry or {}:
            if key not in cls.__dataclass_fields__:
                allowed = ', '.join(cls.__dataclass_fields__)
                raise RefusedError(f'image.{key} is unknown; allowed: {allowed}')
        values = {key: _tuples(value) for key, value in (entry or {}).items()}
        if isinstance(values.get('bands'), str | int):
            values['bands'] = (values['bands'],)
        if values.get('limits', ()) is None:
            del values['limits']
        rule = cls(**values)
        rule._check()
        return None if rule == cls() else rule

    def _check(self) -> None:
        """Raise RefusedError where a value can't be."""
        bands = self.bands
        if self.form not in FORMS:
            raise RefusedError(f'image.form={self.form!r}; allowed: {", ".join(map(repr, FORMS))}')
        most = 3 if self.form == RGB else math.inf
        if bands is not None and not (isinstance(bands, tuple) and 1 <= len(bands) <= most):
            count = 'one to three bands' if most == 3 else 'one band or more'
            more = "; more than three are for networks, with image.form='bands' or 'values'"
            raise RefusedError(
                f'image.bands={bands!r}; allowed: {count}, or None'
                + more * (most == 3 and isinstance(bands, tuple) and len(bands) > 3)
            )
        if self.form == VALUES and (self.stretch is not None or self.gamma != 1):
            raise RefusedError(
                "image.form='values' gives bands as they are stored; leave image.stretch, limits "
                "and gamma out, or choose image.form='bands'"
            )
        try:
            assert self.channels is None or self.channels
        except ValueError as error:
            raise RefusedError(f'image.bands: {error}') from error
        if self.stretch not in (None, PERCENTILE, RANGE):
            raise RefusedError(
                f'image.stretch={self.stretch!r}; allowed: {PERCENTILE!r}, {RANGE!r}, None'
            )
        self._check_limits()
        if not (_number(self.gamma) and self.gamma > 0):
            raise RefusedError(f'image.gamma={self.gamma!r}; allowed: a number above 0')
        if not (self.nodata in (FILE, None) or _number(self.nodata)):
            raise RefusedError(f'image.nodata={self.nodata!r}; allowed: {FILE!r}, a number, None')

    def _check_limits(self) -> None:
        if self.stretch is None and self.limits:
            raise RefusedError(
                f'image.limits={self.limits!r}: say by image.stretch what they are: '
                f'{PERCENTILE!r} or {RANGE!r}'
            )
        pairs = self._pairs or (((),) if self.stretch == RANGE else ())
        low, high = (0, 100) if self.stretch == PERCENTILE else (-math.inf, math.inf)
        for pair in pairs:
            numbers = isinstance(pair, tuple) and len(pair) == 2 and all(map(_number, pair))
            if not (numbers and low <= pair[0] < pair[1] <= high):
                raise RefusedError(
                    f'image.limits={self.limits!r}; allowed with image.stretch={self.stretch!r}: '
                    f'a lower and an upper {"percentile, 0 to 100," if high == 100 else "value,"} '
                    'or such a pair for each channel'
                )

    @property
    def _pairs(self) -> tuple:
        """The limits as pairs: none, one for all channels, or one for each."""
        limits: Any = self.limits
        if limits == ():
            return ()
        return limits if isinstance(limits, tuple) and isinstance(limits[0], tuple) else (limits,)

    @property
    def count(self) -> int | None:
        """Channels that a network gets; None where the file decides."""
        if self.form == RGB:
            return 3
        return None if self.bands is None else len(self.bands)

    def picture(self) -> 'ImageRule | None':
        """Return how pictures show what a network gets by this rule: its first bands as colours."""
        if self.form == RGB or self.bands is None:
            return self if self.form == RGB else None
        shown = self.bands[:3] if len(self.bands) >= 3 else self.bands[:1]
        pairs = self._pairs
        limits = pairs[: len(shown)] if len(pairs) > 1 else self.limits
        return replace(self, form=RGB, bands=shown, limits=limits)

    @cached_property
    def channels(self) -> tuple[Channel, ...] | None:
        """The channels of ``bands``; None where the file decides."""
        return None if self.bands is None else tuple(map(Channel.parse, self.bands))

    def limits_of(self, count: int) -> tuple[tuple[float, float], ...]:
        """Return the limits of each of ``count`` channels.

        Raises:
            ValueError: There are as many others.
        """
        pairs = self._pairs or (LIMITS,)
        pairs = pairs * count if len(pairs) == 1 else pairs
        if len(pairs) != count:
            raise ValueError(f'image.limits has {len(pairs)} pairs, but {count} channels are shown')
        return pairs

    def as_dict(self) -> dict[str, Any]:
        """Return what differs from no rule at all, as plain data, for signatures."""
        return {
            key: value
            for key, field in self.__dataclass_fields__.items()
            if (value := getattr(self, key)) != field.default
        }


def _tuples(value: Any) -> Any:
    """Return lists in a value as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
