"""What a model is compared with: what remembers, what guesses, and what its captions ask for."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from clips import trained_once, walk, wave
from hypothesis import given
from hypothesis import strategies as st

import motiongpt3
from motiongpt3.data.asked import Asked, asked
from motiongpt3.data.dataset import MotionText
from motiongpt3.data.sources import read_clips
from motiongpt3.evaluation.completing import gap_of
from motiongpt3.evaluation.figure import Missing
from motiongpt3.evaluation.following import FOLLOWED, follow_figures, followed
from motiongpt3.evaluation.nearest_caption import NearestCaption, words
from motiongpt3.evaluation.noise_latents import NoiseLatents

WORDS = st.lists(st.sampled_from("a man walks runs left right turns to the".split()), min_size=1)
SENTENCES = st.lists(WORDS.map(" ".join), min_size=1, max_size=12, unique=True)


def naive(captions: list[str], asked_for: str) -> list[float]:
    """Cosines of TF-IDF vectors, word by word: scikit-learn's smooth-free weights."""
    bags = [Counter(words(text)) for text in captions]
    vocabulary = sorted({word for bag in bags for word in bag})
    idf = [1 + math.log(len(bags) / sum(word in bag for bag in bags)) for word in vocabulary]

    def vector(bag: Counter[str]) -> np.ndarray:
        raw = np.array([bag[w] * weight for w, weight in zip(vocabulary, idf, strict=True)])
        return raw / (np.linalg.norm(raw) or 1.0)

    return [float(vector(bag) @ vector(Counter(words(asked_for)))) for bag in bags]


@given(SENTENCES, WORDS.map(" ".join))
def test_the_nearest_caption_is_the_one_that_every_comparison_finds(
    captions: list[str], asked_for: str
) -> None:
    found = NearestCaption([(text,) for text in captions]).find(asked_for)
    scores = naive(captions, asked_for)
    assert scores[captions.index(found)] == pytest.approx(max(scores), abs=1e-9)


def test_a_caption_of_several_clips_gives_any_of_them() -> None:
    nearest = NearestCaption([("he walks.", "he runs."), ("he walks.",), ("she sits.",)])
    rng = np.random.default_rng(0)
    assert {nearest.clip("walks", rng) for _ in range(40)} == {0, 1}
    assert {nearest.clip("RUNS!", rng) for _ in range(5)} == {0}
    assert nearest.find("an unheard-of word") in nearest.captions


def test_noise_keeps_the_spread_of_each_number_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_once(tmp_path_factory.getbasetemp() / "tiny")
    codec = motiongpt3.load(run / "model").codec
    train = MotionText(run.parent / "set", "train")
    clips = [np.asarray(train.features(index)) for index in range(len(train))]
    noise = NoiseLatents(codec, clips)
    frames = [20, 45, 96] * 10
    made = noise.make(frames, np.random.default_rng(3))
    assert [len(clip) for clip in made] == frames
    assert all(np.isfinite(clip).all() for clip in made)
    again = noise.make(frames, np.random.default_rng(3))
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))
    told: list[np.ndarray] = []

    def decode(codes, frames):
        told.append(codes.numpy())
        return [np.zeros((n, 263), np.float32) for n in frames]

    monkeypatch.setattr(codec, "features", decode)
    noise.make(frames, np.random.default_rng(3))
    mixed, known = np.concatenate(told), noise.codes.numpy()
    assert len(mixed) == len(frames) and len(known) == len(clips)
    for drawn, column in zip(mixed.T, known.T, strict=True):
        assert set(drawn) <= set(column) and len(set(drawn)) > 1
    assert not any((row == known).all(1).any() for row in mixed), "no clip is remembered"


@given(st.integers(20, 196))
def test_gaps_are_a_fifth_and_two_quarters(frames: int) -> None:
    joints = np.zeros((frames, 22, 3), np.float32)
    ahead = gap_of(joints, "predict", 6, 20)
    assert ahead is not None and (ahead.start, ahead.stop) == (max(6, round(frames / 5)), frames)
    assert len(ahead.after) == 0 and len(ahead.before) + len(ahead.real) == frames
    inside = gap_of(joints, "inbetween", 6, 20)
    assert inside is not None and len(inside.before) == len(inside.after)
    assert len(inside.before) == max(6, round(frames / 4))
    assert inside.filled(inside.real).shape == joints.shape


def test_a_clip_without_room_has_no_gap() -> None:
    assert gap_of(np.zeros((15, 22, 3), np.float32), "inbetween", 6, 20) is None
    assert gap_of(np.zeros((16, 22, 3), np.float32), "inbetween", 6, 20) is not None
    assert gap_of(np.zeros((9, 22, 3), np.float32), "predict", 6, 20) is None


ASKS = {
    "a person waves the left hand.": Asked("side", "limb", "left"),
    "someone raises both arms": Asked("side", "limb", "both"),
    "he turns to the right": Asked("direction", "turn", "right"),
    "a person walks backwards": Asked("direction", "backwards"),
    "somebody runs": Asked("speed", "run"),
    "a man bows": Asked("action", "bow"),
    "he kicks with the left leg": Asked("action", "kick", "left"),
}
SILENT = ["a person waves.", "he turns", "walks in place", "walks and then bows", "dances"]


@pytest.mark.parametrize("caption", ASKS)
def test_a_caption_asks_for_one_thing(caption: str) -> None:
    assert asked(caption) == ASKS[caption]


@pytest.mark.parametrize("caption", SILENT)
def test_a_caption_that_leaves_it_open_asks_for_nothing(caption: str) -> None:
    assert asked(caption) is None


def test_the_share_that_is_done_counts_those_that_are_asked() -> None:
    left, ahead = wave(side="left").joints, walk(speed=1.0).joints
    captions = ["waves the left hand", "waves the right hand", "walks forward", "stands"]
    figures = follow_figures(captions, [left, left, ahead, ahead])
    assert figures == {
        "side": 0.5,
        "direction": Missing("no caption asks"),
        "speed": 1.0,
        "action": Missing("no caption asks"),
    }
    judged = followed(captions, [left, left, ahead, ahead])
    assert [None if j is None else j[1] for j in judged] == [True, False, True, None]


def test_another_skeleton_has_no_rules() -> None:
    kit = [np.zeros((20, 21, 3), np.float32)]
    figures = follow_figures(["waves the left hand"], kit)
    assert set(figures) == {column.name for column in FOLLOWED}
    assert {str(figure) for figure in figures.values()} == {"n/a (no rules for 21 joints)"}
    assert followed(["waves the left hand"], kit) == [None]


def test_real_clips_do_what_their_captions_say(data: Path) -> None:
    clips = list(read_clips(data / "motion5h", ("test",)))
    captions = [caption for clip in clips for caption in clip.captions]
    joints = [clip.joints for clip in clips for _ in clip.captions]
    for name, share in follow_figures(captions, joints).items():
        assert not isinstance(share, Missing) and share >= 0.95, name
