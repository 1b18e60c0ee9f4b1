"""Random choices in few words."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


class Dice:
    """Random numbers, choices and directions from one generator."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self._roll = rng.random

    def between(self, low: float, high: float) -> float:
        """Return a number of an interval, all equally likely."""
        return low + (high - low) * self._roll()

    def spread(self, low: float, high: float) -> float:
        """Return a positive number of an interval, its logarithm equally likely."""
        return float(np.exp(self.between(np.log(low), np.log(high))))

    def count(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both possible."""
        return low + int(self._roll() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True as often as said."""
        return self._roll() < probability

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, all equally likely."""
        return options[int(self._roll() * len(options))]

    def sign(self) -> int:
        """Return 1 or -1."""
        return 1 if self._roll() < 0.5 else -1

    def angle(self) -> float:
        """Return radians of any direction."""
        return self.between(0, 2 * np.pi)

    def aside(self, low: float, high: float) -> np.ndarray:
        """Return a point ``(2,)`` in any direction, between two distances from the origin."""
        angle, far = self.angle(), self.between(low, high)
        return np.array([np.cos(angle), np.sin(angle)]) * far
