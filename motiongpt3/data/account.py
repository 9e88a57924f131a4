"""What became of a user's files: how many were found, kept and left out, and for which reasons."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.motion.motion import Motion

_DETECTED = ("unit", "up")
"""What readers note of a file in a motion's provenance."""


@dataclass(frozen=True)
class LeftOut:
    """A file, or what is said of a part of it, that was not used."""

    name: str
    reason: str
    detail: str = ""
    part: bool = False
    """Whether the rest of the file was used."""


@dataclass(eq=False)
class Account:
    """What became of the files of a folder: found = kept + left out."""

    found: int = 0
    kept: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    cut: int = 0
    """Files that were too long and were cut where the body is calm."""
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    """Units, axes and frame rates of the files, as they were detected."""

    @property
    def rejected(self) -> Counter[str]:
        """Files left out, by reason."""
        return Counter(left.reason for left in self.left_out if not left.part)

    @property
    def first_reasons(self) -> str:
        """The first files that were left out, and why."""
        left = [one for one in self.left_out if not one.part]
        return "; ".join(f"{one.name}: {one.detail or one.reason}" for one in left[:3])

    def note(self, motion: Motion) -> None:
        """Keep what was detected of a file."""
        said = {"fps": f"{motion.fps:.4g}"}
        said |= {w: str(motion.provenance[w]) for w in _DETECTED if w in motion.provenance}
        for what, value in said.items():
            self.seen.setdefault(what, Counter())[value] += 1

    def check(self, most: float) -> Counter[str]:
        """Files left out, by reason; a folder of which too much cannot be used is refused.

        Args:
            most: share of the files that may be left out.

        Raises:
            InputError: with the first reasons.
        """
        lost = self.found - self.kept
        if lost > most * self.found:
            raise InputError(
                f"{lost} of {self.found} files cannot be used, more than {most:.0%}",
                where=self.first_reasons,
                hint="`motiongpt3 data check` says what is wrong; --max-reject allows more",
            )
        return self.rejected

    def told(self) -> dict[str, Any]:
        """The same for a manifest."""
        return {
            "files": self.found,
            "kept": self.kept,
            "rejected": dict(self.rejected),
            "parts_left_out": sum(left.part for left in self.left_out),
            "cut": self.cut,
            **{what: dict(counts) for what, counts in self.seen.items()},
        }
