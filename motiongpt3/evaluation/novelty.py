"""How much of a prompt has been seen in training captions, by pairs of content words."""

import re
from collections.abc import Collection, Iterable

STOP_WORDS = frozenset(
    """a an the this that these those i me my you your he him his she her it its we our they them
    their who which what there here am is are was were be been being do does did have has had can
    could will would shall should may might must and or but so if then than as at by for from in
    into of off on onto out over to up down with while without about again once just also too very
    not no please let's lets some any all each""".split()
)
"""Words that carry grammar, not content."""


def content_words(text: str) -> list[str]:
    """The words of a sentence in lower case, without punctuation and stop words."""
    words = re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower())
    return [word for word in words if word not in STOP_WORDS]


def content_bigrams(text: str) -> list[tuple[str, str]]:
    """Neighbouring pairs of content words, in order."""
    words = content_words(text)
    return list(zip(words, words[1:], strict=False))


def known_bigrams(captions: Iterable[str]) -> set[tuple[str, str]]:
    """Every content bigram of some captions, as written and with left and right swapped.

    Swapped, because training also sees each clip mirrored.
    """
    other = {"left": "right", "right": "left"}
    found = {pair for caption in captions for pair in content_bigrams(caption)}
    return found | {(other.get(a, a), other.get(b, b)) for a, b in found}


def seen_share(prompt: str, known: Collection[tuple[str, str]]) -> float:
    """Share of a prompt's content bigrams that are known; 0 for a prompt of one content word."""
    pairs = content_bigrams(prompt)
    return sum(pair in known for pair in pairs) / max(len(pairs), 1)
