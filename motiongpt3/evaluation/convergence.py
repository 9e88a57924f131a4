"""How much sooner one training gets as far as another did, from two curves of a loss.

Shapes: N points of a curve.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiongpt3.errors import InputError
from motiongpt3.evaluation.figure import Figure, Missing

SMOOTHED = 0.05
"""Share of a curve that a point of its smoothed form is the mean of."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A loss that falls, over steps or over work."""

    at: Float[np.ndarray, " N"]
    """Increasing."""
    loss: Float[np.ndarray, " N"]

    def __post_init__(self) -> None:
        if len(self.at) < 2 or (np.diff(self.at) <= 0).any():
            raise InputError("a curve needs two points or more, one after another", where="curve")

    @property
    def smoothed(self) -> "Curve":
        """Means of neighbours, at the last of them."""
        window = max(1, round(SMOOTHED * len(self.at)))
        means = np.convolve(self.loss, np.full(window, 1 / window), "valid")
        return Curve(self.at[window - 1 :], means)

    def reaches(self, loss: float) -> float | None:
        """Where it first is at a loss or below, between points by a straight line; None: never."""
        below = np.flatnonzero(self.loss <= loss)
        if not len(below):
            return None
        first = int(below[0])
        if first == 0:
            return float(self.at[0])
        (x, y), (a, b) = (self.at[first - 1 : first + 1], self.loss[first - 1 : first + 1])
        return float(x + (y - x) * (a - loss) / (a - b))


def sooner(one: Curve, other: Curve) -> Figure:
    """How many times sooner `one` is as far as `other` is at its end.

    Where it never is, how far along `other` then was when it was where `one` ends: a number below
    one. Curves that only grow have no such number.
    """
    if (reached := one.reaches(float(other.loss[-1]))) is not None and reached > 0:
        return float(other.at[-1] / reached)
    if (reached := other.reaches(float(one.loss[-1]))) is not None and reached > 0:
        return float(reached / one.at[-1])
    return Missing("neither gets as far as the other ends")
