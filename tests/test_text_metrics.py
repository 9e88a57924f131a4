"""Caption figures against pycocoevalcap and rouge-score, each where its convention is ours."""

import random
import re
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from rouge_score.rouge_scorer import RougeScorer

from motiongpt3 import InputError
from motiongpt3.evaluation.figure import Figure, Missing
from motiongpt3.evaluation.text_metrics import bert_score, bleu, cider, lemmas_of, rouge_l, worded

WHO = ("a person", "A man", "someone", "the figure", "a human being")
DOES = (
    "walks forward", "turns to the left", "waves with the right hand", "sits down", "jumps up",
    "kicks with the left leg", "bends over", "raises both arms", "steps back-wards", "stands still",
)  # fmt: skip
HOW = ("slowly", "twice", "in a circle", "while standing", "very fast", "again and again", "")
JOIN = (", then ", " and ", " before he ", "; afterwards someone ")
END = (".", "!", "", " .")


def caption(draw: random.Random) -> str:
    """Something a person might write about a clip: one to three actions."""
    actions = (f"{draw.choice(DOES)} {draw.choice(HOW)}".strip() for _ in range(draw.randint(1, 3)))
    text = f"{draw.choice(WHO)} {next(actions)}"
    return text + "".join(draw.choice(JOIN) + action for action in actions) + draw.choice(END)


def corpus(seed: int, size: int = 500) -> tuple[list[str], list[list[str]]]:
    """Captions, each with one to five references; some said twice, some almost alike."""
    draw = random.Random(seed)
    references = [[caption(draw) for _ in range(draw.randint(1, 5))] for _ in range(size)]
    candidates = [caption(draw) for _ in range(size)]
    for i in range(0, size, 4):
        words = references[i][0].split()
        candidates[i] = " ".join(words[: max(1, len(words) - i % 5)])
    return candidates, references


def number(figure: Figure) -> float:
    assert isinstance(figure, float)
    return figure


def stripped(text: str) -> str:
    """As nlg-metricverse gives texts to Bleu."""
    return re.sub("""[!"#$%&'()*+,./:;<=>?@^_`{|}~-]""", " ", text).lower()


CORPORA = [corpus(seed) for seed in range(3)] + [corpus(9, size=32)]


@pytest.mark.parametrize("texts", CORPORA, ids=["500", "500 more", "500 others", "32"])
class TestParity:
    """Every figure of whole corpora to 1e-6."""

    @pytest.mark.parametrize("order", [1, 2, 3, 4])
    def test_bleu_is_pycocoevalcaps_with_the_shortest_reference(self, texts, order) -> None:
        oracle = BleuScorer(n=order)
        for candidate, references in zip(*texts, strict=True):
            oracle += (stripped(candidate), [stripped(text) for text in references])
        wanted = oracle.compute_score(option="shortest")[0][-1]
        assert 0.05 < wanted < 0.95
        assert bleu(*texts, order) == pytest.approx(wanted, abs=1e-6)

    def test_rouge_is_rouge_scores(self, texts) -> None:
        oracle = RougeScorer(["rougeL"], use_stemmer=False)
        scores = [
            oracle.score_multi(references, candidate)["rougeL"].fmeasure
            for candidate, references in zip(*texts, strict=True)
        ]
        assert rouge_l(*texts) == pytest.approx(np.mean(scores), abs=1e-6)

    def test_cider_is_pycocoevalcaps(self, texts) -> None:
        candidates, references = texts
        wanted, _ = Cider().compute_score(
            dict(enumerate(references)), {i: [text] for i, text in enumerate(candidates)}
        )
        assert wanted > 0.3
        assert cider(*texts) == pytest.approx(wanted, abs=1e-6)


@given(st.text(max_size=40), st.lists(st.text(max_size=40), min_size=1, max_size=3))
def test_rouge_reads_any_text_as_rouge_score_does(candidate: str, references: list[str]) -> None:
    wanted = RougeScorer(["rougeL"]).score_multi(references, candidate)["rougeL"].fmeasure
    assert rouge_l([candidate] * 32, [references] * 32) == pytest.approx(wanted, abs=1e-12)


@given(st.lists(st.text(alphabet="ab c", min_size=1, max_size=20), min_size=64, max_size=64))
def test_cider_reads_any_text_as_pycocoevalcap_does(texts: list[str]) -> None:
    candidates, references = texts[:32], [[text] for text in texts[32:]]
    wanted, _ = Cider().compute_score(
        dict(enumerate(references)), {i: [text] for i, text in enumerate(candidates)}
    )
    assert cider(candidates, references) == pytest.approx(wanted, abs=1e-9)


def test_bleu_counts_a_word_no_more_often_than_one_reference_has_it() -> None:
    """The example of Papineni et al. 2002: "the" occurs twice in a reference, of seven said."""
    references = [["the cat is on the mat", "there is a cat on the mat"]] * 32
    assert bleu(["the the the the the the the"] * 32, references, 1) == pytest.approx(2 / 7)


def test_bleu_takes_the_shortest_reference_and_smooths_nothing() -> None:
    references = [["a b c d", "a b c d e f g h"]] * 32
    assert bleu(["a b c d"] * 32, references, 4) == pytest.approx(1)
    assert bleu(["a b"] * 32, references, 1) == pytest.approx(np.exp(1 - 4 / 2))
    assert bleu(["a b"] * 32, references, 4) == 0
    assert bleu([""] * 32, references, 1) == 0


def test_case_and_punctuation_count_for_cider_alone() -> None:
    said, references = CORPORA[0][0], [[text] for text in CORPORA[0][0]]
    shouted = [text.upper() + " ?" for text in said]
    assert bleu(shouted, references, 4) == pytest.approx(1)
    assert rouge_l(shouted, references) == pytest.approx(1)
    assert number(cider(shouted, references)) < 0.1
    assert 8 < number(cider(said, references)) <= 10  # captions of under four words have no 4-gram


def test_captions_of_other_clips_score_lower() -> None:
    candidates, references = CORPORA[0]
    other = references[1:] + references[:1]
    for figure in (lambda c, r: bleu(c, r, 4), rouge_l, cider):
        assert number(figure(candidates, other)) < 0.9 * number(figure(candidates, references))


def test_order_of_clips_does_not_matter() -> None:
    candidates, references = CORPORA[1]
    order = np.random.default_rng(0).permutation(len(candidates))
    mixed = [candidates[i] for i in order], [references[i][::-1] for i in order]
    for figure in (lambda c, r: bleu(c, r, 4), rouge_l, cider):
        assert figure(*mixed) == pytest.approx(figure(candidates, references), rel=1e-12)


def test_too_few_captions_give_no_number() -> None:
    texts = corpus(0, size=31)
    for figure in (lambda c, r: bleu(c, r, 4), rouge_l, cider, bert_score):
        assert figure(*texts) == Missing("n=31")


@pytest.mark.parametrize("spoil", [lambda r: r[1:], lambda r: [[], *r[1:]]], ids=["gone", "empty"])
def test_a_caption_without_reference_is_refused(spoil) -> None:
    candidates, references = CORPORA[0]
    for figure in (lambda c, r: bleu(c, r, 4), rouge_l, cider, bert_score):
        with pytest.raises(InputError, match="500 captions, and references for 499"):
            figure(candidates, spoil(references))


# --- wordings ------------------------------------------------------------------------------------


def test_lemmas_are_read_from_the_published_texts() -> None:
    line = "a/DET man/NOUN kick/VERB something/PRON with/ADP his/PRON left/ADJ leg/NOUN"
    assert lemmas_of(line) == "a man kick something with his left leg"
    assert lemmas_of("") == ""


def test_raw_captions_stay_as_they_are() -> None:
    assert worded(["A man walks.", ""], "raw") == ["A man walks.", ""]


def test_lemmas_without_spacy_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert worded(["a man walks"], "lemmas") == Missing("spacy is not installed")


def test_lemmas_are_those_of_humanml3ds_script() -> None:
    pytest.importorskip("spacy")
    made = worded(["A person turned left, waves his well-known hands 3 times."], "lemmas")
    if isinstance(made, Missing):
        pytest.skip(str(made))
    assert made == ["A person turn left wave his wellknown hand time"]


# --- BERTScore -----------------------------------------------------------------------------------


def library(monkeypatch: pytest.MonkeyPatch, score: object) -> None:
    """Put a library in place of bert-score, which reads a model of 1.4 GB."""
    module = ModuleType("bert_score")
    monkeypatch.setattr(module, "score", score, raising=False)
    monkeypatch.setitem(sys.modules, "bert_score", module)


def test_bert_score_asks_for_what_the_paper_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def score(candidates: list[str], references: list[list[str]], **options: object):
        asked.update(options, candidates=candidates, references=references)
        f1 = torch.linspace(0, 1, len(candidates))
        return f1 + 1, f1 + 2, f1

    library(monkeypatch, score)
    candidates, references = CORPORA[0]
    assert bert_score(candidates, references) == pytest.approx(0.5)
    assert asked.pop("candidates") == candidates
    assert asked.pop("references") == references
    assert asked == {"lang": "en", "idf": True, "rescale_with_baseline": True}


def test_bert_score_without_library_or_model_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bert_score", None)
    assert bert_score(*CORPORA[0]) == Missing("bert-score is not installed")

    def score(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to the hub")  # as transformers does

    library(monkeypatch, score)
    missing = bert_score(*CORPORA[0])
    assert missing == Missing("the model of bert-score, roberta-large, is not at hand")
