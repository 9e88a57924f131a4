"""Caption variation and mirrored words: the meaning stays, the wording changes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiongpt3.data.aside import with_aside
from motiongpt3.data.english import lexicon, parse
from motiongpt3.data.variation import Variation, vary
from motiongpt3.motion.mirror import mirror_words

CAPTIONS = [
    "a person raises the left hand and lowers it again.",
    "someone waves both hands with no energy left.",
    "the figure walks forward and turns right.",
    "while walking, a person turns to the left.",
    "a person is walking diagonally to the right.",
    "without moving the feet, somebody raises and lowers the right arm.",
    "raise the right hand and put it down again.",
    "a person kicks twice with the left foot, then bows.",
    "an old person walks three steps backward.",
    "the left hand goes up, waves and comes back down.",
    "A person gets pushed from his right, he stumbles to his left.",
    "a person does kicks and punches.",
]
KEPT = ["left", "right", "both", "two", "three", "twice", "diagonally", "feet"]


def words(text: str, keep: list[str]) -> list[str]:
    return sorted(w for w in re.findall(r"\w+", text.lower()) if w in keep)


@settings(max_examples=300, deadline=None)
@given(
    caption=st.sampled_from(CAPTIONS) | st.text(max_size=60),
    seed=st.integers(0, 2**32),
    strength=st.floats(0, 3),
)
def test_sides_are_kept_and_dice_decide(caption: str, seed: int, strength: float) -> None:
    varied = vary(caption, np.random.default_rng(seed), strength)
    assert varied == vary(caption, np.random.default_rng(seed), strength)
    assert words(varied, ["left", "right"]) == words(caption, ["left", "right"])
    assert bool(varied.strip()) == bool(caption.strip())


@pytest.mark.parametrize("caption", CAPTIONS)
def test_counts_and_directions_are_kept(caption: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        varied = vary(caption, rng, 1.5, Variation(typo=0.0)).lower()
        kept = [w for w in KEPT if w != "diagonally"]
        assert words(varied, kept) == words(caption, kept)
        if "backward" in caption:
            assert re.search(r"\b(backwards?|reverse|back|rearwards)\b", varied)
        if "waves" in caption:
            assert re.search("wav|sh[ao]+k|sw[iu]ng|mov", varied)


def test_orders_are_grammatical() -> None:
    rng = np.random.default_rng(1)
    seen = {vary(CAPTIONS[0], rng).lower().rstrip(".") for _ in range(4000)}
    assert "raise your left hand and lower it again" in seen
    assert "please raise your left hand and lower it again" in seen
    assert "you raise your left hand and lower it again" in seen
    assert "raising the left hand and lowering it again" in seen
    assert not any("you raises" in text or "he raise " in text for text in seen)
    assert len(seen) > 1000


@pytest.mark.parametrize(
    ("verb", "base", "doing"),
    [
        ("salutes", "salute", "saluting"),
        ("moonwalks", "moonwalk", "moonwalking"),
        ("hugs", "hug", "hugging"),
        ("flexes", "flex", "flexing"),
        ("squeezes", "squeeze", "squeezing"),
        ("brushes", "brush", "brushing"),
        ("terrifies", "terrify", "terrifying"),
        ("ties", "tie", "tying"),
    ],
)
def test_verbs_that_no_list_holds_are_ordered_too(verb: str, base: str, doing: str) -> None:
    assert verb not in lexicon().from_s
    rng = np.random.default_rng(1)
    caption = f"a person {verb} and walks with the left hand up."
    seen = {vary(caption, rng, config=Variation(typo=0)).lower().rstrip(".") for _ in range(3000)}
    assert f"{base} and walk with your left hand up" in seen
    assert f"{doing} and walking with the left hand up" in seen
    assert f"someone {verb} and walks with the left hand up" in seen
    assert all(re.search(rf"\b({verb}|{base}|{doing})\b", text) for text in seen)


def test_a_word_in_s_is_a_verb_only_where_nothing_else_can_be() -> None:
    def verbs(text: str) -> list[str]:
        sentence = parse(text)
        return [sentence.words[at] for at in sentence.verbs]

    assert verbs("a person walks and then salutes") == ["walks", "salutes"]
    assert verbs("a person salutes and walks, then shrugs") == ["salutes", "walks", "shrugs"]
    assert verbs("a person stands, palms up") == ["stands"]
    assert verbs("a person lifts both hands and palms") == ["lifts"]
    assert verbs("someone as tall as trees") == verbs("a person sideways") == []
    assert verbs("a person hands down") == verbs("the figure across the room") == []


def test_strength_zero_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    assert [vary(c, rng, strength=0.0) for c in CAPTIONS] == CAPTIONS


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("raise", ("raises", "raising", "raised")),
        ("wave", ("waves", "waving", "waved")),
        ("walk", ("walks", "walking", "walked")),
        ("run", ("runs", "running", "ran")),
        ("put", ("puts", "putting", "put")),
        ("lie", ("lies", "lying", "lay")),
        ("carry", ("carries", "carrying", "carried")),
        ("crouch", ("crouches", "crouching", "crouched")),
        ("step", ("steps", "stepping", "stepped")),
        ("clap", ("claps", "clapping", "clapped")),
        ("go", ("goes", "going", "went")),
        ("bow", ("bows", "bowing", "bowed")),
        ("lower", ("lowers", "lowering", "lowered")),
        ("lift", ("lifts", "lifting", "lifted")),
        ("veer", ("veers", "veering", "veered")),
    ],
)
def test_inflection(verb: str, forms: tuple[str, str, str]) -> None:
    lex = lexicon()
    assert tuple(lex.inflect(verb, form) for form in ("s", "ing", "past")) == forms
    assert verb in lex.base


def test_only_verbs_of_the_subject_are_inflected() -> None:
    def found(text: str) -> list[str]:
        sentence = parse(text)
        return [sentence.words[at] for at in sentence.verbs] if sentence.safe else []

    assert found("a person takes two steps and turns left") == ["takes", "turns"]
    assert found("a person does kicks and punches") == []  # "punches" is doubtful
    assert found("someone lifts one arm while the other stays down") == ["lifts"]
    assert found("an old person walks") == []  # the description must stay


def test_every_synonym_verb_is_known() -> None:
    lex = lexicon()
    for rules in lex.synonyms.values():
        for rule in rules:
            assert rule.verb in lex.base
            assert all(
                re.fullmatch(r"[a-z]+( [a-z]+)*( \$ [a-z]+( [a-z]+)*)?", u) for u in rule.use
            )
    for phrase in lex.table["phrase"]:
        sides = len(re.findall(r"left\|right", phrase["find"].split("(?!")[0]))
        assert all(len(re.findall(r"\b(?:left|right)\b", use)) == 0 for use in phrase["use"])
        assert sides <= 1


def test_real_captions_keep_their_sides(data: Path) -> None:
    rng = np.random.default_rng(0)
    lines = (data / "motion5h" / "clips.jsonl").read_text(encoding="utf-8").splitlines()[::25]
    for caption in {c["text"] for line in lines for c in json.loads(line)["captions"]}:
        varied = vary(caption, rng)
        assert words(varied, ["left", "right"]) == words(caption, ["left", "right"]), varied


@given(st.sampled_from(CAPTIONS), st.integers(0, 2**32 - 1))
def test_asides_add_words_and_keep_what_is_done(caption: str, seed: int) -> None:
    told = with_aside(caption, np.random.default_rng(seed))
    assert told == with_aside(caption, np.random.default_rng(seed))
    assert told != caption
    actor = r"^(a|the|this|one) (person|human|figure|individual|character)|^some(one|body)"
    action = re.sub(actor, "", caption, flags=re.IGNORECASE).rstrip(".").split()
    rest = iter(told.replace(".", "").split())
    assert all(any(word == other for other in rest) for word in action), told  # in order
    sides = ["left", "right", "both"]
    assert words(told.replace("right now", ""), sides) == words(caption, sides)


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("raises the left hand", "raises the right hand"),
        ("Turns RIGHT, then Left", "Turns LEFT, then Right"),
        ("a left-handed throw, leftwards", "a right-handed throw, rightwards"),
        ("walks a circle clockwise", "walks a circle counterclockwise"),
        ("an anti-clockwise or counter clockwise turn", "an clockwise or clockwise turn"),
        ("sits down right away", "sits down right away"),
        ("turns right after two steps", "turns left after two steps"),
        ("jumps right after landing", "jumps right after landing"),
        ("a right-angle turn to the right", "a right-angle turn to the left"),
        ("stands upright, all right", "stands upright, all right"),
        ("walks with no energy left", "walks with no energy left"),
        ("he left the room to the left", "he left the room to the right"),
        ("on the right before stopping", "on the left before stopping"),
        ("goes left at an angle", "goes right at an angle"),
        ("hops left after landing", "hops to the right after landing"),
        ("turns left right away", "turns right right away"),
        ("Left Left away", "Right To the right away"),
        ("a person bows", "a person bows"),
        ("the bright leftover", "the bright leftover"),
    ],
)
def test_mirror_words(text: str, mirrored: str) -> None:
    assert mirror_words(text) == mirrored


SIDED = """a person the walks turns to and raises Left left right RIGHT hand leftward rightwards
right-handed lefty upright clockwise counterclockwise energy away angle both , ."""
sided = st.lists(st.sampled_from(re.findall(r"\S+", SIDED))).map(" ".join)


@given(text=sided)
def test_two_mirrors_give_the_text_back(text: str) -> None:
    once = mirror_words(text)
    assert mirror_words(mirror_words(once)) == once
    if not re.search(r"(energy|person) (left|right)|(left|right) (away|angle)", text.lower()):
        assert mirror_words(once) == text


def test_real_captions_come_back_from_the_mirror(data: Path) -> None:
    lines = (data / "motion5h" / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    captions = {c["text"] for line in lines for c in json.loads(line)["captions"]}
    assert [c for c in captions if mirror_words(mirror_words(c)) != c] == []
