"""Just enough English to change a caption's form: verb inflection, and who does what in a sentence.

Word lists are read once from variation.toml.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from motiongpt3.formats.toml import read_toml

Form = Literal["s", "past", "be", "base"]
TOKENS = re.compile(r"[,.;:!?]+(?=\s|$)|(?:(?![,.;:!?]+(?:\s|$))\S)+")
ADVERB = re.compile(r"(?!elderly|lively|manly)\w+ly|then|also|again|just|briefly|once|still|now")
LINKS = frozenset({"and", "then", ",", "but"})
_NO_VERB = re.compile(".*(?:[sui]s|wards|ways|times|doors|stairs)|perhaps|besides|whereas")
"""Words in -s, of those of four letters and more that no list holds, that are no verbs."""
PERSONS = frozenset(
    {"person", "man", "woman", "figure", "human", "lady", "guy", "youngster", "citizen", "dancer"}
)


@dataclass(frozen=True)
class Synonym:
    """A rule of variation.toml: when `verb` may be said otherwise."""

    verb: str
    use: tuple[str, ...]
    object: bool = False
    unless: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    next: frozenset[str] = frozenset()
    eat: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lexicon:
    """The word lists, with every inflected form of every verb looked up once."""

    table: dict[str, Any]
    base: frozenset[str]
    past: dict[str, str]
    from_s: dict[str, str]
    from_ing: dict[str, str]
    from_past: dict[str, str]
    synonyms: dict[str, list[Synonym]]
    subjects: tuple[tuple[str, ...], ...]
    body: frozenset[str]
    known: frozenset[str]

    def inflect(self, verb: str, form: str) -> str:
        """`form` of a base form: "s" (raises), "ing" (raising), "past" (raised) or "base"."""
        if form == "past":
            return self.past.get(verb) or _regular(verb, "ed")
        return verb if form == "base" else _regular(verb, form)

    def base_of(self, word: str) -> str:
        """The base form of an inflected verb; of one in -s that no list holds, a guess."""
        known = self.from_s.get(word) or self.from_ing.get(word) or self.from_past.get(word)
        return known or (word if word in self.base else self.unknown(word))

    def unknown(self, word: str) -> str:
        """The base form of a word in -s that no list holds and that may be a verb, or nothing."""
        if not re.fullmatch("[a-z]{3,}s", word) or _NO_VERB.fullmatch(word) or word in self.known:
            return ""
        stem = re.sub("(?<=[a-z]{2})ie(?=s$)", "y", word)
        return re.sub("(?<=ch|sh|ss|zz|.x|.o)e(?=s$)", "", stem)[:-1]


@dataclass(frozen=True)
class Sentence:
    """A caption in words, its neutral subject (span) and the verbs that this subject governs."""

    words: tuple[str, ...]
    subject: tuple[int, int] | None
    verbs: tuple[int, ...]
    form: Form | None
    safe: bool  # whether every verb that would have to change its form was found


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Read variation.toml and inflect its verbs."""
    table = read_toml(Path(__file__).with_name("variation.toml"))
    past = dict(table["verbs"]["irregular"])
    base = list(dict.fromkeys([*table["verbs"]["regular"].split(), *past]))
    rules: dict[str, list[Synonym]] = {}
    for entry in table["synonym"]:
        sets = {k: frozenset(entry.get(k, ())) for k in ("unless", "only", "next", "eat")}
        rule = Synonym(entry["verb"], tuple(entry["use"]), entry.get("object", False), **sets)
        rules.setdefault(rule.verb, []).append(rule)
    from_s = {_regular(v, "s"): v for v in base}
    from_ing = {_regular(v, "ing"): v for v in base}
    from_past = {past.get(v) or _regular(v, "ed"): v for v in base if past.get(v) != v}
    nouns = table["nouns"]["body"]
    known = frozenset([*base, *from_s, *from_ing, *from_past, *nouns, *table["typos"]["protected"]])
    subjects = sorted((tuple(s.split()) for s in table["subjects"]["neutral"]), key=len)[::-1]
    return Lexicon(
        table, frozenset(base), past, from_s, from_ing, from_past, rules, tuple(subjects),
        frozenset(nouns), known,
    )  # fmt: skip


def parse(text: str) -> Sentence:
    """Find the neutral subject of a lower-case caption and the verbs that belong to it."""
    lex = lexicon()
    words = tuple(TOKENS.findall(text))
    if words and words[0] in lex.base and words[0] not in ("back", "head"):
        return Sentence(words, None, (0,), "base", True)
    for start in range(len(words)):
        for subject in lex.subjects:
            end = start + len(subject)
            bare = subject[0] in PERSONS and start > 0  # the end of a description: "an old person"
            if words[start:end] != subject or bare:
                continue
            at = _skip_adverbs(words, end)
            form = _finite_form(words, at)
            if form is not None:
                verbs, safe = _governed(words, at) if form == "s" else ([at], True)
                safe = safe and not any(w in lex.from_s for w in words[:start])
                return Sentence(words, (start, end), tuple(verbs), form, safe)
    for at in range(1, len(words)):  # somebody described: "an old man raises the left hand"
        if words[at - 1] in PERSONS and words[at] in lex.from_s:
            return Sentence(words, None, tuple(_governed(words, at)[0]), "s", False)
    return Sentence(words, None, (), None, False)


def _finite_form(words: Sequence[str], at: int) -> Form | None:
    lex = lexicon()
    if at >= len(words):
        return None
    if words[at] in ("is", "was"):
        after = _skip_adverbs(words, at + 1)
        return "be" if after < len(words) and words[after] in lex.from_ing else None
    if words[at] in lex.from_s or lex.unknown(words[at]):
        return "s"
    return "past" if words[at] in lex.from_past else None


def _skip_adverbs(words: Sequence[str], at: int) -> int:
    while at < len(words) and ADVERB.fullmatch(words[at]):
        at += 1
    return at


def _governed(words: Sequence[str], first: int) -> tuple[list[int], bool]:
    """Verbs in -s that share the subject of words[first], and whether no doubtful one is left."""
    lex, verbs = lexicon(), [first]
    before_nouns = lex.table["verbs"]["before_nouns"]
    own = True
    for at in range(first + 1, len(words)):
        own = own and words[at] not in lex.table["verbs"]["breaks"]
        if words[at] not in lex.from_s:
            unknown = words[at].endswith("s") and not {*lex.body, "as"} & {words[at]}
            if unknown and words[at - 1] in LINKS:
                if not (own and lex.unknown(words[at]) and _goes_on(words, at, verbs)):
                    return verbs, False
                verbs.append(at)
            continue
        link = at - 1
        while link > first and ADVERB.fullmatch(words[link]) and words[link] not in LINKS:
            link -= 1
        if words[link] not in LINKS:
            if own and words[at - 1] not in before_nouns:
                return verbs, False
            continue
        while words[link] in LINKS:
            link -= 1
        noun = words[link] in lex.from_s and link not in verbs
        if not own or (noun and words[link - 1] in before_nouns and at + 1 == len(words)):
            return verbs, False
        if not noun or words[link - 1] in before_nouns:
            verbs.append(at)
    return verbs, True


def _goes_on(words: Sequence[str], at: int, verbs: Sequence[int]) -> bool:
    """Whether "and" or "then", and no more, lies between one of the verbs and a word."""
    link = at - 1
    while words[link] in LINKS or ADVERB.fullmatch(words[link]):
        link -= 1
    return link in verbs and not {"and", "then"}.isdisjoint(words[link:at])


def join(words: Sequence[str]) -> str:
    """Words and punctuation marks as one text."""
    return re.sub(r" (?=[,.;:!?]+(?:\s|$))", "", " ".join(words))


def _regular(verb: str, ending: str) -> str:
    """Regular English inflection of a base form: ending is "s", "ing" or "ed"."""
    if ending == "s":
        if re.search(r"(?:s|x|z|ch|sh|[^aeiou]o|^go|^do)$", verb):
            return verb + "es"
        return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"
    if ending == "ing" and verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + ending
    if ending == "ed" and re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    if re.fullmatch(r"[^aeiou]*(?:qu)?[aeiou][bdglmnprt]", verb) or verb == "begin":
        return verb + verb[-1] + ending
    return verb + ending
