"""A number of a table, or the reason why there is none."""

from dataclasses import dataclass


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
