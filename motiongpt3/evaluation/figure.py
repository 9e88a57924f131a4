"""A number of a table, or the reason why there is none."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Missing:
    """A number that could not be had: too few samples, a model that is not at hand."""

    reason: str

    def __str__(self) -> str:
        return f"n/a ({self.reason})"


Figure = float | Missing
"""What a metric gives. A number is never estimated where it could not be measured."""


def too_few(n: int) -> Missing:
    """What a metric gives for a number of samples that it cannot be trusted on."""
    return Missing(f"n={n}")


def lacking(least: int, *samples: np.ndarray) -> Missing | None:
    """Why samples cannot be judged, or None: fewer rows than `least`, values that are not finite.

    A motion that is not finite has an embedding that is not: what it is compared with would be
    ranked by chance, and no error would say so.
    """
    fewest = min(len(rows) for rows in samples)
    if fewest < least:
        return too_few(fewest)
    if not all(np.isfinite(rows).all() for rows in samples):
        return Missing("embeddings are not finite")
    return None
