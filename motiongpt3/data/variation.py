"""Other ways to say a caption, so that a small model understands how strangers put it.

The meaning stays: who acts may be called otherwise, the sentence may become an order or a question,
verbs and phrases are exchanged for synonyms, and now and then there is a slip of the finger. Left,
right, both, directions, counts and the action itself are never touched. The word lists are in
variation.toml.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from motiongpt3.data.english import Sentence, join, lexicon, parse

HAND = re.compile(
    r"\b((?:rais|lift|wav|lower)(?:e|es|ed|ing|s)? (?:up )?(?:(?:the|their|your|his|her|a|both) )?"
    r"(?:(?:left|right|raised) )*)(hand|arm)(s?)\b"
)
HE_SHE = frozenset({"he", "she", "his", "her", "him", "its"})
REFLEXIVE = {"their": "themselves", "your": "yourself", "his": "himself", "her": "herself"}
SUBJECT_OF = {"their": "they", "your": "you", "his": "he", "her": "she"}
SIDE_OR_BODY = 2  # words after "the" in which a body part must come: "the left hand"


@dataclass(frozen=True)
class Variation:
    """How often each kind of change is made (probabilities at strength 1)."""

    form: float = 0.45  # order, question, "you", -ing, past
    subject: float = 0.6
    synonym: float = 0.4  # per verb
    phrase: float = 0.2  # per phrase found
    hand_arm: float = 0.15
    owner: float = 0.3  # "the left hand" -> "their left hand"
    no_articles: float = 0.06
    typo: float = 0.12
    no_stop: float = 0.5
    no_comma: float = 0.1
    capital: float = 0.15
    upper: float = 0.01


def vary(
    caption: str,
    rng: np.random.Generator,
    strength: float = 1.0,
    config: Variation = Variation(),
) -> str:
    """Another wording of `caption` with the same meaning.

    Sides (left, right), directions, counts and the action stay. `strength` scales how often
    anything changes (0: never). The same generator state gives the same text.
    """
    text = " ".join(caption.split())
    if strength <= 0.0 or not text:
        return text
    return _Writer(rng, strength, config).write(text)


class _Writer:
    """One rewriting of one caption."""

    def __init__(self, rng: np.random.Generator, strength: float, config: Variation):
        self.rng, self.strength, self.config, self.lex = rng, strength, config, lexicon()

    def write(self, text: str) -> str:
        body = text.lower().rstrip(".!? ")
        if not body:
            return text
        stop = "." if text.rstrip().endswith((".", "!")) else ""
        sentence = parse(body)
        words, owner, mark = self.retell(sentence)
        if owner:
            words = self.owned(words, owner)
        body = self.rephrase(join(words), owner or "the")
        return self.surface(body, mark or stop)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability * self.strength)

    def pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]

    # ------------------------------------------------------------ who acts, form of the sentence
    def retell(self, sentence: Sentence) -> tuple[list[str], str, str]:
        """New words, whose body parts they are ("" = unknown) and the closing mark."""
        words, form = list(sentence.words), sentence.form
        if form is None or sentence.subject is None and form == "s":
            return self.verbs(words, dict.fromkeys(sentence.verbs, "s")), "", ""
        if form == "base":
            return self.wrap(self.verbs(words, {0: "base"}))
        start, end = sentence.subject or (0, 0)
        person = HE_SHE.isdisjoint(words)
        modes = ["order"] * 5 + ["doing"] * 2 + ["you", "past", "progressive"]
        if "keeps" in words:  # not "keeping walking"
            modes = ["order"] * 5 + ["you", "past"]
        if any(self.lex.unknown(words[at]) for at in sentence.verbs):
            modes.remove("past")  # which may be irregular
        if form == "s" and sentence.safe and person and self.chance(self.config.form):
            mode = self.pick(modes)
        else:
            mode = "told"
        if mode in ("order", "doing") and (start == 0 or mode == "order"):
            forms = dict.fromkeys(sentence.verbs, "base" if mode == "order" else "ing")
            rest = self.verbs(words, forms, first=end)
            if start:
                return _possess([*words[:start], *rest], "your"), "your", ""
            return self.wrap(rest, doing=mode == "doing")
        return self.tell(sentence, mode, person)

    def tell(self, sentence: Sentence, mode: str, person: bool) -> tuple[list[str], str, str]:
        """The sentence about somebody else, in the present, the past or in progress."""
        words, (start, end) = list(sentence.words), sentence.subject or (0, 0)
        subject, owner = " ".join(words[start:end]), "their"
        if mode == "you":
            subject, owner = "you", "your"
        elif self.chance(self.config.subject):
            subject, owner = self.subject(words, plain=not (sentence.safe and person))
        plural = subject in ("you", "they")
        forms: dict[int, str] = {}
        if sentence.form == "s":
            forms = dict.fromkeys(sentence.verbs, "base" if plural else "s")
            if mode in ("past", "progressive"):
                forms = dict.fromkeys(sentence.verbs, "past" if mode == "past" else "ing")
            if mode == "progressive":
                subject += " are" if plural else " is"
        elif sentence.form == "be" and plural:
            words[sentence.verbs[0]] = {"is": "are", "was": "were"}[words[sentence.verbs[0]]]
        rest = self.verbs(words, forms, first=end)
        told = [*words[:start], *subject.split(), *rest]
        return (_possess(told, owner) if person else told), owner if person else "", ""

    def subject(self, words: Sequence[str], plain: bool) -> tuple[str, str]:
        """Somebody to put in the place of "a person", and the word for what is theirs."""
        table = self.lex.table["subjects"]
        if plain:
            return self.pick([s for s in table["any"] if s != "they"]), "their"
        neutral = not set(table["gendered"]).isdisjoint(words) or "they" in words
        kind = "any" if neutral else self.pick(["any"] * 6 + ["male"] * 2 + ["female"])
        owner = {"any": "their", "male": "his", "female": "her"}[kind]
        return self.pick(table[kind]), owner

    def wrap(self, words: list[str], doing: bool = False) -> tuple[list[str], str, str]:
        """An order, a wish or a question around the base form, or a "show me" around -ing."""
        kind = "doing" if doing else self.pick(["you"] * 4 + ["other"])
        wrapper = self.pick(self.lex.table["wrappers"][kind])
        owner = "your" if kind == "you" else "their"
        if not doing and kind == "other":
            owner = {"him": "his", "her": "her"}.get(wrapper.split()[1], "their")
        text = wrapper.replace("$", join(_possess(words, owner)))
        mark = "?" if wrapper.startswith(("could", "can", "would")) and self.chance(0.5) else ""
        return text.split(), owner, mark

    # ------------------------------------------------------------------ verbs
    def verbs(self, words: list[str], forms: dict[int, str], first: int = 0) -> list[str]:
        """words[first:] with the verbs of `forms` inflected and, at times, replaced by synonyms."""
        forms = {**self.loose_ing(words), **forms}
        out: list[str] = []
        after: dict[int, list[str]] = {}
        eaten = -1
        for at in range(first, len(words)):
            if at == eaten:
                continue
            if at not in forms:
                out.append(words[at])
            else:
                verb, eats = self.synonym(words, at)
                if eats:
                    eaten = at + 1
                head, _, tail = verb.partition(" $ ")
                start, *rest = head.split()
                out += [self.lex.inflect(start, forms[at]), *rest]
                if tail:
                    after[self.object_end(words, at + 1) - 1] = tail.split()
            out += after.pop(at, [])
        return out

    def loose_ing(self, words: Sequence[str]) -> dict[int, str]:
        """Verbs in -ing that open a clause or follow "is"; their form stays."""
        nouns = [[noun] for noun in self.lex.table["nouns"]["after_ing"]]
        opens = {",", "is", "are", "while", "by", "keeps", "starts", "was"}
        return {
            at: "ing"
            for at, word in enumerate(words)
            if self.lex.from_ing.get(word) in self.lex.synonyms
            and (at == 0 or words[at - 1] in opens)
            and list(words[at + 1 : at + 2]) not in nouns
        }

    def synonym(self, words: Sequence[str], at: int) -> tuple[str, bool]:
        """Another verb for words[at] (`$`: its object), and whether the next word goes with it."""
        lex, verb = self.lex, self.lex.base_of(words[at])
        if not self.chance(self.config.synonym):
            return verb, False
        others = {*words[:at], *words[at + 1 :]}
        following = words[at + 1] if at + 1 < len(words) and words[at + 1] != "," else "."
        end = self.object_end(words, at + 1)
        pronoun = following in ("it", "them")
        continued = at > 0 and words[at - 1] in ("keeps", "keep")  # "keeps walking"
        options: list[tuple[str, bool]] = []
        for rule in lex.synonyms.get(verb, []):
            if rule.object != (end > 0) or not rule.unless.isdisjoint(others):
                continue
            if (rule.next and following not in rule.next) or (
                rule.only and rule.only.isdisjoint(others)
            ):
                continue
            use = [
                u for u in rule.use if " " not in u or (not continued and (not pronoun or "$" in u))
            ]
            options += [(u, following in rule.eat) for u in use]
        return options[int(self.rng.integers(len(options)))] if options else (verb, False)

    def object_end(self, words: Sequence[str], at: int) -> int:
        """The index behind the body part (or "it", "them") that starts at words[at], or 0."""
        if words[at : at + 1] and words[at] in ("it", "them"):
            return at + 1
        while at < len(words) and words[at] in self.lex.table["nouns"]["before_body"]:
            at += 1
        return at + 1 if at < len(words) and words[at] in self.lex.body else 0

    # ------------------------------------------------------------------ phrases and surface
    def owned(self, words: list[str], owner: str) -> list[str]:
        """ "the left hand" -> "your left hand", at times; nearly always in orders."""
        often = self.config.owner * (2.5 if owner == "your" else 1.0)
        if not self.chance(often):
            return words
        return [
            owner
            if word == "the" and not self.lex.body.isdisjoint(words[at + 1 : at + 1 + SIDE_OR_BODY])
            else word
            for at, word in enumerate(words)
        ]

    def rephrase(self, text: str, owner: str) -> str:
        for phrase in self.lex.table["phrase"]:
            match = re.search(phrase["find"], text)
            scale = 0.25 if phrase.get("rare") else 1.0
            if match and self.chance(self.config.phrase * scale):
                new = match.expand(self.pick(phrase["use"]).replace("their", owner))
                text = text[: match.start()] + new + text[match.end() :]
        held = not set(self.lex.table["nouns"]["held"]).isdisjoint(text.split())
        if not held and self.chance(self.config.hand_arm):
            text = HAND.sub(lambda m: m[1] + ("arm" if m[2] == "hand" else "hand") + m[3], text)
        return text

    def surface(self, text: str, stop: str) -> str:
        if self.chance(self.config.no_articles):
            text = re.sub(r"\b(?:an?|the) \b", "", text)
        if self.chance(self.config.no_comma):
            text = text.replace(",", "")
        if self.chance(self.config.typo):
            for _ in range(int(self.rng.integers(1, 3))):
                text = self.misspell(text)
        text += "" if self.chance(self.config.no_stop) else stop
        if self.chance(self.config.capital):
            text = re.sub(r"\bi\b", "I", text[0].upper() + text[1:])
        return text.upper() if self.chance(self.config.upper) else text

    def misspell(self, text: str) -> str:
        """One slip of the finger: two letters swapped, one lost, doubled or beside its key."""
        words = text.split(" ")
        protected = self.lex.table["typos"]["protected"]
        plain = [i for i, w in enumerate(words) if re.fullmatch("[a-z]{4,}", w)]
        plain = [i for i in plain if words[i] not in protected]
        if not plain:
            return text
        at = plain[int(self.rng.integers(len(plain)))]
        word = words[at]
        i = int(self.rng.integers(1, len(word) - 1))
        row = next(keys for keys in self.lex.table["typos"]["keys"] if word[i] in keys)
        key = row[max(0, row.index(word[i]) - 1)]
        wrong = self.pick(
            [
                word[:i] + word[i + 1] + word[i] + word[i + 2 :],
                word[:i] + word[i + 1 :],
                word[:i] + word[i] + word[i:],
                word[:i] + key + word[i + 1 :],
            ]
        )
        words[at] = word if wrong in self.lex.known else wrong
        return " ".join(words)


def _possess(words: Sequence[str], owner: str) -> list[str]:
    """Their and your -> owner, together with "they" and "themselves"."""
    new = {"their": owner, "your": owner, "they": SUBJECT_OF[owner], "themselves": REFLEXIVE[owner]}
    return [new.get(word, word) for word in words]
