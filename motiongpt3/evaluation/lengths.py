"""How well the length of a described motion is guessed: against a table of usual lengths.

Lengths in seconds.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True)
class UsualLengths:
    """Shortest, median and longest training clip of each action label, and the median of all."""

    known: dict[str, tuple[float, float, float]]
    overall: float

    @staticmethod
    def fit(labels: Sequence[str], seconds: Sequence[float]) -> "UsualLengths":
        """The table of a training set."""
        by_label: dict[str, list[float]] = defaultdict(list)
        for label, value in zip(labels, seconds, strict=True):
            by_label[label].append(value)
        known = {label: (min(v), median(v), max(v)) for label, v in by_label.items()}
        return UsualLengths(known, median(seconds))

    def guess(self, label: str) -> float:
        """The label's median; that of all clips for a label never seen."""
        return self.known[label][1] if label in self.known else self.overall

    def within(self, label: str, seconds: float) -> bool | None:
        """Whether a length is within those of the label's clips; None for a label never seen."""
        if label not in self.known:
            return None
        shortest, _, longest = self.known[label]
        # Lengths are told in tenths of a second, which is half a tenth of rounding.
        return shortest - 0.05 - 1e-9 <= seconds <= longest + 0.05 + 1e-9


def relative_error(guessed: Sequence[float], real: Sequence[float]) -> float:
    """Median over clips of the error as a share of the real length."""
    wanted = np.asarray(real)
    return float(np.median(np.abs(np.asarray(guessed) - wanted) / wanted))
