"""Whether a caption says what a clip shows: a table of words, no learned judge.

The table is keywords.toml. A caption names an action when one of the action's expressions occurs
in it. It is right when it names the action of the clip's label, nothing that contradicts it, and
the right side.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from motiongpt3.errors import InputError
from motiongpt3.formats.toml import read_toml

_LEFT_RIGHT = re.compile(r"\b(left|right)(?:wards?)?\b")
_BOTH = re.compile(r"\bboth\b(?! arms down)|\btwo[- ](?:handed|raised hands|hands|arms)\b")
_PLURAL = re.compile(r"\b(?:hands|arms|them|fists)\b")


@dataclass(frozen=True)
class Action:
    """What an action is called.

    Attributes:
        contains: actions that may be named with it as parts of it.
        aside: it may be named with any action (a person stands and waves).
    """

    says: re.Pattern[str]
    contains: frozenset[str]
    aside: bool = False


@dataclass(frozen=True)
class Expected:
    """What a caption must and may name.

    Attributes:
        needed: of each group one action must be named.
        allowed: everything that may be named.
        side: the side to name, if any ("left", "right", "both").
        silent: a caption may leave the side out.
    """

    needed: tuple[frozenset[str], ...]
    allowed: frozenset[str]
    side: str | None = None
    silent: bool = False


@dataclass(frozen=True)
class Verdict:
    """A judged caption.

    Attributes:
        action_ok: the action is named and no second one beside it.
        side_ok: the side is right; None where the clip has none, or where its own captions may
            leave it out and this one does.
        named: every action the caption names.
    """

    action_ok: bool
    side_ok: bool | None
    named: frozenset[str]


@dataclass(frozen=True)
class Table:
    """keywords.toml, compiled."""

    drop: re.Pattern[str]
    actions: Mapping[str, Action]
    labels: Mapping[tuple[str, str], Expected]


@lru_cache(maxsize=1)
def table() -> Table:
    """The keyword table of the package."""
    raw = read_toml(Path(__file__).with_name("keywords.toml"))
    actions = {
        name: Action(
            _words(entry["says"]), frozenset(entry.get("contains", ())), entry.get("aside", False)
        )
        for name, entry in raw["actions"].items()
    }
    labels = {
        (source, name): _expected(group, actions)
        for source, groups in raw["labels"].items()
        for group in groups
        for name in group["names"]
    }
    return Table(_words(raw["read"]["drop"]), actions, labels)


def _words(expressions: Sequence[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(expressions) + r")(?!\w)")


def _expected(group: Mapping[str, Any], actions: Mapping[str, Action]) -> Expected:
    needed = tuple(frozenset(choice.split("|")) for choice in group["is"])
    allowed = frozenset().union(*needed, group.get("also", ()))
    contained = (actions[name].contains for name in allowed)
    asides = (name for name, action in actions.items() if action.aside)
    allowed = allowed.union(asides, *contained)
    return Expected(needed, allowed, group.get("side"), group.get("silent", False))


def plain(caption: str) -> str:
    """A caption in lower case, on one line, without punctuation and phrases that name nothing."""
    text = re.sub(r"[^\w' -]+", " ", caption.lower())
    return " ".join(table().drop.sub(" ", " ".join(text.split())).split())


def actions_of(caption: str) -> frozenset[str]:
    """Every action a caption names."""
    text = plain(caption)
    return frozenset(name for name, action in table().actions.items() if action.says.search(text))


def side_of(caption: str) -> str | None:
    """The side a caption names: "left", "right", "both", "mixed" or None.

    Left and right together are both. A plural ("raises the arms") counts as both where no side is
    named; "both hands" beside one side is mixed.
    """
    text = plain(caption)
    sides = {match.group(1) for match in _LEFT_RIGHT.finditer(text)}
    if len(sides) == 2:
        return "both"
    if _BOTH.search(text):
        return "mixed" if sides else "both"
    if sides:
        return sides.pop()
    return "both" if _PLURAL.search(text) else None


def expected(label: str, source: str, references: Sequence[str] = ()) -> Expected:
    """What a caption of a clip must name.

    Args:
        references: the clip's own captions. Where the table gives the label no side, the clip's
            side is the one that all of them that name a left or right agree on.

    Raises:
        InputError: for a label the table does not know.
    """
    known = table().labels.get((source, label))
    if known is None:
        raise InputError(f"no keywords for label '{label}' of {source}", where="keywords.toml")
    if known.side is not None or not references:
        return known
    named = [side_of(text) for text in references]
    sides = set(named) - {None}
    if len(sides) != 1 or not sides <= {"left", "right"}:
        return known
    return Expected(known.needed, known.allowed, sides.pop(), silent=None in named)


def judge(caption: str, label: str, source: str, references: Sequence[str] = ()) -> Verdict:
    """Judge a caption by the label of its clip.

    Raises:
        InputError: for a label the table does not know.
    """
    want = expected(label, source, references)
    named = actions_of(caption)
    hit = all(choice & named for choice in want.needed)
    side = side_of(caption)
    silent = want.side is None or (want.silent and side is None)
    return Verdict(hit and named <= want.allowed, None if silent else side == want.side, named)
