"""Captions as words with parts of speech, which is what Guo et al.'s text encoder reads.

A caption becomes at most 20 words between "sos" and "eos" (T2M, `data/dataset.py`); each is looked
up in a vocabulary and tagged with one of 15 parts of speech, of which five are lists of words that
matter for motion (MotionGPT3, `data/humanml/utils/word_vectorizer.py`).

Shapes: B captions, L words of the longest one between its ends.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from motiongpt3.errors import CorruptError, InputError
from motiongpt3.formats.files import atomic_write
from motiongpt3.model.tagging import PARTS, TAGGERS, Tagged, Tagger, tag

LONGEST = 20
"""Words of a caption that are read."""
START, END, UNKNOWN = "sos", "eos", "unk"
MARKS = (UNKNOWN, START, END)

_LISTS = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down "
    "straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop "
    "sit lift lower raise wash stand kneel stroll rub bend balance flap jog shuffle lean rotate "
    "spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
VIP = {word: part for part, words in _LISTS.items() for word in words.split()}
"""Words whose part of speech is their own, whatever a tagger says."""
_OTHER = PARTS.index("OTHER")


@dataclass(frozen=True, eq=False)
class Words:
    """Captions ready for a text encoder."""

    ids: Int[np.ndarray, "B L"]
    """Rows of the table of word vectors; the unknown word after a caption's end."""
    parts: Int[np.ndarray, "B L"]
    """Indices into PARTS; OTHER after a caption's end."""
    length: Int[np.ndarray, "B"]


class Vocabulary:
    """The words that an evaluator knows, in the order of its table, and how it tags captions.

    Raises:
        InputError: when "unk", "sos" or "eos" is missing, or a word is there twice.
    """

    def __init__(self, words: Sequence[str], tagger: Tagger = "rules"):
        self.words, self.tagger = tuple(words), tagger
        self._at = {word: at for at, word in enumerate(self.words)}
        lacking = [mark for mark in MARKS if mark not in self._at]
        if lacking or len(self._at) < len(self.words):
            what = f"lacks {lacking[0]!r}" if lacking else "a word is there twice"
            raise InputError(what, where="vocabulary")

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def learn(
        cls, captions: Iterable[str], tagger: Tagger = "rules", least: int = 1
    ) -> "Vocabulary":
        """The words met at least `least` times in these captions, and the three marks."""
        count = Counter(word for caption in captions for word, _ in tag(caption, tagger))
        known = sorted(word for word, times in count.items() if times >= least)
        return cls((*MARKS, *(word for word in known if word not in MARKS)), tagger)

    def encode(self, captions: Sequence[str]) -> Words:
        """Captions as ids and parts of speech.

        Raises:
            InputError: when there are no captions, or the tagger is not installed.
        """
        if not captions:
            raise InputError("no captions", where="texts")
        rows = [self._row(tag(caption, self.tagger)[:LONGEST]) for caption in captions]
        length = np.array([len(row) for row in rows])
        ids = np.full((len(rows), length.max()), self._at[UNKNOWN])
        parts = np.full_like(ids, _OTHER)
        for at, row in enumerate(rows):
            ids[at, : len(row)], parts[at, : len(row)] = zip(*row, strict=True)
        return Words(ids, parts, length)

    def _row(self, words: Sequence[Tagged]) -> list[tuple[int, int]]:
        inner = [self._numbers(word, part) for word, part in words]
        return [(self._at[START], _OTHER), *inner, (self._at[END], _OTHER)]

    def _numbers(self, word: str, part: str) -> tuple[int, int]:
        if word not in self._at:
            return self._at[UNKNOWN], _OTHER
        part = VIP.get(word, part)
        return self._at[word], PARTS.index(part) if part in PARTS else _OTHER

    def save(self, path: Path) -> None:
        """Write the words and the tagger as JSON."""
        with atomic_write(path) as part:
            content = {"tagger": self.tagger, "words": self.words}
            part.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote.

        Raises:
            CorruptError: when it is something else.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            words, tagger = content["words"], content["tagger"]
            if tagger not in TAGGERS or not all(isinstance(word, str) for word in words):
                raise ValueError("no words, or an unknown tagger")
            return cls(words, tagger)
        except (OSError, ValueError, KeyError, TypeError, InputError) as error:
            raise CorruptError("not a vocabulary", where=str(path), hint=str(error)) from error
