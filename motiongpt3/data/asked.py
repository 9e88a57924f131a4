"""What a caption asks for that a rule on the joints can tell, by the table of keywords.

A caption counts where it names one thing only, so that nothing else it says could excuse a motion
that does not do it.

Kinds: "side" is the named arm and no other, "direction" a turn, a slanted or a backward walk,
"speed" that of a walk or run, "action" a bow, clap, kick, lunge, squat or throw.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from motiongpt3.data.keywords import actions_of, side_of
from motiongpt3.motion.rules import Named, Rule
from motiongpt3.motion.semantics import SIDES

Kind = Literal["side", "direction", "speed", "action"]

_LATERAL: tuple[tuple[frozenset[str], str, Kind, Rule], ...] = (
    (frozenset({"raise", "wave"}), "raise", "side", "limb"),
    (frozenset({"raise", "wave"}), "wave", "side", "limb"),
    (frozenset({"turn", "walk", "run"}), "turn", "direction", "turn"),
    (frozenset({"diagonal", "walk"}), "diagonal", "direction", "diagonal"),
    (frozenset({"kick"}), "kick", "action", "kick"),
)
"""What may be named, what must be, and the kind and rule of a caption that names a side."""
_PLAIN: tuple[tuple[frozenset[str], str, Kind, Rule], ...] = (
    (frozenset({"backwards", "walk"}), "backwards", "direction", "backwards"),
    (frozenset({"walk"}), "walk", "speed", "walk"),
    (frozenset({"run"}), "run", "speed", "run"),
    (frozenset({"bow"}), "bow", "action", "bow"),
    (frozenset({"squat"}), "squat", "action", "squat"),
    (frozenset({"lunge"}), "lunge", "action", "lunge"),
    (frozenset({"clap"}), "clap", "action", "clap"),
    (frozenset({"throw"}), "throw", "action", "throw"),
)


@dataclass(frozen=True)
class Asked:
    """What a caption asks for that a rule can tell."""

    kind: Kind
    rule: Rule
    side: Named | None = None

    @property
    def name(self) -> str:
        """In words: "limb left", "walk"."""
        return self.rule if self.side is None else f"{self.rule} {self.side}"


def asked(caption: str) -> Asked | None:
    """What a caption asks for; None where no rule tells."""
    named, side = actions_of(caption), side_of(caption)
    for allowed, needed, kind, rule in _LATERAL:
        if needed in named and named <= allowed:
            sides = get_args(Named) if rule == "limb" else SIDES
            return Asked(kind, rule, cast(Named, side)) if side in sides else None
    for allowed, needed, kind, rule in _PLAIN:
        if needed in named and named <= allowed:
            return Asked(kind, rule)
    return None
