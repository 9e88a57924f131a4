"""What strangers say who want a clip's action, for a small model that only met captions of clips.

A caption names what was done; who asks for a motion tells a scene, gives an order or names a sport.
scenes.toml holds such sentences by the labels of clips, with alternatives in them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from motiongpt3.data.aside import pick, trade
from motiongpt3.data.english import lexicon
from motiongpt3.errors import CorruptError
from motiongpt3.formats.toml import read_toml

_CHOICE = re.compile(r"\(([^()]*)\)")
_OTHER = {"left": "right", "right": "left", "any": ""}
_TRADE = 0.5
"""Chance that who acts has a trade."""


@dataclass(frozen=True)
class Scene:
    """Ways to ask for one action, with the side in them filled in."""

    do: tuple[str, ...]
    say: tuple[str, ...]

    def draw(self, rng: np.random.Generator) -> str:
        """One of them."""
        at = int(rng.integers(len(self.do) + len(self.say)))
        text = [*self.do, *self.say][at]
        if at < len(self.do):
            wrappers = lexicon().table["wrappers"]
            text = pick([*wrappers["you"], *wrappers["other"]], rng).replace("$", text)
        text = _CHOICE.sub(lambda found: pick(found[1].split("|"), rng), text)
        return " ".join(text.replace("{who}", _who(rng)).split()).replace(" ,", ",")


@lru_cache(maxsize=1)
def scenes() -> dict[str, Scene]:
    """The scene of every label (source/label) that has one.

    Raises:
        CorruptError: when a label has two.
    """
    path = Path(__file__).with_name("scenes.toml")
    found: dict[str, Scene] = {}
    for table in read_toml(path)["scene"]:
        for side, labels in table["of"].items():
            scene = Scene(*(_with_side(table[part], side) for part in ("do", "say")))
            for label in labels:
                if label in found:
                    raise CorruptError(f"{label} has two scenes", where=path.name)
                found[label] = scene
    return found


def _with_side(lines: Sequence[str], side: str) -> tuple[str, ...]:
    return tuple(x.replace("{side}", side).replace("{other}", _OTHER[side]) for x in lines)


def _who(rng: np.random.Generator) -> str:
    if rng.random() < _TRADE:
        return trade(rng)
    subjects = lexicon().table["subjects"]
    return pick([*subjects["neutral"], *subjects["male"], *subjects["female"]], rng)
