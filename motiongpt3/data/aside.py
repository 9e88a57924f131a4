"""Words around a caption that say nothing about the motion, as strangers add them.

Who acts may have a trade, the scene may have a place or a reason, and speech has fillers. Captions
of recorded motion have none of this, so a small model that never met it lets a stray noun decide
what is done. The word lists are in asides.toml: everyday nouns, taken without regard to any prompt.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from motiongpt3.formats.toml import read_toml

_ANYBODY = re.compile(
    r"^(?:(?:a|the|this|one) (?:person|human|figure|individual|character)|some(?:one|body))\b", re.I
)
_TRADE, _START, _FILLER = 0.4, 0.25, 0.3
"""Chances of a trade in place of "a person", of a beginning, and of a filler; with none, or by
even chance, an ending."""


def with_aside(text: str, rng: np.random.Generator) -> str:
    """The same request with a trade, a place, a reason or a filler around it."""
    table = _table()
    stop = text[-1] if text.endswith((".", "?", "!")) else ""
    words = text.removesuffix(stop)
    if rng.random() < _TRADE:
        words = _ANYBODY.sub(trade(rng), words)
    if rng.random() < _FILLER:
        parts = words.split(" ")
        parts.insert(int(rng.integers(len(parts) + 1)), pick(table["fillers"], rng))
        words = " ".join(parts)
    if rng.random() < _START:
        words = f"{_filled(table['starts'], rng)} {words}"
    elif words == text.removesuffix(stop) or rng.random() < 0.5:
        words = f"{words} {_filled(table['ends'], rng)}"
    return (words.upper() if text.isupper() else words) + stop


def trade(rng: np.random.Generator) -> str:
    """Somebody by what they are: "a baker", "the uncle"."""
    return f"{pick(['a', 'the'], rng)} {pick(_table()['trades'], rng)}"


def _filled(patterns: Sequence[str], rng: np.random.Generator) -> str:
    return pick(patterns, rng).replace("$", pick(_table()["things"], rng))


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    """One of them, each as often as the others."""
    return options[int(rng.integers(len(options)))]


@lru_cache(maxsize=1)
def _table() -> dict[str, list[str]]:
    path = Path(__file__).with_name("asides.toml")
    raw = read_toml(path)
    return {k: v if isinstance(v, list) else v.split() for k, v in raw.items()}
