"""What is written down about one clip while it is looked at."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from motiongpt3.data.checks.finding import Finding, Kind, Severity
from motiongpt3.data.checks.limits import Limits

Frames = Bool[np.ndarray, " T"]


@dataclass(frozen=True, eq=False)
class Notes:
    """The findings about a clip, and what is known of it.

    Attributes:
        words: all of its captions.
    """

    clip: str
    fps: float
    words: str
    limits: Limits
    found: list[Finding] = field(default_factory=list)

    def add(
        self,
        of: tuple[Severity, Kind],
        message: str,
        fix: str,
        measured: tuple[float, float],
        frames: Frames | None = None,
    ) -> None:
        """Write a finding down.

        Args:
            measured: the figure and its limit.
            frames: those it is about, from the first to the last.
        """
        at = np.flatnonzero(frames) if frames is not None else np.array([], int)
        first, last = (int(at[0]), int(at[-1])) if len(at) else (None, None)
        severity, kind = of
        figure, limit = float(measured[0]), float(measured[1])
        self.found.append(
            Finding(self.clip, kind, severity, message, fix, first, last, figure, limit)
        )

    def has(self, *kinds: Kind) -> bool:
        """Whether one of these was found."""
        return any(finding.kind in kinds for finding in self.found)
