"""What a check says of a clip."""

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]
"""error: training on it teaches something false, or it cannot be used. warning: look at it.
note: preparing the set takes care of it."""
Kind = Literal[
    "unreadable", "not-finite", "unit", "up-axis", "frame-rate", "swapped-sides", "facing",
    "walks-backwards", "bone-length", "jump", "noise", "frozen", "below-floor", "floating",
    "foot-skate", "too-short", "too-long", "duplicate", "leak", "caption-side",
    "caption-direction", "caption-empty", "caption-garbled", "caption-long", "caption-part",
    "caption-missing", "motion-missing",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one clip.

    Attributes:
        first, last: frames that it is about, the last one included; None for the whole clip.
        figure, limit: what was measured and from where on it is wrong, in the message's unit.
        text: the caption that it is about.
    """

    clip: str
    kind: Kind
    severity: Severity
    message: str
    fix: str
    first: int | None = None
    last: int | None = None
    figure: float | None = None
    limit: float | None = None
    text: str = ""

    @property
    def frames(self) -> str:
        """The frames in words, "" for the whole clip."""
        return "" if self.first is None else f"{self.first}-{self.last}"
