"""Words of a caption, reduced to their base form, with parts of speech.

HumanML3D tags its captions with spaCy, reduces nouns and verbs to their lemmas and drops what is
no word. Without spaCy a lexicon of closed classes and rules about endings do it: enough for
sentences about motion, where nearly every verb is among those of `data/variation.toml`.
"""

import re
from functools import lru_cache
from typing import Any, Literal, get_args

from motiongpt3.data.english import lexicon
from motiongpt3.errors import InputError

Tagger = Literal["rules", "spacy"]
TAGGERS: tuple[Tagger, ...] = get_args(Tagger)
PARTS = (
    "VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV",
    "Loc_VIP", "Body_VIP", "Obj_VIP", "Act_VIP", "Desc_VIP", "OTHER",
)  # fmt: skip
"""Parts of speech in the order of the one-hot vector that the official weights read."""
Tagged = tuple[str, str]
"""A word and its part of speech."""

_GIVEN = re.compile(r"[^\s/]+/[A-Za-z_]+")
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
_CLOSED = {
    "DET": "a an the this that these those each every some any no another both all",
    "ADP": "in on at to of with from into onto over under by around through across toward towards "
    "along behind before after above below against near off out inside outside between beside "
    "about for like until during past without upon within as",
    "NUM": "zero one two three four five six seven eight nine ten eleven twelve once twice",
    "AUX": "is are was were be been being am has had do does did can could will would shall should "
    "may might must",
    "PRON": "he she it they them him her his hers its their theirs you your i me my we us our who "
    "which what himself herself itself themselves yourself someone somebody anyone everybody "
    "something nothing",
    "ADJ": "left right high low big small large long short fast slow quick old young happy sad "
    "angry tired proud straight front same other different full few many several wide deep light "
    "heavy strong weak bent active feminine masculine normal elderly youthful exhausted",
    "ADV": "then again now just not very so too up down back forward forwards backward backwards "
    "sideways away together here there still also twice ahead apart upright overhead clockwise "
    "counterclockwise anticlockwise upward upwards downward downwards inward outward",
    "OTHER": "and or but while if when because than",
}
_PART_OF = {word: part for part, words in _CLOSED.items() for word in words.split()}
_ENDINGS = (
    (r"ly$", "ADV"),
    (r"(?:ful|ous|ive|ic|al|less|able|ish|ary)$", "ADJ"),
    (r"(?:ing|ed)$", "VERB"),
)
_PLURALS = {"feet": "foot", "men": "man", "women": "woman", "people": "person", "knives": "knife"}


def tag(caption: str, tagger: Tagger = "rules") -> tuple[Tagged, ...]:
    """The words of a caption in lower case, nouns and verbs as lemmas, with parts of speech.

    A caption in HumanML3D's own form ("a/DET person/NOUN walk/VERB") is taken as it is.

    Raises:
        InputError: when spaCy is asked for and is not installed.
    """
    pieces = caption.split()
    if pieces and all(_GIVEN.fullmatch(piece) for piece in pieces):
        return tuple(_split(piece) for piece in pieces)
    return _by_spacy(caption) if tagger == "spacy" else _by_rules(caption)


def _split(piece: str) -> Tagged:
    word, part = piece.split("/")
    return word, part


@lru_cache(maxsize=65536)
def _by_rules(caption: str) -> tuple[Tagged, ...]:
    # HumanML3D removes hyphens before it tags: "counter-clockwise" is one word.
    words = _WORD.findall(caption.lower().replace("-", ""))
    tagged: list[Tagged] = []
    for word in words:
        tagged.append(_ruled(word, tagged[-1][1] if tagged else ""))
    return tuple(tagged)


def _ruled(word: str, before: str) -> Tagged:
    """A word's lemma and part of speech, given the part of the word before it."""
    lex = lexicon()
    if word in _PART_OF:
        return word, _PART_OF[word]
    if word[0].isdigit():
        return word, "NUM"
    verb = lex.from_s.get(word) or lex.from_ing.get(word) or lex.from_past.get(word)
    verb = verb or (word if word in lex.base else None)
    named = word in lex.body or word.rstrip("s") in lex.body or before in ("DET", "ADJ", "NUM")
    if verb and not (named and not word.endswith(("ing", "ed"))):
        return verb, "VERB"
    for ending, part in () if named and word in lex.body else _ENDINGS:
        if re.search(ending, word):
            return word, part
    return _singular(word), "NOUN"


def _singular(noun: str) -> str:
    if noun in _PLURALS:
        return _PLURALS[noun]
    if re.search(r"(?:ss|us|is)$", noun) or not noun.endswith("s") or len(noun) < 4:
        return noun
    if re.search(r"(?:ch|sh|x|ss|zz)es$", noun):
        return noun[:-2]
    return noun[:-3] + "y" if noun.endswith("ies") else noun[:-1]


@lru_cache(maxsize=65536)
def _by_spacy(caption: str) -> tuple[Tagged, ...]:
    """As HumanML3D's `text_process.py`: words of letters; lemmas of nouns and verbs but "left"."""
    tagged = []
    for token in _spacy()(caption.replace("-", "")):
        if token.text.isalpha():
            reduced = token.pos_ in ("NOUN", "VERB") and token.text != "left"
            tagged.append((token.lemma_ if reduced else token.text, token.pos_))
    return tuple(tagged)


@lru_cache(maxsize=1)
def _spacy() -> Any:
    try:
        import spacy  # type: ignore[import-not-found,unused-ignore]

        return spacy.load("en_core_web_sm")
    except (ImportError, OSError) as error:
        raise InputError(
            "captions are to be tagged with spaCy, which is not here",
            where="tagger",
            hint="pip install spacy && python -m spacy download en_core_web_sm, or tagger rules",
        ) from error
