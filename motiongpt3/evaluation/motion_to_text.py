"""Motion to text: the model's captions beside those that clips have, and beside guesses.

Rows:
    model                     against all captions of the clip
    model, one reference less against those that the next row is compared with
    reference caption         one of the clip's own against its others; a person's where the set
                              has such captions
    nearest clip              a caption of the training clip whose poses are most alike
    most frequent caption     the same for every clip

Every text figure is given for captions as they are and for their lemmas (`text_metrics.Wording`).
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import get_args

import numpy as np

from motiongpt3.data.keywords import judge as judge_words
from motiongpt3.data.keywords import table
from motiongpt3.evaluation.draws import Draw, draw
from motiongpt3.evaluation.evidence import Evidence, worst_and_best
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.held_out import HeldOut
from motiongpt3.evaluation.judge import MATCHING, Judge
from motiongpt3.evaluation.reconstruction import NearestClip
from motiongpt3.evaluation.table import Column, Rows
from motiongpt3.evaluation.text_metrics import (
    Wording,
    bert_score,
    bleu,
    cider,
    rouge_l,
    worded,
)
from motiongpt3.model.motiongpt import MotionGPT
from motiongpt3.motion.motion import Motion

_SCORES = ("Bleu@1", "Bleu@4", "ROUGE-L", "CIDEr-D", "BERTScore")
_GROUP = {"raw": "Captions as they are", "lemmas": "Lemmas of captions"}
TEXT = tuple(
    Column(f"{name} {wording}", "higher", _GROUP[wording])
    for wording in get_args(Wording)
    for name in _SCORES
)
KEYWORDS = (
    Column("action named", "higher", "Keywords"),
    Column("side named", "higher", "Keywords"),
)

References = Sequence[Sequence[str]]


class MotionToText:
    """The evaluation of a model as an `Experiment`."""

    title = "Motion to text"
    columns: Sequence[Column] = (*TEXT, *KEYWORDS, *MATCHING)

    def __init__(self, model: MotionGPT, held: HeldOut, judge: Judge):
        self.model, self.held, self.judge = model, held, judge
        counted = Counter(c for record in held.train.records for c in record.captions)
        self.frequent = max(sorted(counted), key=counted.__getitem__)
        self.all = [record.captions for record in held.records]
        self._scored = lru_cache(maxsize=None)(_scores)

    def measure(self, seed: int) -> tuple[Rows, Evidence]:
        """Every row of a replication."""
        aside = self.held.captions(seed)
        others = [_without(said, one) for said, one in zip(self.all, aside, strict=True)]
        frequent = [self.frequent] * len(aside)
        rows = {
            "model": self.own(seed),
            "model, one reference less": self._scored(tuple(self.made), tuple(others)),
            "reference caption": self._row(aside, others, seed),
            "nearest clip": self._row(self._remembered(seed), self.all, seed),
            "most frequent caption": self._row(frequent, self.all, seed),
        }
        return rows, self._evidence()

    def own(self, seed: int) -> dict[str, Figure]:
        """The row of the model."""
        return self._row(self.made, self.all, seed)

    @cached_property
    def made(self) -> list[str]:
        """The model's caption of every clip: the likeliest words, the same in any replication."""
        skeleton = self.held.skeleton
        pairs = zip(self.held.joints, self.held.features, strict=True)
        clips = [Motion(joints, skeleton.fps, skeleton, told) for joints, told in pairs]
        captions = self.model.caption(clips)
        assert not isinstance(captions, str)  # one for each of several motions
        return captions

    @cached_property
    def _nearest(self) -> list[int]:
        """The training clip that is most like each clip."""
        known = NearestClip(self.held.train_joints)
        return [known.find(joints)[0] for joints in self.held.joints]

    def _remembered(self, seed: int) -> list[str]:
        """A caption of the training clip that is most like each clip."""
        rng = draw(seed, Draw.RETRIEVAL)
        records = self.held.train.records
        return [str(rng.choice(records[clip].captions)) for clip in self._nearest]

    def _row(self, captions: Sequence[str], references: References, seed: int) -> dict[str, Figure]:
        kept = tuple(tuple(said) for said in references)
        return {
            **self._scored(tuple(captions), kept),
            **self._keywords(captions),
            **self.judge.matching(captions, self.judge.real, seed),
        }

    def _keywords(self, captions: Sequence[str]) -> dict[str, Figure]:
        """The share of captions that name the action of the clip's label, and its side."""
        known = table().labels
        verdicts = [
            judge_words(caption, record.label, record.source, record.captions)
            for caption, record in zip(captions, self.held.records, strict=True)
            if (record.source, record.label) in known
        ]
        sides = [v.side_ok for v in verdicts if v.side_ok is not None]
        hits = ([v.action_ok for v in verdicts], sides)
        return {
            column.name: float(np.mean(found)) if found else Missing("no label with keywords")
            for column, found in zip(KEYWORDS, hits, strict=True)
        }

    def _evidence(self) -> Evidence:
        """What was named for which label, and clips by how far their caption is from them."""
        known, confusion = table().labels, defaultdict[str, Counter[str]](Counter)
        sides: dict[str, tuple[int, int]] = {}
        for caption, record in zip(self.made, self.held.records, strict=True):
            if (record.source, record.label) not in known:
                continue
            verdict = judge_words(caption, record.label, record.source, record.captions)
            named = " + ".join(sorted(verdict.named)) or "nothing"
            confusion[record.label][record.label if verdict.action_ok else named] += 1
            if verdict.side_ok is not None:
                right, count = sides.get(record.label, (0, 0))
                sides[record.label] = (right + verdict.side_ok, count + 1)
        errors = self.judge.distances(self.made, self.judge.real)
        if errors is None:
            both = zip(self.made, self.all, strict=True)
            errors = np.array([_unlike(caption, said) for caption, said in both])
        pairs = zip(errors, self.held.records, strict=True)
        notes = [f"{error:.2f} away; the clip's own: {r.captions[0]}" for error, r in pairs]
        said = list(zip(self.made, notes, strict=True))
        shown = worst_and_best(errors.tolist(), said, self.held.joints)
        return Evidence({label: dict(row) for label, row in confusion.items()}, sides, shown)


def _without(captions: Sequence[str], one: str) -> tuple[str, ...]:
    """The other captions of a clip; a clip with one caption keeps it."""
    rest = tuple(caption for caption in captions if caption != one)
    return rest or tuple(captions)


def _unlike(caption: str, references: Sequence[str]) -> float:
    """The share of a caption's words that no reference has."""
    known = {word for text in references for word in text.lower().split()}
    words = caption.lower().split()
    return 1 - sum(word in known for word in words) / max(len(words), 1)


def _scores(captions: Sequence[str], references: References) -> dict[str, Figure]:
    """Every text figure under both wordings."""
    figures: dict[str, Figure] = {}
    for wording in get_args(Wording):
        figures |= {f"{k} {wording}": v for k, v in _worded(captions, references, wording).items()}
    return figures


def _worded(captions: Sequence[str], references: References, wording: Wording) -> dict[str, Figure]:
    flat = worded([text for said in references for text in said], wording)
    made = worded(captions, wording)
    if isinstance(flat, Missing) or isinstance(made, Missing):
        reason = flat if isinstance(flat, Missing) else made
        return {name: reason for name in _SCORES if isinstance(reason, Missing)}
    ends = np.cumsum([len(said) for said in references])[:-1]
    groups = [[str(text) for text in part] for part in np.split(np.array(flat, object), ends)]
    values = (
        bleu(made, groups, 1),
        bleu(made, groups, 4),
        rouge_l(made, groups),
        cider(made, groups),
        bert_score(made, groups),
    )
    return dict(zip(_SCORES, values, strict=True))
